#pragma once

#include "sync/pass.hpp"

namespace m365stage::sync {

/// Ends a pass: numbers its generation if anything in the tree changed, writes .m365stage/cursors.json if it
/// is older than the tree and no lease is held, and fills the summary from the index.
task<void> close_pass(pass_context& pass, pass_summary& summary);

}  // namespace m365stage::sync
