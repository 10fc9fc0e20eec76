#pragma once

#include "sync/run/context.hpp"

namespace m365stage::sync {

/// Fetches what is due until the enumeration has ended and nothing is due any more: fairly across containers,
/// at most `concurrency` at a time, never more into the spool than it may hold. A failing item is owed and
/// the rest goes on. Errors: throws core::fatal for index and disk.
task<void> fetch_all(pass_context& pass);

}  // namespace m365stage::sync
