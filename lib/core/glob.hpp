#pragma once

#include <string_view>

namespace m365stage::core {

/// True if the whole `text` matches `pattern`: `*` stands for any bytes (also none, also '/'), `?` for one
/// UTF-8 character, everything else for itself. ASCII letters match in either case; other bytes only
/// themselves. Takes at most pattern.size() * text.size() steps, whatever the pattern.
bool glob_match(std::string_view pattern, std::string_view text);

}  // namespace m365stage::core
