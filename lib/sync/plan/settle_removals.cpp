// What leaves the tree: items that the service removed, and whole containers.
#include "index/containers.hpp"
#include "sync/plan/journal.hpp"
#include "sync/plan/settle_row.hpp"
#include "tree/names.hpp"

namespace m365stage::sync {

using index::item_id;
using index::item_type;

/// Folders that hold, at whatever depth, an item whose place is still to be found.
std::unordered_set<std::int64_t> settler::holding() {
    std::unordered_set<std::int64_t> out;
    for (const auto id : todo_) {
        auto at = db_.number("SELECT at_parent FROM item WHERE id=?", id);
        while (at && out.insert(*at).second) {
            at = db_.number("SELECT at_parent FROM item WHERE id=?", *at);
        }
    }
    return out;
}

bool settler::remove_all(std::size_t limit) {
    bool progress = false;
    std::vector<item_id> left;
    const auto holding = this->holding();  // what is in them has to get out first
    for (std::size_t n = 0; n < removals_.size(); ++n) {
        const auto i = load(removals_[n]);
        if (!i || i->gone_round == 0) {
            progress = progress || i.has_value();
            continue;  // went with its folder
        }
        if (ops_.size() >= limit || holding.contains(number(i->id))) {
            left.push_back(removals_[n]);
            continue;
        }
        const auto folder = i->at_parent ? load(static_cast<item_id>(*i->at_parent)) : std::nullopt;
        if (folder && is_removable(*folder) && folder->parent && !holding.contains(*i->at_parent)) {
            left.push_back(removals_[n]);  // goes with its folder: one rename for all
            continue;
        }
        if (i->is_placed() && path_at(number(i->id)).empty()) {
            left.push_back(removals_[n]);  // below a parked folder
            continue;
        }
        remove_subtree(*i);
        progress = true;
    }
    removals_ = std::move(left);
    return progress;
}

/// One rename into the trash for the item, whatever is below it; its rows and those of everything below go.
void settler::remove_subtree(const item_row& top) {
    const auto path = top.parked ? path_before(top.id) : path_of(top);
    const bool known = !top.parked || !path.empty();
    if (top.is_placed() || top.parked) {
        const auto from = top.parked ? parked_path(top.id) : in_tree(path);
        emit_item_rename(top, from, "spool/trash/" + std::to_string(number(top.id)));
        if (top.is_placed()) {
            ops_.emplace_back(
                tree::op_kind::remove_folder, "",
                in_tree(folder_of(path)) + "/" + std::string(tree::sidecar_folder)
            );
        }
    }
    struct entry {
        std::int64_t id;
        std::string path;
        item_type type;
        bool live, in_tree;
    };
    const bool was_in_tree = top.is_placed() || top.parked;
    std::vector<entry> stack{{number(top.id), path, top.type, top.gone_round == 0, was_in_tree}};
    while (!stack.empty()) {
        const auto e = std::move(stack.back());
        stack.pop_back();
        // Below it in the tree, or known to belong there but never placed.
        db_.query(
            "SELECT id, at_name, type, gone_round, 1 FROM item WHERE at_parent=?1 "
            "UNION ALL SELECT id, name, type, gone_round, 0 FROM item WHERE parent=?1 AND at_parent IS NULL "
            "AND parked=0",
            [&](index::row r) {
                stack.push_back(
                    {r.integer(0), e.path + "/" + r.text(1), static_cast<item_type>(r.integer(2)),
                     r.integer(3) == 0, r.integer(4) != 0}
                );
            },
            e.id
        );
        remove_row(e.id, e.path, e.type, e.live, e.in_tree && known);
    }
    return_name(top);
}

/// The name of what was removed goes to the item that had to do without it.
void settler::return_name(const item_row& removed) {
    const auto known = todo_.size();
    db_.query(
        "SELECT id FROM item WHERE parent=? AND name=? AND at_name<>name AND gone_round=0",
        [&](index::row r) { todo_.push_back(static_cast<item_id>(r.integer(0))); }, removed.parent,
        removed.name
    );
    for (auto i = known; i < todo_.size(); ++i) {
        db_.run("UPDATE item SET dirty=1 WHERE id=?", todo_[i]);
    }
}

void settler::remove_row(
    std::int64_t id, const std::string& old_path, item_type type, bool live, bool in_tree
) {
    if (in_tree) {
        db_.run(
            "INSERT INTO change (generation, item_id, what, type, old_path) VALUES (?,?,?,?,?)", generation_,
            id, index::change_kind::deleted, type, old_path
        );
    }
    db_.run(
        "UPDATE container SET live_items=live_items-(?1 AND (SELECT made=0 FROM item WHERE id=?2)), "
        "live_bytes=live_bytes-coalesce((SELECT size FROM item WHERE id=?2), 0) WHERE id=?3",
        live && type != item_type::unknown, id, container_.id
    );
    db_.run("DELETE FROM item WHERE id=?", id);
}

std::vector<tree::op> plan_container_removal(
    index::database& db, index::container_id id, std::int64_t generation
) {
    std::vector<tree::op> ops;
    index::database::transaction t(db);
    std::string path;
    std::int64_t inode = 0;
    std::int64_t root = 0;
    db.query(
        "SELECT c.at_key, i.inode, i.id FROM container AS c JOIN item AS i ON i.id=c.root_item WHERE c.id=?",
        [&](index::row r) {
            path = r.text(0);
            inode = r.integer(1);
            root = r.integer(2);
        },
        id
    );
    if (!path.empty()) {
        const auto trash = "spool/trash/" + std::to_string(root);
        ops.emplace_back(tree::op_kind::rename, in_tree(path), trash, static_cast<std::uint64_t>(inode));
        ops.emplace_back(
            tree::op_kind::rename_sidecar, in_tree(tree::sidecar_path(path)), trash + ".sidecar"
        );
        for (auto above = folder_of(path); !above.empty(); above = folder_of(above)) {
            ops.emplace_back(
                tree::op_kind::remove_folder, "", in_tree(above) + "/" + std::string(tree::sidecar_folder)
            );
            ops.emplace_back(tree::op_kind::remove_folder, "", in_tree(above));
        }
        db.run(
            "INSERT INTO change (generation, item_id, what, type, old_path) VALUES (?,?,?,?,?)", generation,
            root, index::change_kind::deleted, item_type::folder, path
        );
    }
    db.run("DELETE FROM item WHERE container_id=?", id);
    db.run("UPDATE container SET at_key=NULL, root_item=NULL, cursor_state=0 WHERE id=?", id);
    index::drop_cursors(db, id);
    write_journal(db, ops);
    t.commit();
    return ops;
}

}  // namespace m365stage::sync
