#pragma once

#include "index/database.hpp"
#include "sync/plan/settle.hpp"
#include "tree/stage_root.hpp"

namespace m365stage::sync {

/// The one place that finishes what a crash cut off: the renames in the journal, and the files that were on
/// their way into the tree. False: a lease is held at `now`, and nothing was done. Blocking. Threads: the
/// index' worker. Requires: nobody else writes into the tree. Errors: disk.
core::result<bool> finish_cut_off(index::database& db, const tree::stage_root& root, core::unix_seconds now);

/// Finishes without a pass what a crash cut off, and places what waits in the spool. Blocking. While a lease
/// is held, nothing is done. Requires: the root's lock is held, nothing else runs. Errors: disk; throws
/// core::fatal for the index.
core::result<void> finish_interrupted(index::database& db, const tree::stage_root& root, guard_limits guard);

}  // namespace m365stage::sync
