#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace m365stage::daemon {

/// The process that holds the lock of this stage.root, without trying to take it (a try, however short, could
/// make a service fail that starts just then): read from /proc/locks. nullopt: nobody, or nobody whom this
/// process can see.
std::optional<std::int64_t> lock_holder(const std::string& root);

}  // namespace m365stage::daemon
