#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace m365stage::core {

/// The longest duration that can be written: a hundred years. Keeps sums with a time point from overflowing.
constexpr std::chrono::seconds longest_duration = std::chrono::days(36'500);

/// Reads a duration as options and configuration write it: a whole number and one of s, m, h, d ("30s",
/// "15m", "4h", "90d", "0s"). Nothing else is accepted: no sign, blank, fraction or second unit. Returns
/// nothing for other text and beyond `longest_duration`.
std::optional<std::chrono::seconds> parse_duration(std::string_view text);

/// The shortest text that parse_duration() reads back as the same value: 900 s is "15m", 0 s is "0s".
/// A negative duration is written as "0s".
std::string format_duration(std::chrono::seconds value);

}  // namespace m365stage::core
