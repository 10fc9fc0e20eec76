#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "index/database.hpp"
#include "index/rows.hpp"

namespace m365stage::index {

/// One page of a delta round and the cursor behind it.
struct delta_page {
    delta_page() = default;
    std::vector<item_change> items;  ///< in the order of the feed; the last occurrence of an id wins
    std::string cursor;              ///< the nextLink, or the deltaLink of the last page
    bool last = false;
    bool completes = true;       ///< the last page of a container's only stream: the container can settle
    std::string shape;           ///< of the request that began the round
    unix_seconds url_until = 0;  ///< until when the pages' download URLs are good
    /// Set: the page lists the folder of this step of a walk (`walks.hpp`); 0: what the walk begins with.
    /// `cursor` is then the next page of that folder, and `last` has no meaning.
    std::optional<std::int64_t> walked;
    /// Folders that say they have children, which may not come (contract Q10): they are put on the list of
    /// folders to look into, table `walk`.
    std::vector<std::string> folders_to_check;
};

/// Records a page and its cursor in one transaction. A last page completes the stream's round: what a full
/// round did not see is marked as gone, and the container waits for `settle`. The first page begins the
/// round.
page_outcome apply_page(database& db, stream_id id, const delta_page& page, unix_seconds now);

/// Records a fresh look at one item (outside of a round).
void apply_single(
    database& db, container_id id, const item_change& change, unix_seconds now, unix_seconds url_until
);

/// What the sidecar of a folder of our own making says of it (`item_change::subfolder`).
inline constexpr std::string_view made_folder_meta = R"({"made":true})";

/// Marks one item as gone, as a tombstone would.
void mark_gone(database& db, container_id id, item_id item);

/// Remote ids that items name as their parent, but that the feed never brought. At most `limit`.
std::vector<std::string> unknown_parents(database& db, container_id id, int limit);

/// Items that name such a folder as their parent. At most `limit`.
std::vector<work_item> children_of_unknown(database& db, container_id id, std::string_view folder, int limit);

/// Such a folder is not asked for any more, once nothing names it.
void forget_unknown(database& db, container_id id, std::string_view folder);

/// Notes as owed what has been fetched and has no place in the tree, although the rounds of its container are
/// complete and nothing holds the tree: its folder is not known, or can't be read.
void note_unplaced(database& db);

/// Pairs of live items with the same parent and name: the older row of each (contract Q9). At most `limit`.
std::vector<work_item> colliding_items(database& db, container_id id, int limit);

/// True if the folder is known and nothing is known to be in it.
bool has_no_children(database& db, container_id id, std::string_view remote_id);

/// Path below tree/ where the item lies now; empty if it is not in the tree.
std::string path_in_tree(database& db, item_id item);

/// Path of names that the service has for it, below the container's key; empty if a parent is unknown.
std::string path_of_names(database& db, item_id item);

}  // namespace m365stage::index
