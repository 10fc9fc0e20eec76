#pragma once

#include "sync/run/context.hpp"

namespace m365stage::sync {

/// Brings the tree to what the index knows, while no lease is held: spooled files, sidecars and new folders
/// in batches under common barriers, and the renames and removals of rounds that are complete. Ends when
/// enumeration and fetching have ended and nothing is left that can be applied. Errors: throws core::fatal
/// for index and disk; what was begun is finished at the next start.
task<void> apply_all(pass_context& pass);

/// Applies what can be applied at once, unless a lease is held: what an earlier pass fetched and a crash
/// left.
task<void> apply_waiting(pass_context& pass);

/// Finishes what a crash cut off: replays the journal (if no lease is held), cleans the spool, and finds what
/// waits to be fetched, applied or settled. Requires: the root's lock is held, nothing else runs.
task<void> recover(pass_context& pass);

/// Whether a lease holds the tree still. Only an answer that was asked for inside the gate lasts as long as
/// the asker is in it.
task<bool> tree_is_held(pass_context& pass);

/// Removes containers that departed longer ago than the retention, files and rows.
task<void> purge_departed(pass_context& pass);

}  // namespace m365stage::sync
