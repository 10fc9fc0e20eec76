#include "sources/time_zone.hpp"

#include <libical/ical.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

namespace m365stage::sources {
namespace {

icaltimezone* native(void* handle) {
    return static_cast<icaltimezone*>(handle);
}

icaltimetype fields_of(unix_seconds t) {
    return icaltime_from_timet_with_zone(t, 0, icaltimezone_get_utc_timezone());
}

unix_seconds zone_offset(void* handle, unix_seconds utc) {
    auto t = fields_of(utc);
    int daylight = 0;
    return icaltimezone_get_utc_offset_of_utc_time(native(handle), &t, &daylight);
}

unix_seconds start_of(int year) {
    return core::parse_timestamp(std::to_string(year) + "-01-01T00:00:00Z").value_or(0);
}

/// One change of the clock.
struct transition {
    unix_seconds at;  ///< UTC
    unix_seconds before, after;
    unix_seconds wall() const { return at + before; }
};

/// The changes of a year: at most a few, found by halving the days on which the offset differs.
std::vector<transition> transitions_of(void* handle, int year) {
    std::vector<transition> out;
    const auto end = start_of(year + 1);
    auto known = zone_offset(handle, start_of(year));
    for (auto from = start_of(year); from < end; from += core::seconds_a_day) {
        const auto there = zone_offset(handle, from + core::seconds_a_day);
        if (there == known) {
            continue;
        }
        auto low = from;
        auto high = from + core::seconds_a_day;
        while (high - low > 1) {
            const auto middle = low + (high - low) / 2;
            (zone_offset(handle, middle) == known ? low : high) = middle;
        }
        out.push_back({high, known, there});
        known = there;
    }
    return out;
}

/// "the second Sunday in March": which weekday of its month a day is, counted from the front or the end.
struct place_in_month {
    int month, weekday, week, week_from_end, clock;
};

place_in_month place_of(unix_seconds wall) {
    const auto t = fields_of(wall);
    const int days = icaltime_days_in_month(t.month, t.year);
    return {
        t.month, icaltime_day_of_week(t), (t.day - 1) / 7 + 1, (days - t.day) / 7 + 1,
        t.hour * 3600 + t.minute * 60 + t.second
    };
}

/// The yearly rule that a change follows in the years after; empty if it follows none.
std::string yearly_rule(const transition& first, std::size_t number, void* handle, int year) {
    const auto here = place_of(first.wall());
    bool from_front = true;
    bool from_end = true;
    constexpr int years_compared = 4;
    for (int later = 1; later <= years_compared; ++later) {
        const auto others = transitions_of(handle, year + later);
        if (number >= others.size() || others[number].after != first.after ||
            others[number].before != first.before) {
            return {};
        }
        const auto there = place_of(others[number].wall());
        if (there.month != here.month || there.weekday != here.weekday || there.clock != here.clock) {
            return {};
        }
        from_front = from_front && there.week == here.week;
        from_end = from_end && there.week_from_end == here.week_from_end;
    }
    if (!from_front && !from_end) {
        return {};
    }
    constexpr std::array weekdays{"SU", "MO", "TU", "WE", "TH", "FR", "SA"};
    const auto week = from_end ? "-" + std::to_string(here.week_from_end) : std::to_string(here.week);
    return "RRULE:FREQ=YEARLY;BYMONTH=" + std::to_string(here.month) + ";BYDAY=" + week +
           weekdays[static_cast<std::size_t>(here.weekday - 1)] + "\r\n";
}

/// The rule of one of a year's changes, as long as every year that is looked at keeps it.
struct common_rule {
    explicit common_rule(const transition& t) : change(t), place(place_of(t.wall())) {}
    transition change;
    place_in_month place;
    bool from_front = true, from_end = true;

