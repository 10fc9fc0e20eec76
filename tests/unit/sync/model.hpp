#pragma once

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "core/hash.hpp"
#include "index/containers.hpp"
#include "index/items.hpp"
#include "index/work.hpp"
#include "sync/plan/content.hpp"
#include "sync/plan/journal.hpp"
#include "sync/plan/settle.hpp"
#include "sync/run/place_files.hpp"
#include "sync/verify.hpp"
#include "tests/unit/tree/support.hpp"

namespace m365stage::test {

/// What the service has, and the pages it would send of it.
class drive_model {
public:
    struct node {
        bool folder = false;
        std::string parent, name;
        int version = 1;
    };

    std::map<std::string, node> items;
    std::set<std::string> changed, deleted;

    std::string add(bool folder, const std::string& parent, const std::string& name) {
        const auto id = "i" + std::to_string(++last_);
        items[id] = {folder, parent, name, 1};
        changed.insert(id);
        return id;
    }
    void edit(const std::string& id) {
        ++items.at(id).version;
        changed.insert(id);
    }
    void move(const std::string& id, const std::string& parent, const std::string& name) {
        items.at(id).parent = parent;
        items.at(id).name = name;
        changed.insert(id);
    }
    void remove(const std::string& id) {
        std::vector<std::string> gone{id};
        for (std::size_t i = 0; i < gone.size(); ++i) {
            for (const auto& [child, n] : items) {
                if (n.parent == gone[i]) {
                    gone.push_back(child);
                }
            }
        }
        for (const auto& one : gone) {
            items.erase(one);
            changed.erase(one);
            deleted.insert(one);
        }
    }

    bool is_inside(const std::string& folder, std::string id) const {
        for (; id != "root"; id = items.at(id).parent) {
            if (id == folder) {
                return true;
            }
        }
        return false;
    }
    bool taken(const std::string& parent, const std::string& name) const {
        return std::any_of(items.begin(), items.end(), [&](const auto& i) {
            return i.second.parent == parent && i.second.name == name;
        });
    }

    static std::string content(const std::string& id, int version) {
        return "content " + id + " " + std::to_string(version);
    }

    index::item_change change(const std::string& id) const {
        index::item_change c;
        c.remote_id = id;
        if (id == "root") {
            c.root = true;
            c.type = index::item_type::folder;
            c.name = "root";
            c.meta = c.mark = "{}";
            return c;
        }
        const auto& n = items.at(id);
        const auto text = std::to_string(n.version);
        c.type = n.folder ? index::item_type::folder : index::item_type::file;
        c.parent_remote_id = n.parent;
        c.name = n.name;
        c.etag = text;
        c.meta = "{\"description\":\"" + text + "\"}";
        c.mark = c.meta;
        if (!n.folder) {
            c.content = true;
            c.ctag = text;
            c.size = static_cast<std::int64_t>(content(id, n.version).size());
            c.mtime = 1'000'000 + n.version;
        }
        return c;
    }

    static index::item_change tombstone(const std::string& id) {
        index::item_change c;
        c.remote_id = id;
        c.removed = true;
        return c;
    }

    /// Path of everything, folders with '/' behind.
    std::map<std::string, std::string> tree(const std::string& key) const {
        std::map<std::string, std::string> out;
        for (const auto& [id, n] : items) {
            out.emplace(path(id, key) + (n.folder ? "/" : ""), n.folder ? "" : content(id, n.version));
        }
        return out;
    }
    std::string path(const std::string& id, const std::string& key) const {
        return id == "root" ? key : path(items.at(id).parent, key) + "/" + items.at(id).name;
    }

private:
    int last_ = 0;
};

/// A container in an index, with its tree.
class staged_drive {
public:
    static constexpr const char* key = "users/ann/onedrive";

    staged_drive() : db(stage.path("index.db"), index::database::mode::read_write) {
        index::found_container f;
        f.key = key;
        f.kind = "drive";
        f.owner_kind = "user";
        f.owner_id = f.owner_name = "ann";
        f.remote_id = "d1";
        f.name = "OneDrive";
        id = index::upsert_container(db, f);
        db.run("INSERT INTO generation (id, started_at) VALUES (1, 1)");
        guard.min_deleted_items = 1'000'000;
    }

    temp_stage stage;
    index::database db;
    index::container_id id{};
    sync::guard_limits guard;
    std::mt19937 random{7};
    bool crashes = false;  ///< every batch is cut off somewhere, and resumed
    std::size_t batch = 2000;
    std::int64_t fetched = 0;

    index::container container() { return *index::find_container(db, id); }

    void page(std::vector<index::item_change> items, bool last, const std::string& cursor = "cursor") {
        index::delta_page p;
        p.items = std::move(items);
        p.cursor = cursor;
        p.last = last;
        index::apply_page(db, index::main_stream(db, id), p, 1);
    }

