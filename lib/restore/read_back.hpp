#pragma once

#include "restore/kind.hpp"

namespace m365stage::restore {

/// Reads every folder that something was put into, in this run or in an earlier one that this run relies on,
/// and lets its kind compare it with the journal. Returns how many objects are to be put back once more
/// (none, if this was the `last` look). Errors: those that concern everything.
task<core::result<std::uint64_t>> read_back_all(context& with, bool last);

}  // namespace m365stage::restore
