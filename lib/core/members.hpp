#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

/// Reading JSON that came from outside: every question may be put to every value.
namespace m365stage::core {

/// A member of what may not even be an object; nullptr for one that is missing or null.
const nlohmann::json* member(const nlohmann::json& object, std::string_view key);

/// A text member; empty if it is missing or something else.
std::string text(const nlohmann::json& object, std::string_view key);

}  // namespace m365stage::core
