#include "core/members.hpp"

#include <nlohmann/json.hpp>

namespace m365stage::core {

using nlohmann::json;

const json* member(const json& object, std::string_view key) {
    if (!object.is_object()) {
        return nullptr;
    }
    const auto found = object.find(key);
    return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::string text(const json& object, std::string_view key) {
    const auto* value = member(object, key);
    return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

}  // namespace m365stage::core
