#pragma once

#include "sync/run/context.hpp"

namespace m365stage::sync {

/// How a pass ended, with its numbers.
struct pass_summary {
    pass_summary() = default;
    std::string outcome;  ///< "complete" | "degraded" | "failed"
    core::exit_code exit = core::exit_code::done;
    std::int64_t generation = 0;  ///< of the tree now; 0 if nothing was ever staged
    bool new_generation = false;
    std::int64_t created = 0, content = 0, metadata = 0, renamed = 0, moved = 0, deleted = 0;
    std::int64_t owed = 0, held = 0, containers = 0, items = 0;
    std::int64_t no_room = 0;  ///< owed, since the disk has no room for them
    double seconds = 0;
    core::unix_seconds started_at = 0;
    bool kept_back = false;  ///< a lease holds the tree still: what came waits in the spool and the index
    bool whole = false;      ///< all containers were looked at and nothing was kept back: the tree is fresh
    pass_counters counters;
    graph::statistics service;  ///< of this pass
    /// What ended it early; or that nothing of a kind could be read, which is known at its end only.
    std::optional<core::error> failure;
    bool ended = false;     ///< it came to its end: the numbers of the tree are those of now
    bool mistaken = false;  ///< nothing fits what it was asked for: nothing else is wrong
};

/// One pass: recover, discover, enumerate, fetch, apply, close (lib/README.md, "How a pass works").
/// The caller holds the root's lock; whoever else may write into tree/ or give leases goes through the same
/// `gate`. `watch`, if set, sees the context while the pass runs (progress
/// display). Errors: none thrown; what ends a pass early is in the summary.
task<pass_summary> run_pass(
    boost::asio::any_io_executor executor, graph::client& graph, index::store& store,
    const tree::stage_root& root, async::worker& disk, tree_gate& gate, const pass_options& options,
    std::function<void(pass_context*)> watch
);

}  // namespace m365stage::sync
