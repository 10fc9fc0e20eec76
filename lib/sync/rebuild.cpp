#include "sync/rebuild.hpp"

#include <algorithm>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_map>

#include "core/hash.hpp"
#include "index/containers.hpp"
#include "index/items.hpp"
#include "sources/fields.hpp"
#include "sources/source.hpp"
#include "sync/cursors_file.hpp"
#include "sync/staged_folder.hpp"
#include "sync/verify.hpp"
#include "tree/names.hpp"

namespace m365stage::sync {
namespace {

using index::item_type;
using nlohmann::json;
using sources::text;
using tree::problem_kind;

std::optional<item_type> item_type_of(std::string_view type) {
    for (const auto t : {item_type::file, item_type::folder, item_type::package, item_type::shortcut}) {
        if (index::to_string(t) == type) {
            return t;
        }
    }
    return std::nullopt;
}

/// Only drives announce sizes, and their sidecars have them.
std::optional<std::int64_t> announced_size(const json& item) {
    const auto size = item.find("size");
    const bool told = size != item.end() && size->is_number_integer();
    return told ? std::optional(size->get<std::int64_t>()) : std::nullopt;
}

class rebuilder {
public:
    rebuilder(index::database& db, const tree::stage_root& root, tree::verify_log& log, bool read_content)
        : db_(db), root_(root), log_(log), hashed_([this](const tree::problem& p) { bad_content(p); }) {
        sources_ = sources::make_sources(sources::enabled_kinds());
        if (read_content) {
            pool_ = std::make_unique<tree::hash_pool>(root, hashed_);
        }
    }

    core::result<rebuild_outcome> run() {
        auto top = root_.list("tree");
        if (!top) {
            return top.error();
        }
        transaction_.emplace(db_);
        load_cursors();
        upper_.push_back("");
        while (!upper_.empty()) {
            const auto path = std::move(upper_.back());
            upper_.pop_back();
            upper_folder(path);
        }
        if (pool_) {
            pool_->finish();
            log_.bytes += hashed_.bytes;
            fetch_bad_content();
        }
        transaction_->commit();
        transaction_.reset();
        return out_;
    }

private:
    struct place {
        std::string path;
        std::int64_t item = 0;
    };

    /// A folder above containers: users/, users/ann@contoso.com/, ...
    void upper_folder(const std::string& path) {
        auto found = read_staged_folder(root_, log_, path, false);
        for (auto& [name, s] : found.objects) {
            const auto at = tree::join_path(path, name);
            auto facts = root_.look("tree/" + at);
            if (!facts) {
                log_.found(tree::problem_of(facts.error(), at));
            } else if (!facts->folder) {
                log_.found({problem_kind::extra, at, "nothing is staged here; left alone"});
            } else if (s && s->type == "container") {
                container(at, *s, *facts);
            } else {
                upper_.push_back(at);
            }
        }
        for (const auto& [name, s] : found.alone) {
            log_.found({problem_kind::missing, tree::join_path(path, s.name), "only its sidecar is there"});
        }
    }

    void container(const std::string& path, const tree::sidecar& s, const tree::file_facts& facts) {
        const auto owner = json::parse(s.owner.empty() ? "{}" : s.owner, nullptr, false);
        index::found_container f;
        f.key = path;
        f.kind = s.kind;
        f.owner_kind = text(owner, "kind");
        f.owner_id = text(owner, "id");
        f.owner_name = text(owner, "name");
        f.remote_id = s.id;
        f.name = s.name;
        if (source_of(s.kind) == nullptr || s.root_id.empty() ||
            db_.number("SELECT 1 FROM container WHERE kind=? AND remote_id=?", s.kind, s.id)) {
            log_.found(
                {problem_kind::extra, path, "a container of unknown kind, or one that lies twice; left alone"}
            );
            return;
        }
        source_ = source_of(s.kind);
        container_ = static_cast<std::int64_t>(index::upsert_container(db_, f));
        ++out_.containers;
        items_ = bytes_ = 0;
        damaged_ = unsettled_ = false;
        db_.run(
            "INSERT INTO item (container_id, remote_id, type, name, meta, seen_round, inode) VALUES "
            "(?,?,?,'root',?,1,?)",
            container_, s.root_id, item_type::folder, mark_of(s), facts.inode
        );
        const auto root = db_.last_id();
        db_.run("UPDATE container SET at_key=key, root_item=?, round=1 WHERE id=?", root, container_);
        todo_.push_back({path, root});
        while (!todo_.empty()) {
            const auto next = std::move(todo_.back());
            todo_.pop_back();
            folder(next);
        }
        close_container(s);
    }

