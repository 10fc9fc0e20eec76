#pragma once

#include <vector>

#include "index/database.hpp"
#include "index/rows.hpp"
#include "tree/stage_root.hpp"
#include "tree/verify.hpp"

namespace m365stage::sync {

/// Compares tree/ with the index, both ways: what the index says is staged is there, with size, hash, time
/// and sidecar; what is in tree/ is in the index. Reads every byte; changes nothing.
/// Memory: what is in one folder, and 40 bytes for each folder on the way. Blocking, hashes on two threads.
/// Requires: the root's lock is held, `finish_interrupted` was called. Errors: throws core::fatal for the
/// index.
void verify_index(index::database& db, const tree::stage_root& root, tree::verify_log& log);

struct repair_outcome {
    repair_outcome() = default;
    std::int64_t files = 0;       ///< put on the work list: the next pass fetches them
    std::int64_t folders = 0;     ///< made again
    std::int64_t containers = 0;  ///< to be enumerated anew, for their sidecars
};

/// Puts what verification found missing or damaged on the work list. Nothing that is unknown is touched.
/// Errors: busy while a lease is held; disk; throws core::fatal for the index.
core::result<repair_outcome> repair(
    index::database& db, const tree::stage_root& root, const std::vector<tree::problem>& problems
);

/// Puts one file on the work list, to be fetched again. `sidecar`, if it could be read, keeps the metadata;
/// without it everything is asked for again. Inside the caller's transaction.
void fetch_again(index::database& db, index::item_id id, const tree::sidecar* sidecar, bool is_new);

}  // namespace m365stage::sync
