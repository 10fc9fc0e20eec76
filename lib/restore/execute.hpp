#pragma once

#include "restore/plan.hpp"

namespace m365stage::restore {

/// Does what was planned; what became of each object is in the journal. A container that is refused or fails
/// keeps none of the others back. Errors: those that ended it early.
task<core::result<void>> execute(context& with, const plan& p);

}  // namespace m365stage::restore
