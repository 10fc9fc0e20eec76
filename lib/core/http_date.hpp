#pragma once

#include <optional>
#include <string_view>

#include "core/time.hpp"

namespace m365stage::core {

/// Reads the date of an HTTP header, "Thu, 26 Nov 2026 14:30:29 GMT"; nullopt for anything else.
std::optional<unix_seconds> parse_http_date(std::string_view text);

}  // namespace m365stage::core
