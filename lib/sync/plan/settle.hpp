#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "index/database.hpp"
#include "index/rows.hpp"
#include "sync/plan/guard.hpp"
#include "tree/ops.hpp"

namespace m365stage::sync {

/// Decides how the tree of one container gets from where its items lie to where the service has them, once a
/// round is complete: folders made, renames (one for a folder, whatever is below it), crossing renames
/// through spool/parked, removals through spool/trash.
///
/// Works in batches: each `next` decides up to a bounded number of steps and records them, with the new
/// places, in one transaction together with the journal; the caller performs the ops, puts a barrier and
/// calls `finish_batch`. Memory: 8 bytes for each item whose place has to be looked at. Threads: the index'
/// worker. Requires: the container is not in the middle of a round.
class settler {
public:
    settler(index::database& db, const index::container& c, guard_limits guard, std::int64_t generation);

    bool mid_round() const { return container_.cursor_state == index::cursor_state::mid_round; }

    /// The next batch of steps; empty when the container is settled.
    std::vector<tree::op> next(std::size_t limit);

    /// Where a file goes that is not in the tree yet.
    struct target {
        target() = default;
        std::int64_t parent = 0;
        std::string name, path;  ///< path below tree/
    };

    /// The place of such a file; folders on the way to it are made (`take_ops`). nullopt: not yet, the round
    /// has to settle first. Inside the caller's transaction. While a round runs (`mid_round`) nothing is
    /// placed that another item could have a better right to.
    std::optional<target> target_for(index::item_id id);

    /// Steps that `target_for` decided; the caller puts them into the journal.
    std::vector<tree::op> take_ops() { return std::exchange(ops_, {}); }

    std::int64_t held() const { return held_; }  ///< deletions that the guard holds

private:
    struct item_row;
    enum class step { kept, done, blocked };

    std::optional<item_row> load(index::item_id id);
    bool place_all(std::size_t limit);
    bool remove_all(std::size_t limit);
    bool park_blocked();
    std::unordered_set<std::int64_t> holding();
    step place(index::item_id id);
    step place_root(const item_row& i);
    bool make_way(const std::string& key, bool& parked);
    void move_root(const index::container& c, const item_row& root, const std::string& source);
    void make_folders_above(const std::string& path);
    void leave_folders_above(const std::string& path);
    step move_to(const item_row& i, std::int64_t parent, const std::string& name);
    void make_folder(const item_row& i, std::int64_t parent, const std::string& name);
    void remove_subtree(const item_row& i);
    void return_name(const item_row& removed);
    void remove_row(
        std::int64_t id, const std::string& old_path, index::item_type type, bool live, bool in_tree
    );
    std::optional<std::string> choose_name(const item_row& i);
    bool parent_ready(const item_row& parent);
    std::string folder_for(const item_row& i);
    bool reaches_root(index::item_id id);
    bool is_removable(const item_row& i) const;
    bool inside(std::int64_t folder, std::int64_t item);
    std::string path_at(std::int64_t id);
    std::string path_before(index::item_id parked);
    std::string path_of(const item_row& i);
    void emit_item_rename(const item_row& i, const std::string& from, const std::string& to);
    void record(const item_row& i, index::change_kind what, const std::string& from, const std::string& to);
    void clear_dirty(index::item_id id);

    index::database& db_;
    index::container container_;
    guard_limits guard_;
    std::int64_t generation_;
    std::int64_t held_;             ///< as the last settled round left it, until this one is judged
    std::int64_t removable_after_;  ///< removals of rounds up to this one may be done
    bool loaded_ = false;
    std::int64_t asked_ = 0;  ///< `container.settle` when `todo_` was read
    std::vector<index::item_id> todo_, removals_;
    struct former_place {
        former_place() = default;
        std::int64_t parent = 0;
        std::string name, path;  ///< its name there, and its path then
    };
    std::unordered_map<std::int64_t, former_place> parked_from_;  ///< of what waits between two renames
    std::unordered_set<std::int64_t> visiting_;
    std::vector<tree::op> ops_;
    std::pair<std::optional<std::int64_t>, std::string> last_folder_;  ///< of `folder_for`, with its path
    std::size_t last_folder_steps_ = 0;                                ///< steps there were then
};

/// The steps that take a whole container out of the tree, journaled; its items' rows go, the container's
/// stays.
std::vector<tree::op> plan_container_removal(
    index::database& db, index::container_id id, std::int64_t generation
);

}  // namespace m365stage::sync
