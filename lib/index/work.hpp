#pragma once

#include <string>
#include <vector>

#include "index/database.hpp"
#include "index/rows.hpp"

namespace m365stage::index {

/// Work of one container that is due now, the longest due first; at most `limit`. Items that the service has
/// removed in the meantime are left out. What is being fetched already is still in the list. Of what was
/// never tried, only items behind `after`: for those who know that they have been given the ones before.
std::vector<work_item> due_work(
    database& db, container_id c, unix_seconds now, int limit, item_id after = item_id{}
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

/// Bytes that wait in the spool.
std::int64_t spooled_bytes(database& db);

}  // namespace m365stage::index
