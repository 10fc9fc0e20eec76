#include "sync/verify.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "core/hash.hpp"
#include "index/containers.hpp"
#include "sources/source.hpp"
#include "sync/staged_folder.hpp"
#include "sync/state_file.hpp"
#include "tree/names.hpp"

namespace m365stage::sync {
namespace {

using index::item_type;
using tree::problem_kind;

/// What the index says of one name in a folder.
struct expected {
    expected() = default;
    std::string name;
    std::int64_t item = 0;
    item_type type = item_type::folder;
    std::int64_t size = 0;
    std::string sha256, verdict;  ///< sha256 in hex; empty: nothing is claimed of the content
    std::optional<core::unix_seconds> mtime;
    std::string type_text;  ///< in the sidecar; empty: no sidecar (folders above containers)
    std::string id, remote_name, parent_id;
    std::int64_t meta = 0;
    bool steady = true;  ///< nothing waits for it: the sidecar is up to date
};

class verifier {
public:
    verifier(index::database& db, const tree::stage_root& root, tree::verify_log& log)
        : db_(db), root_(root), log_(log), pool_(root, log), sources_(sources::make_sources({})) {}

    void run() {
        upper_folder("");
        state_folder();
        pool_.finish();
    }

private:
    struct place {
        std::string path;
        std::int64_t item = 0;
    };

    /// A folder above the containers (the top, users/, users/ann@.../), which has no row of its own, and what
    /// is in it.
    void upper_folder(const std::string& path) {
        const auto names = index::names_above_containers(db_, path);
        std::vector<expected> rows;
        for (const auto& [name, id] : names) {
            const auto c = id ? index::find_container(db_, *id) : std::nullopt;
            auto& e = rows.emplace_back(c ? container_root(*c) : expected());
            e.name = name;
        }
        folder(path, rows);
        for (const auto& e : rows) {
            const auto below = tree::join_path(path, e.name);
            if (e.item == 0) {
                upper_folder(below);
            } else {
                container_folders({below, e.item});
            }
        }
    }

    void container_folders(place root) {
        todo_.push_back(std::move(root));
        while (!todo_.empty()) {
            const auto next = std::move(todo_.back());
            todo_.pop_back();
            folder(next.path, children(next.item));
        }
    }

    expected container_root(const index::container& c) {
        expected e;
        e.item = static_cast<std::int64_t>(*c.root);
        e.type_text = "container";
        e.id = c.remote_id;
        e.remote_name = c.name;
        db_.query(
            "SELECT meta, EXISTS (SELECT 1 FROM pending WHERE item_id=i.id) FROM item AS i WHERE id=?",
            [&](index::row r) {
                e.meta = r.integer(0);
                e.steady = r.integer(1) == 0;
            },
            e.item
        );
        return e;
    }

    std::vector<expected> children(std::int64_t folder) {
        std::vector<expected> out;
        db_.query(
            "SELECT i.id, i.type, i.at_name, i.size, i.sha256, i.mtime, i.verdict, i.remote_id, i.name, "
            "q.remote_id, i.meta, i.gone_round=0 AND p.item_id IS NULL FROM item AS i LEFT JOIN item AS q ON "
            "q.id=i.parent LEFT JOIN pending AS p ON p.item_id=i.id WHERE i.at_parent=? ORDER BY i.at_name",
            [&](index::row r) {
                expected e;
                e.item = r.integer(0);
                e.type = static_cast<item_type>(r.integer(1));
                e.name = r.text(2);
                e.size = r.integer(3);
                e.sha256 = core::to_hex(r.bytes(4));
                e.mtime = r.maybe_integer(5);
                e.verdict = r.text(6);
                e.id = r.text(7);
                e.remote_name = r.text(8);
                e.parent_id = r.text(9);
                e.meta = r.integer(10);
                e.steady = r.integer(11) != 0;
                e.type_text = index::to_string(e.type);
                out.push_back(std::move(e));
            },
            folder
        );
        return out;
    }

    /// Compares the names in one folder with what the index has there.
    void folder(const std::string& path, const std::vector<expected>& rows) {
        auto names = root_.list("tree/" + path);
        if (!names) {
            if (names.error().kind != core::error_kind::not_found) {
                log_.found(tree::problem_of(names.error(), path));
            }
            names = std::vector<std::string>();  // reported where it is a name
        }
        ++log_.folders;
        std::size_t at = 0;
        bool has_sidecars = false;
        for (const auto& name : *names) {
            if (name == tree::sidecar_folder) {
                has_sidecars = true;
                continue;
            }
            if (path.empty() && name == tree::state_folder) {
                continue;
            }
            for (; at < rows.size() && rows[at].name < name; ++at) {
                missing(path, rows[at]);
            }
            if (at < rows.size() && rows[at].name == name && rows[at].type != item_type::shortcut) {
                object(path, rows[at]);
                ++at;
            } else {
                log_.found({problem_kind::extra, tree::join_path(path, name), "the index does not know it"});
            }
        }
        for (; at < rows.size(); ++at) {
            missing(path, rows[at]);
        }
        sidecars(path, rows, has_sidecars);
    }

    void missing(const std::string& path, const expected& e) {
        if (e.type != item_type::shortcut) {
            log_.found({problem_kind::missing, tree::join_path(path, e.name), "it is not there", e.item});
        }
        if (index::is_folder(e.type) && e.type_text != "container" && !e.type_text.empty()) {
            todo_.push_back({tree::join_path(path, e.name), e.item}
            );  // all that was in it is missing as well
        }
    }

