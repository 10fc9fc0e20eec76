#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "http/http.hpp"

namespace m365stage::sources {

/// A member of what may not even be an object; nullptr for one that is missing or null.
inline const nlohmann::json* member(const nlohmann::json& object, std::string_view key) {
    if (!object.is_object()) {
        return nullptr;
    }
    const auto found = object.find(key);
    return found == object.end() || found->is_null() ? nullptr : &*found;
}

/// A text member; empty if it is missing or something else.
inline std::string text(const nlohmann::json& object, std::string_view key) {
    const auto* value = member(object, key);
    return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

inline bool is_true(const nlohmann::json& object, std::string_view key) {
    const auto* value = member(object, key);
    return value != nullptr && *value == true;
}

/// Compact text with sorted keys; what is no UTF-8 is replaced.
inline std::string canonical(const nlohmann::json& value) {
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// An id as one path segment. '!' and ',' of drive and site ids stay: they are allowed there and every log
/// shows them so.
inline std::string segment(std::string_view id) {
    std::string out;
    for (char c : id) {
        out += (c == '!' || c == ',') ? std::string(1, c) : http::percent_encode(std::string_view(&c, 1));
    }
    return out;
}

}  // namespace m365stage::sources
