#include "sync/plan/settle.hpp"

#include "index/containers.hpp"
#include "index/items.hpp"
#include "sync/plan/journal.hpp"
#include "sync/plan/settle_row.hpp"
#include "tree/names.hpp"

namespace m365stage::sync {

using index::item_id;
using index::item_type;

settler::settler(index::database& db, const index::container& c, guard_limits guard, std::int64_t generation)
    : db_(db),
      container_(c),
      guard_(guard),
      generation_(generation),
      held_(c.guard_held),
      removable_after_(c.guard_held > 0 ? c.guard_approved.value_or(0) : c.round) {}

std::optional<settler::item_row> settler::load(item_id id) {
    std::optional<item_row> out;
    db_.query(
        "SELECT id, type, parent, at_parent, remote_id, name, at_name, gone_round, parked, inode, made FROM "
        "item "
        "WHERE id=?",
        [&](index::row r) {
            item_row i;
            i.id = static_cast<item_id>(r.integer(0));
            i.type = static_cast<item_type>(r.integer(1));
            i.parent = r.maybe_integer(2);
            i.at_parent = r.maybe_integer(3);
            i.remote_id = r.text(4);
            i.name = r.text(5);
            i.at_name = r.text(6);
            i.gone_round = r.integer(7);
            i.parked = r.integer(8) != 0;
            i.inode = static_cast<std::uint64_t>(r.integer(9));
            i.made = r.integer(10) != 0;
            out = std::move(i);
        },
        id
    );
    return out;
}

bool settler::is_removable(const item_row& i) const {
    return i.gone_round != 0 && i.gone_round <= removable_after_;
}

std::vector<tree::op> settler::next(std::size_t limit) {
    ops_.clear();
    index::database::transaction t(db_);
    if (!loaded_) {
        loaded_ = true;
        asked_ = db_.number("SELECT settle FROM container WHERE id=?", container_.id).value_or(0);
        // A folder of our own making goes with the last item in it.
        db_.run(
            "UPDATE item AS f SET gone_round=?1, dirty=1 WHERE container_id=?2 AND made=1 AND gone_round=0 "
            "AND NOT "
            "EXISTS (SELECT 1 FROM item AS i WHERE i.parent=f.id AND i.gone_round=0)",
            container_.round, container_.id
        );
        const auto verdict = judge_deletions(db_, container_, guard_);
        held_ = verdict.held;
        removable_after_ = verdict.removable_after;
        // Folders come before what is in them more often than not: that is the order of their rows.
        db_.query(
            "SELECT id FROM item WHERE container_id=? AND dirty<>0 ORDER BY id",
            [&](index::row r) { todo_.push_back(static_cast<item_id>(r.integer(0))); }, container_.id
        );
    }
    // Every turn either decides something or ends: places first, then removals that free places, and what
    // still blocks each other in a circle is parked.
    while (ops_.size() < limit) {
        if (place_all(limit) || remove_all(limit)) {
            continue;
        }
        if (!park_blocked()) {
            break;
        }
    }
    if (ops_.empty()) {
        // What was marked since asks for another settling.
        db_.run("UPDATE container SET settle=0 WHERE id=? AND settle=?", container_.id, asked_);
    }
    write_journal(db_, ops_);
    t.commit();
    return std::move(ops_);
}

bool settler::place_all(std::size_t limit) {
    bool progress = false;
    std::vector<item_id> left;
    std::size_t i = 0;
    for (; i < todo_.size() && ops_.size() < limit; ++i) {
        visiting_.clear();
        const auto what = place(todo_[i]);
        progress = progress || what == step::done;
        if (what == step::blocked) {
            left.push_back(todo_[i]);
        }
    }
    left.insert(left.end(), todo_.begin() + static_cast<std::ptrdiff_t>(i), todo_.end());
    todo_ = std::move(left);
    return progress;
}

/// The name on disk: to the letter unless somebody else has the better right to it. A held removal keeps its
/// name; otherwise what the service has goes before a folder of our own making, and the smallest remote id
/// does, so that the order of arrival does not matter. nullopt: while the round runs nobody knows yet.
std::optional<std::string> settler::choose_name(const item_row& i) {
    auto wanted = tree::local_name(i.name, i.remote_id);
    if (wanted != i.name) {
        return wanted;  // made of the id: nobody else's
    }
    bool twin = false;
    bool yields = false;
    db_.query(
        "SELECT remote_id, gone_round, made FROM item WHERE parent=? AND name=? AND id<>? AND type<>0",
        [&](index::row r) {
            twin = true;
            const bool made = r.integer(2) != 0;
            const bool first = made == i.made ? r.text(0) < i.remote_id : i.made;
            yields = yields || (r.integer(1) == 0 && first);
        },
        i.parent, i.name, i.id
    );
    if (twin && mid_round()) {
        return std::nullopt;
    }
    if (held_ > 0) {
        const auto holder = db_.number(
            "SELECT 1 FROM item WHERE at_parent=? AND at_name=? AND id<>? AND gone_round>?", i.parent, i.name,
            i.id, removable_after_
        );
        yields = yields || holder.has_value();
    }
    return yields ? tree::tagged_name(i.name, i.remote_id) : wanted;
}

/// True if `item` lies below `folder` (or is it) where things are now.
bool settler::inside(std::int64_t folder, std::int64_t item) {
    std::optional<std::int64_t> at = item;
    while (at) {
        if (*at == folder) {
            return true;
        }
        at = db_.number("SELECT at_parent FROM item WHERE id=?", *at);
    }
    return false;
}

settler::step settler::place_root(const item_row& i) {
    if (container_.at_key == container_.key) {
        clear_dirty(i.id);
        return step::kept;
    }
    bool parked = false;
    if (index::container_lying_at(db_, container_.key, container_.id) &&
        (!loaded_ || !make_way(container_.key, parked))) {
        return step::blocked;  // while files are placed nothing moves: the container settles first
    }
    if (!container_.at_key.empty()) {
        move_root(container_, i, parked ? parked_path(i.id) : in_tree(container_.at_key));
    } else {
        make_folders_above(container_.key);
        ops_.emplace_back(tree::op_kind::make_folder, "", in_tree(container_.key), 0, number(i.id));
        record(i, index::change_kind::created, "", container_.key);
        db_.run("UPDATE container SET at_key=key WHERE id=?", container_.id);
        clear_dirty(i.id);
    }
    container_.at_key = container_.key;
    return step::done;
}

/// Owners may have exchanged their names: whatever container lies at `key` moves to where it belongs, the one
/// that lies there before it, and so on. In a circle one comes upon this container, which is `parked` then.
/// False: somebody has to stay.
bool settler::make_way(const std::string& key, bool& parked) {
    constexpr std::size_t longest_chain = 10'000;
    std::vector<index::container> chain;
    for (auto at = key;;) {
        auto other = index::container_lying_at(db_, at, container_.id);
        if (!other) {
            break;
        }
        if (other->key == at || !other->root || chain.size() >= longest_chain) {
            return false;
        }
        at = other->key;
        chain.push_back(std::move(*other));
    }
    if (!chain.empty() && chain.back().key == container_.at_key && container_.root) {
        const auto root = load(*container_.root);
        emit_item_rename(*root, in_tree(container_.at_key), parked_path(root->id));
        parked = true;
    }
    for (auto c = chain.rbegin(); c != chain.rend(); ++c) {
        move_root(*c, *load(*c->root), in_tree(c->at_key));
    }
    return true;
}

void settler::move_root(const index::container& c, const item_row& root, const std::string& source) {
    make_folders_above(c.key);
    emit_item_rename(root, source, in_tree(c.key));
    leave_folders_above(c.at_key);
    record(root, index::change_kind::moved, c.at_key, c.key);
    db_.run("UPDATE container SET at_key=key WHERE id=?", c.id);
    clear_dirty(root.id);
}

void settler::make_folders_above(const std::string& path) {
    for (auto slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
        ops_.emplace_back(tree::op_kind::make_folder, "", in_tree(path.substr(0, slash)));
    }
}

/// Those that are empty now go.
void settler::leave_folders_above(const std::string& path) {
    for (auto above = folder_of(path); !above.empty(); above = folder_of(above)) {
        ops_.emplace_back(
            tree::op_kind::remove_folder, "", in_tree(above) + "/" + std::string(tree::sidecar_folder)
        );
        ops_.emplace_back(tree::op_kind::remove_folder, "", in_tree(above));
    }
}

settler::step settler::place(item_id id) {
    const auto i = load(id);
    if (!i || i->type == item_type::unknown) {
        return step::kept;
    }
    if (i->gone_round != 0) {
        if (is_removable(*i)) {
            removals_.push_back(id);
        }
        return step::kept;  // a held one stays where it is, and stays dirty
    }
    if (!i->parent) {
        return place_root(*i);
    }
    if (!visiting_.insert(number(id)).second) {
        return step::blocked;  // the service describes a circle of folders
    }
    const auto parent = load(static_cast<item_id>(*i->parent));
    if (mid_round() && (!parent || parent->gone_round != 0)) {
        return step::blocked;
    }
    if (!parent || (parent->gone_round != 0 && is_removable(*parent))) {
        // Its folder goes, and it goes with it, wherever it lies now.
        db_.run(
            "UPDATE item SET gone_round=?, dirty=1 WHERE id=?",
            parent ? parent->gone_round : container_.round, id
        );
        db_.run(
            "UPDATE container SET live_items=live_items-(SELECT made=0 FROM item WHERE id=?) WHERE id=?", id,
            container_.id
        );
        if (auto changed = load(id); is_removable(*changed)) {
            removals_.push_back(id);
        }
        return step::done;
    }
    if (parent->type == item_type::unknown) {
        return step::kept;  // stays dirty; the enumerator asks for the parent
    }
    if (!parent_ready(*parent)) {
        return step::blocked;
    }
    const auto name = choose_name(*i);
    if (!name) {
        return step::blocked;
    }
    if (i->is_placed() && i->at_parent == i->parent && i->at_name == *name) {
        clear_dirty(id);
        return step::kept;
    }
    return move_to(*i, *i->parent, *name);
}

/// True if the folder is in the tree, or could be made just now.
bool settler::parent_ready(const item_row& parent) {
    if (parent.is_placed() || (!parent.parent && !container_.at_key.empty())) {
        return true;
    }
    // A chain of new folders that the feed brought bottom-up is climbed step by step, to bound the stack.
    constexpr std::size_t highest_climb = 500;
    return index::is_folder(parent.type) && visiting_.size() < highest_climb &&
           place(parent.id) == step::done;
}

std::optional<settler::target> settler::target_for(item_id id) {
    const auto i = load(id);
    if (!i || i->gone_round != 0 || !i->parent || i->parked) {
        return std::nullopt;
    }
    const auto folder = folder_for(*i);
    if (folder.empty()) {
        return std::nullopt;
    }
    auto name = choose_name(*i);
    if (!name || db_.number("SELECT 1 FROM item WHERE at_parent=? AND at_name=?", *i->parent, *name)) {
        return std::nullopt;
    }
    target t;
    t.parent = *i->parent;
    t.name = std::move(*name);
    t.path = folder + "/" + t.name;
    return t;
}

/// Path of the folder that a file goes into, made if need be; empty if it can't be there yet.
std::string settler::folder_for(const item_row& i) {
    // Files of one folder come one after the other; each step of this batch may have moved it.
    if (last_folder_.first == i.parent && last_folder_steps_ == ops_.size()) {
        return last_folder_.second;
    }
    const auto parent = load(static_cast<item_id>(*i.parent));
    if (!parent || parent->gone_round != 0 || parent->type == item_type::unknown) {
        return {};
    }
    visiting_.clear();
    visiting_.insert(number(i.id));
    if (!parent_ready(*parent)) {
        return {};
    }
    auto path = path_at(*i.parent);  // empty: on its way between two renames
    last_folder_ = {i.parent, path};
    last_folder_steps_ = ops_.size();
    return path;
}

settler::step settler::move_to(const item_row& i, std::int64_t parent, const std::string& name) {
    const bool here = i.is_placed() || i.parked;
    if (!here && !index::is_folder(i.type)) {
        clear_dirty(i.id);  // a file is placed when its content has come
        return step::kept;
    }
    const auto occupant = db_.number("SELECT id FROM item WHERE at_parent=? AND at_name=?", parent, name);
    if (occupant && *occupant != number(i.id)) {
        return step::blocked;
    }
    if (i.is_placed() && inside(number(i.id), parent)) {
        return step::blocked;  // into itself: what is inside has to come out first
    }
    // Below a folder that is parked there is no path: that one has to find its place first.
    if (path_at(parent).empty() || (i.is_placed() && path_at(number(i.id)).empty())) {
        return step::blocked;
    }
    if (!here) {
        make_folder(i, parent, name);
        return step::done;
    }
    const auto from = i.is_placed() ? path_at(number(i.id)) : path_before(i.id);
    const auto to = path_at(parent) + "/" + name;
    const auto source = i.parked ? parked_path(i.id) : in_tree(from);
    emit_item_rename(i, source, in_tree(to));
    if (i.is_placed()) {
        ops_.emplace_back(
            tree::op_kind::remove_folder, "",
            in_tree(folder_of(from)) + "/" + std::string(tree::sidecar_folder)
        );
    }
    const auto was = parked_from_.find(number(i.id));
    const bool same_folder = was == parked_from_.end() ? i.at_parent == parent : was->second.parent == parent;
    parked_from_.erase(number(i.id));
    record(i, same_folder ? index::change_kind::renamed : index::change_kind::moved, from, to);
    db_.run("UPDATE item SET at_parent=?, at_name=?, parked=0, dirty=0 WHERE id=?", parent, name, i.id);
    return step::done;
}

void settler::make_folder(const item_row& i, std::int64_t parent, const std::string& name) {
    const auto path = path_at(parent) + "/" + name;
    ops_.emplace_back(tree::op_kind::make_folder, "", in_tree(path), 0, number(i.id));
    record(i, index::change_kind::created, "", path);
    db_.run("UPDATE item SET at_parent=?, at_name=?, dirty=0 WHERE id=?", parent, name, i.id);
}

/// The item and its sidecar, in this order: see tree::resume.
void settler::emit_item_rename(const item_row& i, const std::string& from, const std::string& to) {
    const bool out_of_tree = to.starts_with("spool/");
    const auto sidecar_from = from.starts_with("spool/") ? from + ".sidecar" : tree::sidecar_path(from);
    const auto sidecar_to = out_of_tree ? to + ".sidecar" : tree::sidecar_path(to);
    if (!out_of_tree) {
        ops_.emplace_back(tree::op_kind::make_folder, "", folder_of(sidecar_to));
    }
    if (i.type != item_type::shortcut) {
        ops_.emplace_back(tree::op_kind::rename, from, to, i.inode);
    }
    ops_.emplace_back(tree::op_kind::rename_sidecar, sidecar_from, sidecar_to);
}

/// Takes one blocked item out of the tree, so that the circle it is part of opens. Innermost items come
/// first: whatever lies below a parked folder stays in it, and nothing there waits for a place of its own.
bool settler::park_blocked() {
    const auto holding = this->holding();
    for (const auto id : todo_) {
        const auto i = load(id);
        if (!i || !i->is_placed() || i->gone_round != 0 || holding.contains(number(id)) ||
            !reaches_root(id)) {
            continue;  // in a circle that the service itself describes: left where it is
        }
        const auto from = path_at(number(id));
        if (from.empty()) {
            continue;
        }
        former_place was;
        was.parent = *i->at_parent;
        was.name = i->at_name;
        was.path = from;
        parked_from_.insert_or_assign(number(id), std::move(was));
        emit_item_rename(*i, in_tree(from), parked_path(id));
        db_.run("UPDATE item SET at_parent=NULL, at_name=NULL, parked=1, dirty=1 WHERE id=?", id);
        return true;
    }
    return false;
}

bool settler::reaches_root(item_id id) {
    return !index::path_of_names(db_, id).empty();
}

std::string settler::path_at(std::int64_t id) {
    if (container_.root && number(*container_.root) == id) {
        return container_.at_key;
    }
    return index::path_in_tree(db_, static_cast<item_id>(id));
}

/// Where a parked item lay, by what its folder is called now. Empty: it was parked before a crash, and nobody
/// knows any more.
std::string settler::path_before(item_id parked) {
    const auto was = parked_from_.find(number(parked));
    if (was == parked_from_.end()) {
        return {};
    }
    const auto folder = path_at(was->second.parent);  // empty: removed, or parked itself
    return folder.empty() ? was->second.path : folder + "/" + was->second.name;
}

std::string settler::path_of(const item_row& i) {
    return i.is_placed() ? path_at(number(i.id)) : std::string();
}

void settler::record(
    const item_row& i, index::change_kind what, const std::string& from, const std::string& to
) {
    db_.run(
        "INSERT INTO change (generation, item_id, what, type, old_path, new_path) VALUES (?,?,?,?,?,?)",
        generation_, i.id, what, i.type, from.empty() ? std::nullopt : std::optional(from),
        to.empty() ? std::nullopt : std::optional(to)
    );
}

void settler::clear_dirty(item_id id) {
    db_.run("UPDATE item SET dirty=0 WHERE id=? AND dirty<>0", id);
}

}  // namespace m365stage::sync
