#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "../text.hpp"

/// Dates, and the Windows time zones that events of the test tenant are kept in.
namespace m365stage::sim {

/// Days since 1970-01-01 of a date, and back.
std::int64_t day_of(int year, int month, int day);
struct date_parts {
    int year = 1970;
    int month = 1;
    int day = 1;
    bool operator==(const date_parts&) const = default;
};
date_parts date_of(std::int64_t days);
int days_in_month(int year, int month);
/// 0 Sunday .. 6 Saturday.
int weekday_of(std::int64_t days);
/// "2026-10-07" of a day, and back; nothing when it is no date.
std::string date_text(std::int64_t days);
std::optional<std::int64_t> parse_date(std::string_view text);

/// A wall clock as seconds since 1970, as if it were UTC: "2026-10-07T09:00:00.0000000" and back.
std::string wall_text(std::int64_t wall);
std::optional<std::int64_t> parse_wall(std::string_view text);

/// Whether Exchange knows a zone of that name.
bool is_time_zone(std::string_view name);
/// What clocks in the zone show at a moment. Zones that are not known are UTC.
std::int64_t wall_of(std::int64_t utc, std::string_view zone);
/// The moment when clocks in the zone show that; of an hour that comes twice the first one.
std::int64_t utc_of(std::int64_t wall, std::string_view zone);

}  // namespace m365stage::sim
