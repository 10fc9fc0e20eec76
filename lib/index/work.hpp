#pragma once

#include <limits>
#include <string>
#include <vector>

#include "index/database.hpp"
#include "index/rows.hpp"

namespace m365stage::index {

/// Work of one container that is due now, the longest due first; at most `limit`. Items that the service has
/// removed in the meantime are left out. What is being fetched already is still in the list. Of what was
/// never tried, only items behind `after`: for those who know that they have been given the ones before.
/// `below`: only what is announced with fewer bytes.
std::vector<work_item> due_work(
    database& db, container_id c, unix_seconds now, int limit, item_id after = item_id{},
    std::int64_t below = std::numeric_limits<std::int64_t>::max()
);

/// Records what was fetched; the item waits to be applied. False for a result whose row a page has replaced
/// or removed in the meantime: its spool file is to be thrown away. One transaction for all.
std::vector<bool> record_fetched(database& db, const std::vector<fetch_result>& results);

/// Records a failure: the item is owed, tried again after a pause that grows with the tries.
/// `first_bytes`: sha256 of a download that did not match what was announced; empty: none.
void record_failure(
    database& db, item_id id, std::int64_t version, const core::error& why, unix_seconds now,
    std::string_view first_bytes
);

/// What did not fit on the disk is due again: whether it fits now costs no request.
void retry_for_room(database& db, unix_seconds now);

/// The item vanished between listing and fetching: not an error (contract Q12). Nothing is removed because of
/// it: the next round brings the tombstone. It is looked at again later, and owed if no tombstone came after
/// three tries.
void record_vanished(database& db, item_id id, std::int64_t version, unix_seconds now);

/// Pause before the next try after `attempts` failures of this kind, in seconds.
unix_seconds retry_pause(core::error_kind kind, int attempts);

/// Names of spool files that rows still refer to.
std::vector<std::string> spool_files_in_use(database& db);

/// Bytes that wait in the spool. Costs a look for each container, and a read of each row that waits.
std::int64_t spooled_bytes(database& db);

/// What was fetched of that item, or of a container's items, is of no use: it takes no room in the spool any
/// more, and is fetched again if it is still wanted. The file is removed when the next pass begins.
void fetch_again(database& db, item_id id);
void fetch_again(database& db, container_id id);

/// The same for those of a container's items that the service has removed.
void fetch_removed_again(database& db, container_id id);

/// What `give_back_room` came to.
struct given_back {
    given_back() = default;
    std::vector<std::string> spool;    ///< names of the files: nobody needs them any more
    std::int64_t owed = 0, bytes = 0;  ///< files that are owed because of it, and their sizes
    std::string most_of;               ///< key of the container that had the most bytes of these
};

/// Everything that waits in the spool gives its room back: for when nothing of it can be placed and others
/// need the room. It is owed and fetched again after a pause that grows, but for what is not wanted now: what
/// was removed, and what is of a container that has departed.
given_back give_back_room(database& db, unix_seconds now);

}  // namespace m365stage::index