    /// What cursors.json tells waits in the index for the containers it is about.
    void load_cursors() {
        db_.run("CREATE TEMP TABLE told_state (container TEXT PRIMARY KEY, state TEXT) STRICT, WITHOUT ROWID"
        );
        db_.run(
            "CREATE TEMP TABLE told_cursor (container TEXT, folder TEXT, cursor TEXT, shape TEXT, "
            "PRIMARY KEY (container, folder)) STRICT, WITHOUT ROWID"
        );
        const auto keep = [this](container_cursors c) {
            const auto key = c.kind + " " + c.id;
            db_.run("INSERT OR REPLACE INTO told_state VALUES (?,?)", key, c.state);
            for (const auto& one : c.streams) {
                db_.run(
                    "INSERT OR REPLACE INTO told_cursor VALUES (?,?,?,?)", key, one.folder, one.cursor,
                    one.shape
                );
            }
        };
        if (auto read = read_cursors(root_, keep); !read) {
            const bool missing = read.error().kind == core::error_kind::not_found;
            log_.found(
                {missing ? problem_kind::missing : problem_kind::damaged,
                 std::string(tree::state_folder) + "/cursors.json",
                 "every container that it does not tell of is enumerated from the start"}
            );
        }
    }

    void close_container(const tree::sidecar& s) {
        const auto key = s.kind + " " + s.id;
        std::int64_t cursors = 0;
        if (!damaged_) {
            cursors = db_.run(
                "INSERT INTO stream (container_id, remote_id, cursor, shape, cursor_state, round) SELECT ?1, "
                "folder, cursor, shape, 2, 1 FROM told_cursor WHERE container=?2 ON CONFLICT (container_id, "
                "remote_id) DO UPDATE SET cursor=excluded.cursor, shape=excluded.shape, cursor_state=2, "
                "round=1",
                container_, key
            );
        }
        if (cursors > 0) {
            db_.run("UPDATE container SET cursor_state=2, complete_round=1 WHERE id=?", container_);
        } else {
            ++out_.without_cursor;
        }
        if (db_.text("SELECT state FROM told_state WHERE container=?", key) == "departed") {
            index::mark_departed(db_, static_cast<index::container_id>(container_), core::now_seconds());
        }
        db_.run(
            "UPDATE container SET live_items=?, live_bytes=?, settle=? WHERE id=?", items_, bytes_,
            unsettled_, container_
        );
        out_.items += items_;
        out_.bytes += bytes_;
    }

    void folder(const place& at) {
        auto found = read_staged_folder(root_, log_, at.path, true);
        damaged_ = damaged_ || found.damaged;
        for (auto& [name, s] : found.objects) {
            object(at, name, s ? &*s : nullptr);
        }
        for (const auto& [name, s] : found.alone) {
            without_object(at, name, s);
        }
    }

    void object(const place& at, const std::string& name, const tree::sidecar* s) {
        const auto path = tree::join_path(at.path, name);
        auto facts = root_.look("tree/" + path);
        if (!facts) {
            log_.found(tree::problem_of(facts.error(), path));
            damaged_ = true;
            return;
        }
        if (facts->folder) {
            folder_object(at, name, s, *facts);
        } else if (s == nullptr || !facts->regular || s->type != "file") {
            damaged_ = true;
            log_.found({problem_kind::sidecar_missing, path, "nothing tells what it is; left alone"});
        } else {
            file_object(at, name, *s, *facts);
        }
    }

    void folder_object(
        const place& at, const std::string& name, const tree::sidecar* s, const tree::file_facts& facts
    ) {
        const auto path = tree::join_path(at.path, name);
        tree::sidecar guessed;
        if (s == nullptr || (s->type != "folder" && s->type != "package")) {
            damaged_ = true;
            log_.found({problem_kind::sidecar_missing, path, "the folder has no sidecar of its own"});
            // What lies in it names its id.
            guessed = guess_folder(path, name);
            if (guessed.id.empty()) {
                return;
            }
            s = &guessed;
        }
        if (const auto row = insert(at, name, *s, facts)) {
            todo_.push_back({path, *row});
        }
    }

