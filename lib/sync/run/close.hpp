#pragma once

#include "sync/pass.hpp"

namespace m365stage::sync {

/// Ends a pass: numbers its generation if anything in the tree changed, writes .m365stage/cursors.json then,
/// and fills the summary from the index.
task<void> close_pass(pass_context& pass, pass_summary& summary);

/// Numbers the generations that a crash or an error left open; true if there was one with changes. On the
/// index' thread.
bool close_left_generations(index::database& db, core::unix_seconds now);

}  // namespace m365stage::sync
