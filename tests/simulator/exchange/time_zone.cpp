#include "time_zone.hpp"

#include <array>
#include <cstdio>

namespace m365stage::sim {

namespace {

enum class summer : std::uint8_t { never, european, american, australian };

struct zone_rule {
    const char* name;
    std::int64_t minutes;  ///< of standard time, east of Greenwich
    summer rule;
};

constexpr zone_rule zones[] = {
    {"UTC", 0, summer::never},
    {"GMT Standard Time", 0, summer::european},
    {"W. Europe Standard Time", 60, summer::european},
    {"Romance Standard Time", 60, summer::european},
    {"E. Europe Standard Time", 120, summer::european},
    {"Eastern Standard Time", -300, summer::american},
    {"Pacific Standard Time", -480, summer::american},
    {"India Standard Time", 330, summer::never},
    {"Tokyo Standard Time", 540, summer::never},
    {"AUS Eastern Standard Time", 600, summer::australian},
};

/// The n-th Sunday of a month; 0 is the last one.
std::int64_t sunday(int year, int month, std::int64_t n) {
    std::int64_t first = day_of(year, month, 1);
    std::int64_t on = first + (7 - weekday_of(first)) % 7 + 7 * (n == 0 ? 4 : n - 1);
    return n == 0 && date_of(on).month != month ? on - 7 : on;
}

/// Whether it is summer at a moment given in the zone's standard time.
bool is_summer(std::int64_t standard, const zone_rule& z) {
    int year = date_of(standard / day_seconds - (standard % day_seconds < 0 ? 1 : 0)).year;
    switch (z.rule) {
        case summer::european: {
            // At 01:00 UTC everywhere.
            std::int64_t at = 3600 + z.minutes * 60;
            return standard >= sunday(year, 3, 0) * day_seconds + at &&
                   standard < sunday(year, 10, 0) * day_seconds + at;
        }
        case summer::american:
            return standard >= sunday(year, 3, 2) * day_seconds + 7200 &&
                   standard < sunday(year, 11, 1) * day_seconds + 3600;
        case summer::australian:
            return standard >= sunday(year, 10, 1) * day_seconds + 7200 ||
                   standard < sunday(year, 4, 1) * day_seconds + 7200;
        default:
            return false;
    }
}

const zone_rule& rule_of(std::string_view name) {
    for (const auto& z : zones) {
        if (name == z.name) {
            return z;
        }
    }
    return zones[0];
}

std::int64_t floor_days(std::int64_t seconds) {
    return seconds / day_seconds - (seconds % day_seconds < 0 ? 1 : 0);
}

}  // namespace

std::int64_t day_of(int year, int month, int day) {
    // Years begin in March here, so that the leap day is the last one.
    std::int64_t y = month <= 2 ? year - 1 : year;
    std::int64_t era = (y >= 0 ? y : y - 399) / 400;
    std::int64_t of_era = y - era * 400;
    std::int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

date_parts date_of(std::int64_t days) {
    std::int64_t z = days + 719468;
    std::int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    std::int64_t of_era = z - era * 146097;
    std::int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    std::int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    std::int64_t m = (5 * of_year + 2) / 153;
    date_parts out;
    out.day = static_cast<int>(of_year - (153 * m + 2) / 5 + 1);
    out.month = static_cast<int>(m < 10 ? m + 3 : m - 9);
    out.year = static_cast<int>(year + era * 400 + (out.month <= 2 ? 1 : 0));
    return out;
}

int days_in_month(int year, int month) {
    return static_cast<int>(
        day_of(month == 12 ? year + 1 : year, month == 12 ? 1 : month + 1, 1) - day_of(year, month, 1)
    );
}

int weekday_of(std::int64_t days) {
    return static_cast<int>(((days + 4) % 7 + 7) % 7);
}

std::string date_text(std::int64_t days) {
    date_parts d = date_of(days);
    char text[32];
    std::snprintf(text, sizeof text, "%04d-%02d-%02d", d.year, d.month, d.day);
    return text;
}

std::optional<std::int64_t> parse_date(std::string_view text) {
    int year = 0;
    int month = 0;
    int day = 0;
    char rest = 0;
    std::string copy(text);
    if (std::sscanf(copy.c_str(), "%4d-%2d-%2d%c", &year, &month, &day, &rest) < 3 || month < 1 ||
        month > 12 || day < 1 || day > days_in_month(year, month)) {
        return std::nullopt;
    }
    return day_of(year, month, day);
}

std::string wall_text(std::int64_t wall) {
    std::int64_t day = floor_days(wall);
    auto second = static_cast<int>(wall - day * day_seconds);
    char text[48];
    std::snprintf(text, sizeof text, "T%02d:%02d:%02d.0000000", second / 3600, second / 60 % 60, second % 60);
    return date_text(day) + text;
}

std::optional<std::int64_t> parse_wall(std::string_view text) {
    auto day = parse_date(text.substr(0, 10));
    int hour = 0;
    int minute = 0;
    int second = 0;
    std::string rest(text.size() > 10 ? text.substr(10) : "T00:00:00");
    if (!day || std::sscanf(rest.c_str(), "T%2d:%2d:%2d", &hour, &minute, &second) < 2 || hour > 23 ||
        minute > 59 || second > 59) {
        return std::nullopt;
    }
    return *day * day_seconds + (hour * 60 + minute) * std::int64_t{60} + second;
}

bool is_time_zone(std::string_view name) {
    for (const auto& z : zones) {
        if (name == z.name) {
            return true;
        }
    }
    return false;
}

std::int64_t wall_of(std::int64_t utc, std::string_view zone) {
    const zone_rule& z = rule_of(zone);
    std::int64_t standard = utc + z.minutes * 60;
    return standard + (is_summer(standard, z) ? 3600 : 0);
}

std::int64_t utc_of(std::int64_t wall, std::string_view zone) {
    const zone_rule& z = rule_of(zone);
    std::int64_t as_summer = wall - z.minutes * 60 - 3600;
    return wall_of(as_summer, zone) == wall ? as_summer : wall - z.minutes * 60;
}

}  // namespace m365stage::sim