    void object(const std::string& path, const expected& e) {
        const auto shown = tree::join_path(path, e.name);
        auto facts = root_.look("tree/" + shown);
        if (!facts) {
            log_.found(tree::problem_of(facts.error(), shown, e.item));
            return;
        }
        if (index::is_folder(e.type)) {
            if (!facts->folder) {
                log_.found({problem_kind::damaged, shown, "it is not a folder", e.item});
            }
            if (e.type_text != "container" && !e.type_text.empty()) {
                todo_.push_back({shown, e.item});
            }
            return;
        }
        if (!facts->regular) {
            log_.found({problem_kind::damaged, shown, "it is not a regular file", e.item});
            return;
        }
        ++log_.files;
        if (e.sha256.empty()) {
            return;  // owed: nothing is claimed of it
        }
        if (e.mtime && *e.mtime != facts->mtime) {
            log_.found(
                {problem_kind::wrong_time, shown,
                 "its time is " + core::format_timestamp(facts->mtime) + ", not " +
                     core::format_timestamp(*e.mtime),
                 e.item}
            );
        }
        tree::file_check c;
        c.path = "tree/" + shown;
        c.shown = shown;
        c.size = e.size;
        c.sha256 = e.sha256;
        c.item = e.item;
        pool_.check(std::move(c));
    }

    void sidecars(const std::string& path, const std::vector<expected>& rows, bool present) {
        const auto at = tree::join_path(path, tree::sidecar_folder);
        std::unordered_map<std::string, const expected*> wanted;
        for (const auto& e : rows) {
            if (!e.type_text.empty()) {
                wanted.emplace(tree::sidecar_name(e.name), &e);
            }
        }
        if (present) {
            auto names = root_.list("tree/" + at);
            if (!names) {
                log_.found({problem_kind::extra, at, "it is not a folder of sidecars"});
                names = std::vector<std::string>();
            }
            for (const auto& name : *names) {
                const auto found = wanted.find(name);
                if (found == wanted.end()) {
                    log_.found({problem_kind::extra, tree::join_path(at, name), "the index does not know it"}
                    );
                    continue;
                }
                sidecar(tree::join_path(at, name), *found->second);
                wanted.erase(found);
            }
        }
        for (const auto& [name, e] : wanted) {
            // A folder is in the tree before its sidecar; a file never is.
            const bool on_its_way = !e->steady && index::is_folder(e->type);
            if (!on_its_way) {
                log_.found(
                    {problem_kind::sidecar_missing, tree::join_path(at, name), "it is not there", e->item}
                );
            }
        }
    }

    void sidecar(const std::string& path, const expected& e) {
        ++log_.sidecars;
        auto s = tree::read_sidecar(root_, "tree/" + path);
        if (!s) {
            auto p = tree::problem_of(s.error(), path, e.item);
            log_.found(p);
            return;
        }
        if (const auto wrong = disagreement(*s, e); !wrong.empty()) {
            log_.found({problem_kind::sidecar_damaged, path, wrong, e.item});
        }
    }

    /// What a sidecar tells otherwise than the index; empty: nothing.
    std::string disagreement(const tree::sidecar& s, const expected& e) {
        if (e.type == item_type::file && !e.sha256.empty() &&
            (s.size != e.size || s.sha256 != e.sha256 || s.verdict != e.verdict)) {
            return "it describes other content than the index does";
        }
        if (s.type != e.type_text) {
            return "it tells of a " + s.type + ", the index of a " + e.type_text;
        }
        if (!e.steady) {
            return {};
        }
        const bool container = e.type_text == "container";
        if (s.id != e.id || (!container && (s.name != e.remote_name || s.parent_id != e.parent_id))) {
            return "it belongs to another item than the index says";
        }
        const auto* source = sources::find_source(sources_, s.kind);
        if (!container && source != nullptr && !s.item.empty() &&
            core::fingerprint(source->mark_of(nlohmann::json::parse(s.item))) != e.meta) {
            return "it holds other metadata than the index";
        }
        return {};
    }

    /// tree/.m365stage: what we write there, and nothing else.
    void state_folder() {
        const std::string path(tree::state_folder);
        auto names = root_.list("tree/" + path);
        if (!names && names.error().kind != core::error_kind::not_found) {
            log_.found({problem_kind::extra, path, "it is not a folder"});
        }
        for (const auto& name : names ? *names : std::vector<std::string>()) {
            if (name == "index.db") {
                continue;
            }
            if (name != "cursors.json" && name != "manifest.json") {
                log_.found({problem_kind::extra, tree::join_path(path, name), "m365stage did not make it"});
                continue;
            }
            const auto file = open_state_file(root_, name);
            if (!file || !nlohmann::json::accept(file->get())) {
                log_.found({problem_kind::damaged, tree::join_path(path, name), "it is not JSON"});
            }
        }
    }

    index::database& db_;
    const tree::stage_root& root_;
    tree::verify_log& log_;
    tree::hash_pool pool_;
    std::vector<std::unique_ptr<sources::source>> sources_;
    std::vector<place> todo_;
};

}  // namespace

void verify_index(index::database& db, const tree::stage_root& root, tree::verify_log& log) {
    verifier v(db, root, log);
    v.run();
}

}  // namespace m365stage::sync
