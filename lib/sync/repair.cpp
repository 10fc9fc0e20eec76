#include <unordered_set>

#include "index/containers.hpp"
#include "index/items.hpp"
#include "index/leases.hpp"
#include "sync/finish.hpp"
#include "sync/verify.hpp"
#include "tree/names.hpp"

namespace m365stage::sync {
namespace {

using index::item_type;
using tree::problem_kind;

class repairer {
public:
    repairer(index::database& db, const tree::stage_root& root) : db_(db), root_(root) {}

    core::result<repair_outcome> run(const std::vector<tree::problem>& problems) {
        // Folders first and from the top: what is fetched again has a place then.
        for (const auto& p : problems) {
            if (p.item != 0 && p.kind == problem_kind::missing) {
                if (auto made = folder(p); !made) {
                    return made.error();
                }
            }
        }
        constexpr std::size_t batch = 1000;
        for (std::size_t from = 0; from < problems.size(); from += batch) {
            index::database::transaction t(db_);
            for (std::size_t i = from; i < std::min(from + batch, problems.size()); ++i) {
                one(problems[i]);
            }
            t.commit();
        }
        for (const auto id : stale_) {
            index::drop_cursors(db_, static_cast<index::container_id>(id));
            ++out_.containers;
        }
        return out_;
    }

private:
    core::result<void> folder(const tree::problem& p) {
        const auto type = db_.number("SELECT type FROM item WHERE id=?", p.item);
        if (!type || !index::is_folder(static_cast<item_type>(*type))) {
            return core::result<void>();
        }
        for (std::size_t slash = p.path.find('/');; slash = p.path.find('/', slash + 1)) {
            if (auto made = root_.make_folder("tree/" + p.path.substr(0, slash)); !made) {
                return made;
            }
            if (slash == std::string::npos) {
                break;
            }
        }
        auto facts = root_.look("tree/" + p.path);
        if (!facts) {
            return facts.error();
        }
        db_.run("UPDATE item SET inode=? WHERE id=?", facts->inode, p.item);
        ++out_.folders;
        return core::result<void>();
    }

    void one(const tree::problem& p) {
        const auto type = p.item == 0 ? std::nullopt : db_.number("SELECT type FROM item WHERE id=?", p.item);
        if (!type) {
            return;
        }
        const auto id = static_cast<index::item_id>(p.item);
        const bool file = static_cast<item_type>(*type) == item_type::file;
        const bool sidecar =
            p.kind == problem_kind::sidecar_missing || p.kind == problem_kind::sidecar_damaged;
        if (sidecar || (p.kind == problem_kind::missing && !file)) {
            // The feed tells an item's metadata only when it changes, or when it is asked for everything.
            db_.run("UPDATE item SET meta=0 WHERE id=?", id);
            stale_.insert(db_.number("SELECT container_id FROM item WHERE id=?", id).value_or(0));
        }
        if (file && !sidecar && done_.insert(p.item).second) {
            auto s = tree::read_sidecar(root_, "tree/" + tree::sidecar_path(index::path_in_tree(db_, id)));
            fetch_again(db_, id, s ? &*s : nullptr, false);
            ++out_.files;
        }
    }

    index::database& db_;
    const tree::stage_root& root_;
    repair_outcome out_;
    std::unordered_set<std::int64_t> stale_, done_;
};

}  // namespace

void fetch_again(index::database& db, index::item_id id, const tree::sidecar* sidecar, bool is_new) {
    auto kept = [sidecar](std::string tree::sidecar::* member) {
        return sidecar != nullptr && !(sidecar->*member).empty() ? std::optional(sidecar->*member)
                                                                 : std::nullopt;
    };
    db.run(
        "INSERT INTO pending (item_id, container_id, state, version, content, permissions, cause, meta, "
        "size, "
        "mtime, access, owed_since, column_values, damaged) SELECT id, container_id, 0, 1, 1, ?2, ?3, ?4, "
        "coalesce(announced, size), mtime, ?5, ?6, ?7, 1 FROM "
        "item WHERE id=?1 ON CONFLICT (item_id) DO UPDATE SET state=0, version=version+1, content=1, "
        "permissions=max(permissions, excluded.permissions), cause=max(cause, excluded.cause), url=NULL, "
        "url_until=NULL, spool=NULL, spool_inode=NULL, spool_size=NULL, spool_sha256=NULL, verdict=NULL, "
        "damaged=1, first_bytes=NULL, attempts=0, next_try=0, reason=NULL, error=NULL",
        id, sidecar == nullptr ? 1 : 0, is_new ? index::work_cause::created : index::work_cause::content,
        sidecar != nullptr && !sidecar->item.empty() ? sidecar->item : std::string("{}"),
        kept(&tree::sidecar::permissions), core::now_seconds(), kept(&tree::sidecar::columns)
    );
}

core::result<repair_outcome> repair(
    index::database& db, const tree::stage_root& root, const std::vector<tree::problem>& problems
) {
    if (index::tree_is_held(db, core::now_seconds())) {
        core::error e(core::error_kind::busy, "a backup holds the tree still");
        e.operation = "repair";
        e.hint = "wait for it to end, or see 'm365stage lease list'";
        return e;
    }
    repairer r(db, root);
    return r.run(problems);
}

}  // namespace m365stage::sync
