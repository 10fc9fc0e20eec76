#pragma once

#include <cstddef>
#include <string_view>

namespace m365stage::core {

/// How many bytes at `at` form one valid UTF-8 character; 0 if none do.
std::size_t character_length(std::string_view text, std::size_t at);

/// True if the text is UTF-8 to its end.
bool is_utf8(std::string_view text);

}  // namespace m365stage::core
