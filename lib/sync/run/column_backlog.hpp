#pragma once

#include "sync/run/context.hpp"

namespace m365stage::sync {

/// Once for each library: what was staged by a version that knew no columns, or before an index was rebuilt,
/// gets the values that are missing in its sidecars, from one listing of the library and without a download.
/// Does nothing in libraries that are followed from their first item on. Requires: nothing of the container
/// is being settled. Whatever fails is tried again in the next pass, but for a library that has no such
/// listing.
task<void> catch_up_on_columns(pass_context& pass, const index::container& c);

}  // namespace m365stage::sync
