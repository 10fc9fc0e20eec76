#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "index/database.hpp"
#include "index/rows.hpp"

/// What people ask the index: the questions of `status`, `ls`, `changes` and `guard`. All but `approve_guard`
/// only read, and none of them reads more rows of `item` than it shows.
namespace m365stage::index {

/// Name on disk that an object gets which has no place yet (tree::local_name).
using name_rule = std::function<std::string(const std::string& name, const std::string& remote_id)>;

/// One item as `ls` shows it.
struct listed_item {
    listed_item() = default;
    std::string remote_id, path, name;  ///< path relative to tree/: where it lies, or where it will go
    item_type type = item_type::unknown;
    std::optional<std::int64_t> size;  ///< of the bytes in the tree; nullopt: none there
    std::string sha256;                ///< 32 bytes of the same; empty: none
    std::string_view state;            ///< pending | spooled | staged | failed | held
    std::string error;                 ///< why it failed; empty otherwise
};

/// Walks all items of all containers, by container and folder, in the order of the names in the tree; folders
/// come before what is in them. `pattern` is a glob over paths; empty: all. Items that the service has
/// removed are left out unless the guard holds them; the containers' root folders are no items. Ends early if
/// `each` returns false. Memory: one batch of rows for each level of folders. Rows are read in batches
/// without one transaction around all, so that a reader that stands still (a pager) does not keep the
/// write-ahead log from shrinking; what moves during the walk may be shown twice or not at all.
void list_items(
    database& db, std::string_view pattern, const name_rule& local_name,
    const std::function<bool(const container&, const listed_item&)>& each
);

/// Where a walk over items was left. The numbers mean something in this index alone.
struct walk_position {
    walk_position() = default;
    struct step {
        step() = default;
        std::int64_t folder = 0;
        bool coming = false;  ///< what lies in the folder is done, what will come into it is not
        std::string name;     ///< the last one that was looked at; empty: none
        std::int64_t id = 0;  ///< of that one, among those that will come
        bool gone = false, held = false;
    };
    std::string container;    ///< key
    std::vector<step> steps;  ///< from the root of the container to the folder where it goes on
};

/// A piece of what `list_items` does: goes on at `from` (nullptr: at the beginning), looks at no more than
/// `most_rows` rows, and ends early if `each` returns false. Returns where to go on; nullopt: all is done.
std::optional<walk_position> list_items_piece(
    database& db, std::string_view pattern, const name_rule& local_name, const walk_position* from,
    std::int64_t most_rows, const std::function<bool(const container&, const listed_item&)>& each
);

/// Path below tree/ where the item lies, or where it will go; empty if a parent is unknown.
std::string path_of(database& db, item_id item, const name_rule& local_name);

struct failing_group {
    failing_group() = default;
    std::string reason;  ///< a core::error_kind's name
    std::int64_t items = 0, most_attempts = 0;
    unix_seconds oldest = 0, next_try = 0;
    struct example {
        std::string path, error;
    };
    std::vector<example> examples;  ///< the first ones
};
/// Items that failed, by reason, most of them first. Nothing is owed of who departed: it can't come any more.
std::vector<failing_group> failing_items(database& db, int examples, const name_rule& local_name);
/// How many there are, and how many of them since the disk has no room for them.
std::int64_t count_owed(database& db);
std::int64_t count_without_room(database& db);

/// Work that waits. What is left of departed containers waits for nothing and is counted by itself.
struct backlog {
    backlog() = default;
    std::int64_t to_fetch = 0;  ///< items with something to be asked of the service
    std::int64_t spooled = 0;   ///< fetched, or nothing to fetch: to be put into the tree
    std::int64_t spooled_bytes = 0;
    std::int64_t failed = 0;    ///< those of `to_fetch` that failed before
    std::int64_t roots = 0;     ///< rows of container roots among the first two: no items
    std::int64_t gone = 0;      ///< rows of held deletions among the first two
    std::int64_t departed = 0;  ///< items of departed containers that did not come in time
};
backlog count_backlog(database& db);

/// A container whose deletions are held. That of an owner who departed is none: approval would change
/// nothing.
struct held_container {
    held_container() = default;
    container_id id{};
    std::string key;
    std::int64_t held = 0, items = 0;  ///< deletions; items that the service still has
    std::int64_t round = 0;            ///< in which they were first held
    unix_seconds completed_at = 0;     ///< when the last round was completed
    bool approved = false;             ///< a person agreed: the next pass removes them
    std::vector<std::string> examples;
};
/// Containers with held deletions, by name, each with the paths of its first `examples` deletions.
std::vector<held_container> held_containers(database& db, int examples, const name_rule& local_name);

/// Approves all deletions of the container that complete rounds brought; the next pass removes them. What a
/// round in progress brings is not approved: nobody has seen it yet.
/// Errors: usage (no such container, nothing held in it, or departed).
core::result<held_container> approve_guard(database& db, std::string_view key);

struct pass_row {
    pass_row() = default;
    std::int64_t id = 0, generation = 0;
    unix_seconds started_at = 0;
    std::optional<unix_seconds> finished_at;
    std::string outcome;  ///< complete | degraded | failed; empty: running or interrupted
    std::string numbers;  ///< JSON
};
/// Outcome of a pass that was asked for something that is not there. It tells nothing and is not shown.
inline constexpr std::string_view mistaken_pass = "mistaken";
/// The last passes, newest first.
std::vector<pass_row> last_passes(database& db, int limit);

struct uncovered {
    uncovered() = default;
    std::string owner, reason;
    unix_seconds since = 0;
};
/// What the service does not serve, by owner.
std::vector<uncovered> not_covered(database& db);

/// The last finished generation; 0: nothing was ever staged.
std::int64_t last_generation(database& db);

/// The finished generation before `id`; 0: there is none.
std::int64_t generation_before(database& db, std::int64_t id);

struct change_row {
    change_row() = default;
    std::int64_t id = 0;  ///< grows with every change
    std::int64_t generation = 0;
    change_kind what = change_kind::created;
    item_type type = item_type::unknown;
    std::optional<std::string> old_path, new_path;
};
/// Changes of finished generations after `since`, in the order in which they were made, those after the
/// change `after` only; ends early if `each` returns false.
void list_changes(
    database& db, std::int64_t since, std::int64_t after, const std::function<bool(const change_row&)>& each
);
/// The last changes of finished generations, newest first.
void list_newest_changes(database& db, int limit, const std::function<bool(const change_row&)>& each);

}  // namespace m365stage::index
