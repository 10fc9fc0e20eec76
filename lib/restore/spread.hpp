#pragma once

#include <functional>

#include "restore/context.hpp"

namespace m365stage::restore {

/// Does `one` for every number below `count`, so many at a time, until one of them returns an error.
task<core::result<void>> spread(
    context& with, std::size_t count, int at_once, std::function<task<core::result<void>>(std::size_t)> one
);

}  // namespace m365stage::restore