    /// A round with what changed, in random order and some of it twice.
    void incremental(drive_model& m) {
        std::vector<index::item_change> all;
        for (const auto& gone : m.deleted) {
            all.push_back(drive_model::tombstone(gone));
        }
        const auto tombstones = all.size();
        for (const auto& one : m.changed) {
            all.push_back(m.change(one));
        }
        std::shuffle(all.begin() + static_cast<std::ptrdiff_t>(tombstones), all.end(), random);
        m.changed.clear();
        m.deleted.clear();
        send(std::move(all));
    }

    /// A round from nothing: everything there is.
    void full(drive_model& m) {
        index::drop_cursors(db, id);
        std::vector<index::item_change> all{m.change("root")};
        for (const auto& [one, n] : m.items) {
            all.push_back(m.change(one));
        }
        std::shuffle(all.begin() + 1, all.end(), random);
        m.changed.clear();
        m.deleted.clear();
        send(std::move(all));
    }

    void send(std::vector<index::item_change> all) {
        index::begin_round(db, index::main_stream(db, id));
        const auto half = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
        std::vector<index::item_change> rest(half, all.end());
        if (!all.empty()) {
            rest.push_back(all.front());  // the feed may tell an item twice
        }
        page({all.begin(), half}, false);
        page(std::move(rest), true);
    }

    /// Fetches what is due, as the service has it in the model.
    void fetch(const drive_model& m) {
        for (auto work = index::due_work(db, id, 10, 100); !work.empty();
             work = index::due_work(db, id, 10, 100)) {
            std::vector<index::fetch_result> results;
            for (const auto& w : work) {
                const auto text = drive_model::content(w.remote_id, m.items.at(w.remote_id).version);
                index::fetch_result r;
                r.id = w.id;
                r.version = w.version;
                r.spool = std::to_string(static_cast<std::int64_t>(w.id)) + "-" + std::to_string(w.version);
                REQUIRE(stage.root().write_file("spool/" + r.spool, text).has_value());
                REQUIRE(stage.root().set_mtime("spool/" + r.spool, w.mtime).has_value());
                const auto facts = stage.root().look("spool/" + r.spool);
                REQUIRE(facts.has_value());
                r.spool_inode = static_cast<std::int64_t>(facts->inode);
                r.size = static_cast<std::int64_t>(text.size());
                const auto digest = core::sha256::of(text);
                r.sha256.assign(digest.begin(), digest.end());
                results.push_back(std::move(r));
                ++fetched;
            }
            index::record_fetched(db, results);
        }
    }

    void perform(const std::vector<tree::op>& ops) {
        if (!crashes) {
            auto done = tree::perform(stage.root(), ops);
            REQUIRE(done.has_value());
            for (const auto& o : *done) {
                REQUIRE_FALSE(o.missing);
            }
            sync::finish_batch(db, ops, *done);
            return;
        }
        const auto k = static_cast<std::ptrdiff_t>(random() % (ops.size() + 1));
        REQUIRE(tree::perform(stage.root(), {ops.begin(), ops.begin() + k}).has_value());
        const auto left = sync::read_journal(db);
        REQUIRE(left.size() == ops.size());
        auto done = tree::resume(stage.root(), left);
        REQUIRE(done.has_value());
        for (const auto& o : *done) {
            REQUIRE_FALSE(o.missing);
        }
        sync::finish_batch(db, left, *done);
    }

    void settle() {
        for (bool more = true; more;) {
            // After a crash nothing but the index is left: a new settler.
            sync::settler plan(db, container(), guard, 1);
            for (;;) {
                const auto ops = plan.next(batch);
                if (ops.empty()) {
                    more = false;
                    break;
                }
                perform(ops);
                if (crashes) {
                    break;
                }
            }
        }
    }

    void place() {
        for (index::item_id after{};;) {
            sync::content_batch b;
            sync::plan_content(db, container(), guard, 1, after, 50, b);
            after = b.last;
            if (!b.empty()) {
                auto done = sync::place_files(stage.root(), b);
                CAPTURE(done ? std::string() : core::describe(done.error()));
                REQUIRE(done.has_value());
                sync::finish_content(db, b, done->folders, done->files, 1);
            }
            if (b.exhausted) {
                return;
            }
        }
    }

    void apply(const drive_model& m) {
        fetch(m);
        settle();
        place();
    }

    /// The tree without sidecars.
    std::map<std::string, std::string> tree() const {
        std::map<std::string, std::string> out;
        const std::string base = std::string("tree/") + key;
        if (!stage.root().look(base)) {
            return out;
        }
        for (const auto& [path, text] : stage.list(base)) {
            if (path.find(".m365/") == std::string::npos) {
                out.emplace(std::string(key) + "/" + path, text);
            }
        }
        return out;
    }

    /// Everything that verification finds.
    std::string problems() {
        std::string out;
        tree::verify_log log([&out](const tree::problem& p) {
            out += std::string(tree::to_string(p.kind)) + " " + p.path + ": " + p.detail + "\n";
        });
        sync::verify_index(db, stage.root(), log);
        return out;
    }

    std::int64_t pending() { return db.number("SELECT count(*) FROM pending").value_or(-1); }
    std::int64_t parked() { return db.number("SELECT count(*) FROM item WHERE parked<>0").value_or(-1); }
};

}  // namespace m365stage::test
