#pragma once

#include <string_view>

#include "core/text.hpp"

namespace m365stage::http {

/// Small ASCII helpers. Never locale dependent: header names and schemes are ASCII by definition.
constexpr bool is_alpha(char c) {
    return core::lower(c) >= 'a' && core::lower(c) <= 'z';
}

constexpr bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/// True for C0 controls and DEL.
constexpr bool is_control(char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

constexpr bool equal_names(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) {
        return false;
    }
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (core::lower(a[i]) != core::lower(b[i])) {
            return false;
        }
    }
    return true;
}

}  // namespace m365stage::http
