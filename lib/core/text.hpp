#pragma once

#include <string>
#include <string_view>

namespace m365stage::core {

/// ASCII letters alone, whatever the locale: names of header fields, host names, codes of the service.
constexpr char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

inline std::string lowered(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        c = lower(c);
    }
    return out;
}

}  // namespace m365stage::core
