#pragma once

#include <functional>

#include "index/database.hpp"
#include "tree/stage_root.hpp"
#include "tree/verify.hpp"

namespace m365stage::sync {

struct rebuild_outcome {
    rebuild_outcome() = default;
    std::int64_t containers = 0, items = 0, bytes = 0;
    std::int64_t to_fetch = 0;        ///< files that the next pass fetches again
    std::int64_t without_cursor = 0;  ///< containers that the next pass enumerates from the start
};

/// Fills an empty index from the sidecars in tree/ and from tree/.m365stage/cursors.json. Reads every sidecar
/// and, if `read_content`, every byte; changes nothing in tree/. What is damaged or unexplained goes to the
/// log and is left alone; a container with such is enumerated from the start by the next pass, which finds
/// what the sidecars do not tell. Memory: what is in one folder, and one entry for each folder on the way.
/// Commits every few thousand rows. Requires: the root's lock is held; `db` has no containers. Errors: disk;
/// throws core::fatal for the index.
core::result<rebuild_outcome> rebuild_index(
    index::database& db, const tree::stage_root& root, tree::verify_log& log, bool read_content
);

/// Refuses an index that was lost: not there, or without a byte, beside a tree that is. To begin with a new
/// one would download everything again, and save it again with the next backup. Changes nothing. Errors:
/// index (with the two ways out), disk.
core::result<void> require_index(const tree::stage_root& root);

/// Puts a finished new index in the place of the old one, which is kept with its log under the returned name
/// (empty: there was none). Cut off at any point, the old one is whole where it was or under that name, and
/// if none is in its place `require_index` says so. Paths below stage.root. Requires: nobody has either open.
/// Errors: disk.
core::result<std::string> replace_index(const tree::stage_root& root, const std::string& fresh);

}  // namespace m365stage::sync