    bool admits(const transition& other) {
        const auto there = place_of(other.wall());
        from_front = from_front && there.week == place.week;
        from_end = from_end && there.week_from_end == place.week_from_end;
        return other.before == change.before && other.after == change.after && there.month == place.month &&
               there.weekday == place.weekday && there.clock == place.clock && (from_front || from_end);
    }
};

/// The first year from which on, up to `end`, the changes keep one rule each.
int first_regular_year(void* handle, int begin, int end) {
    std::vector<common_rule> rules;
    for (const auto& t : transitions_of(handle, end)) {
        rules.emplace_back(t);
    }
    for (int year = end; year > begin; --year) {
        const auto changes = transitions_of(handle, year - 1);
        bool same = changes.size() == rules.size();
        for (std::size_t i = 0; same && i < changes.size(); ++i) {
            same = rules[i].admits(changes[i]);
        }
        if (!same) {
            return year;
        }
    }
    return begin;
}

constexpr unix_seconds first_moment = -62'135'596'800;  // 0001-01-01T00:00:00
constexpr unix_seconds last_moment = 253'402'300'799;   // 9999-12-31T23:59:59

unix_seconds with_calendar_year(unix_seconds wall) {
    return std::clamp(wall, first_moment, last_moment);
}

std::string offset_text(unix_seconds offset) {
    const auto minutes = (offset < 0 ? -offset : offset) / 60;
    auto two = [](unix_seconds n) { return std::string(n < 10 ? "0" : "") + std::to_string(n); };
    return (offset < 0 ? "-" : "+") + two(minutes / 60) + two(minutes % 60);
}

std::string observance(
    bool daylight, unix_seconds wall, unix_seconds before, unix_seconds after, const std::string& rule
) {
    const std::string kind = daylight ? "DAYLIGHT" : "STANDARD";
    return "BEGIN:" + kind + "\r\nDTSTART:" + ics_time(wall) + "\r\nTZOFFSETFROM:" + offset_text(before) +
           "\r\nTZOFFSETTO:" + offset_text(after) + "\r\n" + rule + "END:" + kind + "\r\n";
}

}  // namespace

std::optional<time_zone> time_zone::find(std::string_view name) {
    std::string iana(iana_zone(name));
    if (iana.empty() && name.find('/') != std::string_view::npos &&
        name.find(':') == std::string_view::npos) {
        iana = name;
    }
    if (iana.empty()) {
        return std::nullopt;
    }
    icalerror_set_errors_are_fatal(0);
    constexpr std::string_view fixed = "Etc/GMT";
    if (iana.starts_with(fixed) && iana.size() > fixed.size()) {
        // As POSIX has it: the sign is that of what has to be added to get GMT.
        int hours = 0;
        const auto digits = std::string_view(iana).substr(fixed.size() + 1);
        std::from_chars(digits.data(), digits.data() + digits.size(), hours);
        constexpr int most = 14;
        hours = std::clamp(hours, 0, most);
        const auto sign = iana[fixed.size()];
        return time_zone(std::move(iana), nullptr, (sign == '+' ? -3600 : 3600) * hours);
    }
    auto* zone = icaltimezone_get_builtin_timezone(iana.c_str());
    if (zone == nullptr || icaltimezone_get_component(zone) == nullptr) {
        return std::nullopt;
    }
    return time_zone(std::move(iana), zone, 0);
}

unix_seconds time_zone::offset_at(unix_seconds utc) const {
    return handle_ == nullptr ? fixed_ : zone_offset(handle_, utc);
}

unix_seconds time_zone::wall_of(unix_seconds utc) const {
    return utc + offset_at(utc);
}

unix_seconds time_zone::utc_of(unix_seconds wall) const {
    // Of an hour that comes twice the first one: the greater offset is tried first.
    const auto before = offset_at(wall - core::seconds_a_day);
    const auto after = offset_at(wall + core::seconds_a_day);
    const auto first = wall - std::max(before, after);
    return wall_of(first) == wall ? first : wall - std::min(before, after);
}

std::string time_zone::component(int year) const {
    std::string out = "BEGIN:VTIMEZONE\r\nTZID:" + name_ + "\r\n";
    if (handle_ == nullptr) {
        return out + observance(false, 0, fixed_, fixed_, "") + "END:VTIMEZONE\r\n";
    }
    // From the year before, so that there is a rule for the first days of this one.
    const auto changes = transitions_of(handle_, year - 1);
    std::string rules;
    bool all = true;
    for (std::size_t i = 0; i < changes.size(); ++i) {
        const auto& c = changes[i];
        const auto rule = yearly_rule(c, i, handle_, year - 1);
        all = all && !rule.empty();
        rules += observance(c.after > c.before, c.wall(), c.before, c.after, rule);
    }
    const bool same = changes.empty() && offset_at(start_of(year)) == offset_at(start_of(year + 1)) &&
                      transitions_of(handle_, year).empty();
    if (same) {
        const auto offset = offset_at(start_of(year));
        out += observance(false, 0, offset, offset, "");
    } else if (all && !changes.empty()) {
        out += rules;
    } else {
        // Rules that move: each change by itself, for as long as a series is looked at.
        constexpr int years_told = 12;
        const auto offset = offset_at(start_of(year - 1));
        out += observance(false, 0, offset, offset, "");
        for (int y = year - 1; y < year + years_told; ++y) {
            for (const auto& c : transitions_of(handle_, y)) {
                out += observance(c.after > c.before, c.wall(), c.before, c.after, "");
            }
        }
    }
    return out + "END:VTIMEZONE\r\n";
}

std::string time_zone::component_of_series(int year) const {
    if (handle_ == nullptr) {
        return component(year);
    }
    // As far as the database of zones tells changes one by one; behind it are rules for ever.
    constexpr int years_told = 2037;
    constexpr int years_compared = 4;
    constexpr int longest = 100;
    const int end = std::max(year + years_compared, years_told);
    const int begin = std::max(year - 1, end - longest);
    int regular = first_regular_year(handle_, begin, end);
    std::string rules;
    const auto first = transitions_of(handle_, regular);
    for (std::size_t i = 0; i < first.size(); ++i) {
        const auto& c = first[i];
        const auto rule = yearly_rule(c, i, handle_, regular);
        if (rule.empty()) {  // they move every year
            rules.clear();
            regular = end + 1;
            break;
        }
        rules += observance(c.after > c.before, c.wall(), c.before, c.after, rule);
    }
    if (regular == begin) {
        return component(year);
    }
    std::string out = "BEGIN:VTIMEZONE\r\nTZID:" + name_ + "\r\n";
    const auto offset = offset_at(start_of(begin));
    out += observance(false, 0, offset, offset, "");
    for (int y = begin; y < regular; ++y) {
        for (const auto& c : transitions_of(handle_, y)) {
            out += observance(c.after > c.before, c.wall(), c.before, c.after, "");
        }
    }
    return out + rules + "END:VTIMEZONE\r\n";
}

int year_of(unix_seconds t) {
    return fields_of(t).year;
}

bool has_calendar_year(unix_seconds wall) {
    return wall >= first_moment && wall <= last_moment;
}

std::string ics_date(unix_seconds wall) {
    const auto text = core::format_timestamp(with_calendar_year(wall));
    return text.substr(0, 4) + text.substr(5, 2) + text.substr(8, 2);
}

std::string ics_time(unix_seconds wall) {
    const auto text = core::format_timestamp(with_calendar_year(wall));
    return ics_date(wall) + "T" + text.substr(11, 2) + text.substr(14, 2) + text.substr(17, 2);
}

}  // namespace m365stage::sources