    tree::sidecar guess_folder(const std::string& path, const std::string& name) {
        tree::sidecar s;
        const auto folder = tree::join_path(path, tree::sidecar_folder);
        auto names = root_.list("tree/" + folder);
        for (const auto& file : names ? *names : std::vector<std::string>()) {
            auto child = tree::read_sidecar(root_, "tree/" + tree::join_path(folder, file));
            if (child && !child->parent_id.empty()) {
                s.type = "folder";
                s.id = child->parent_id;
                s.name = name;
                break;
            }
        }
        return s;
    }

    void file_object(
        const place& at, const std::string& name, const tree::sidecar& s, const tree::file_facts& facts
    ) {
        const auto path = tree::join_path(at.path, name);
        ++log_.files;
        const auto row = insert(at, name, s, facts);
        if (!row) {
            return;
        }
        if (facts.size != *s.size) {
            log_.found(
                {problem_kind::damaged, path,
                 "it has " + std::to_string(facts.size) + " bytes, its sidecar says " +
                     std::to_string(*s.size) + "; the next sync fetches it again"}
            );
            refetch(*row, s, false);
        } else if (pool_) {
            tree::file_check c;
            c.path = "tree/" + path;
            c.shown = path;
            c.size = *s.size;
            c.sha256 = s.sha256;
            c.item = *row;
            pool_->check(std::move(c));
        }
    }

    /// A sidecar whose object is not there: a shortcut has none; a file is fetched again.
    void without_object(const place& at, const std::string& file, const tree::sidecar& s) {
        constexpr std::string_view ending = ".json";
        if (s.type == "shortcut") {
            // Its name on disk is that of its sidecar, unless that was shortened.
            auto name = tree::local_name(s.name, s.id);
            if (tree::sidecar_name(name) != file) {
                name = tree::tagged_name(s.name, s.id);
            }
            if (tree::sidecar_name(name) == file) {
                insert(at, name, s, tree::file_facts());
                return;
            }
        }
        log_.found(
            {problem_kind::missing,
             tree::join_path(
                 at.path, file.ends_with(ending) ? file.substr(0, file.size() - ending.size()) : file
             ),
             "only its sidecar is there"}
        );
        if (s.type == "file" && place_of_parent(at, s) == at.item) {
            if (const auto row = insert(at, std::nullopt, s, tree::file_facts())) {
                refetch(*row, s, true);
                return;
            }
        }
        damaged_ = true;
    }

    std::int64_t mark_of(const tree::sidecar& s) const {
        return s.item.empty() ? 0 : core::fingerprint(source_->mark_of(json::parse(s.item)));
    }

    /// The row of the folder that the service has the item in; mostly the one it lies in.
    std::int64_t place_of_parent(const place& at, const tree::sidecar& s) {
        if (s.parent_id.empty()) {
            return at.item;
        }
        if (s.parent_id != last_parent_id_ || container_ != last_container_) {
            auto row = db_.number(
                "SELECT id FROM item WHERE container_id=? AND remote_id=?", container_, s.parent_id
            );
            if (!row) {  // filled when its own sidecar comes
                db_.run(
                    "INSERT INTO item (container_id, remote_id, type, name) VALUES (?,?,0,'')", container_,
                    s.parent_id
                );
                row = db_.last_id();
            }
            last_parent_id_ = s.parent_id;
            last_container_ = container_;
            last_parent_ = *row;
        }
        return last_parent_;
    }

