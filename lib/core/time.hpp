#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace m365stage::core {

/// Seconds since the epoch, UTC. Fractions are cut: Bareos restores whole seconds only (bareos-contract, 6).
using unix_seconds = std::int64_t;

constexpr unix_seconds seconds_a_day = 86'400;

unix_seconds now_seconds();

/// Reads "2026-10-01T07:11:12Z" with or without fraction, 'Z' or an offset; years 0001..9999.
/// nullopt for anything else.
std::optional<unix_seconds> parse_timestamp(std::string_view text);

/// "2026-10-01T07:11:12Z".
std::string format_timestamp(unix_seconds t);

inline constexpr unix_seconds latest_mtime = 4'102'444'800;  // 2100-01-01

/// The nearest time that every file system and Bareos can hold: 1970-01-01 to 2100-01-01.
unix_seconds clamp_mtime(unix_seconds t);

}  // namespace m365stage::core
