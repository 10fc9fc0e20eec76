#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

/// When a series takes place, as Outlook counts it.
namespace m365stage::sim {

/// What is wrong with a patternedRecurrence; empty when it is good.
std::string recurrence_fault(const nlohmann::json& recurrence);
/// The days on which it takes place, from the first one up to `last`, `most` at the most.
std::vector<std::int64_t> recurrence_days(
    const nlohmann::json& recurrence, std::int64_t last, std::size_t most = 5000
);

}  // namespace m365stage::sim