    /// The item's row, with its place if `name` is set. nullopt if the item lies somewhere else already.
    std::optional<std::int64_t> insert(
        const place& at, const std::optional<std::string>& name, const tree::sidecar& s,
        const tree::file_facts& facts
    ) {
        const auto type = item_type_of(s.type);
        const auto present = db_.number(
            "SELECT id FROM item WHERE container_id=? AND remote_id=? AND type<>0", container_, s.id
        );
        if (!type || present) {
            damaged_ = true;
            log_.found(
                {problem_kind::extra, tree::join_path(at.path, name.value_or(s.name)),
                 present ? "the same item lies somewhere else as well; left alone"
                         : "an item of unknown type; left alone"}
            );
            return std::nullopt;
        }
        const auto parent = place_of_parent(at, s);
        const bool elsewhere = parent != at.item || name != tree::local_name(s.name, s.id);
        unsettled_ = unsettled_ || elsewhere;
        const bool file = *type == item_type::file && name.has_value();
        const auto item = s.item.empty() ? json::object() : json::parse(s.item);
        const bool made = s.item == index::made_folder_meta;
        const auto hash = file ? source_->hash_of(item) : std::string();
        const auto sha256 = file ? core::bytes_of_hex(s.sha256) : std::string();
        db_.run(
            "INSERT INTO item (container_id, remote_id, type, parent, name, meta, seen_round, dirty, "
            "at_parent, "
            "at_name, inode, size, sha256, hash, mtime, verdict, made, announced) VALUES "
            "(?1,?2,?3,?4,?5,?6,1,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17) ON CONFLICT (container_id, "
            "remote_id) DO "
            "UPDATE SET type=?3, parent=?4, name=?5, meta=?6, seen_round=1, dirty=?7, at_parent=?8, "
            "at_name=?9, "
            "inode=?10, size=?11, sha256=?12, hash=?13, mtime=?14, verdict=?15, made=?16, announced=?17",
            container_, s.id, *type, parent, s.name, mark_of(s), elsewhere,
            name ? std::optional(at.item) : std::nullopt, name, facts.inode, file ? s.size : std::nullopt,
            file ? std::optional(index::as_blob(sha256)) : std::nullopt,
            hash.empty() ? std::nullopt : std::optional(hash),
            file ? std::optional(facts.mtime) : std::nullopt,
            s.verdict.empty() ? std::nullopt : std::optional(s.verdict), made,
            file ? announced_size(item) : std::nullopt
        );
        items_ += made ? 0 : 1;
        bytes_ += file ? *s.size : 0;
        breathe();
        return db_.number("SELECT id FROM item WHERE container_id=? AND remote_id=?", container_, s.id);
    }

    void refetch(std::int64_t row, const tree::sidecar& s, bool is_new) {
        fetch_again(db_, static_cast<index::item_id>(row), &s, is_new);
        ++out_.to_fetch;
    }

    /// A transaction for some thousand rows: what is not committed is held in memory.
    void breathe() {
        constexpr int rows_per_transaction = 5000;
        if (++written_ >= rows_per_transaction) {
            written_ = 0;
            transaction_->commit();
            transaction_.reset();
            transaction_.emplace(db_);
        }
    }

    /// From the hashing threads.
    void bad_content(const tree::problem& p) {
        log_.found(p);
        const std::lock_guard guard(mutex_);
        bad_.push_back(p);
    }

    void fetch_bad_content() {
        for (const auto& p : bad_) {
            auto s = tree::read_sidecar(root_, "tree/" + tree::sidecar_path(p.path));
            fetch_again(db_, static_cast<index::item_id>(p.item), s ? &*s : nullptr, false);
            ++out_.to_fetch;
            breathe();
        }
    }

    sources::source* source_of(std::string_view kind) const { return sources::find_source(sources_, kind); }

    index::database& db_;
    const tree::stage_root& root_;
    tree::verify_log& log_;
    tree::verify_log hashed_;
    std::unique_ptr<tree::hash_pool> pool_;
    std::vector<std::unique_ptr<sources::source>> sources_;
    std::optional<index::database::transaction> transaction_;
    rebuild_outcome out_;
    std::vector<std::string> upper_;

    // Of the container that is being read.
    sources::source* source_ = nullptr;
    std::int64_t container_ = 0, items_ = 0, bytes_ = 0;
    bool damaged_ = false, unsettled_ = false;
    std::vector<place> todo_;
    std::string last_parent_id_;
    std::int64_t last_container_ = 0, last_parent_ = 0;
    int written_ = 0;

    std::mutex mutex_;
    std::vector<tree::problem> bad_;  ///< files whose bytes are not those of the sidecar
};

}  // namespace

core::result<rebuild_outcome> rebuild_index(
    index::database& db, const tree::stage_root& root, tree::verify_log& log, bool read_content
) {
    rebuilder r(db, root, log, read_content);
    return r.run();
}

}  // namespace m365stage::sync
