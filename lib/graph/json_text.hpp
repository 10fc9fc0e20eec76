#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace m365stage::graph {

/// Levels of arrays and objects that are taken; more are refused, since a deep value is walked by recursion.
inline constexpr int deepest_json = 64;

/// The UTF-16 unit of a whole "\uXXXX" at `at`.
std::optional<unsigned> unicode_escape(std::string_view text, std::size_t at);

/// Appends one character.
void append_utf8(std::string& out, unsigned code);

bool is_high(unsigned unit);  ///< the first half of a surrogate pair
bool is_low(unsigned unit);   ///< the second

}  // namespace m365stage::graph
