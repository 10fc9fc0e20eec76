#include "sources/event_times.hpp"

#include <array>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "sources/fields.hpp"

namespace m365stage::sources {
namespace {

using nlohmann::json;

/// "2026-10-07T09:00:00.0000000" as if it were UTC.
std::optional<unix_seconds> wall_in(const json& at) {
    auto when = text(at, "dateTime");
    if (when.empty()) {
        return std::nullopt;
    }
    return core::parse_timestamp(when.back() == 'Z' ? when : when + "Z");
}

unix_seconds midnight_of(unix_seconds wall) {
    return wall - ((wall % core::seconds_a_day) + core::seconds_a_day) % core::seconds_a_day;
}

std::optional<unix_seconds> date_in(const json& object, const char* name) {
    const auto date = text(object, name);
    // "0001-01-01" stands for none.
    return date.size() < 10 || date.starts_with("0001")
               ? std::nullopt
               : core::parse_timestamp(date.substr(0, 10) + "T00:00:00Z");
}

int number_in(const json& object, const char* name) {
    const auto* value = member(object, name);
    constexpr int most = 100'000;
    return value != nullptr && value->is_number_integer() && *value > 0 && *value < most ? value->get<int>()
                                                                                         : 0;
}

std::string weekday(std::string_view name) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 7> names{
        {{"sunday", "SU"},
         {"monday", "MO"},
         {"tuesday", "TU"},
         {"wednesday", "WE"},
         {"thursday", "TH"},
         {"friday", "FR"},
         {"saturday", "SA"}}
    };
    for (const auto& [graph, ics] : names) {
        if (graph == name) {
            return std::string(ics);
        }
    }
    return {};
}

std::vector<std::string> weekdays_in(const json& pattern) {
    std::vector<std::string> out;
    const auto* days = member(pattern, "daysOfWeek");
    if (days == nullptr || !days->is_array()) {
        return out;
    }
    for (const auto& one : *days) {
        auto name = one.is_string() ? weekday(one.get<std::string>()) : std::string();
        if (!name.empty()) {
            out.push_back(std::move(name));
        }
    }
    return out;
}

std::string joined(const std::vector<std::string>& parts) {
    std::string out;
    for (const auto& p : parts) {
        out += (out.empty() ? "" : ",") + p;
    }
    return out;
}

/// "the second Tuesday", "the last weekday".
std::string relative_days(const json& pattern) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 5> indexes{
        {{"first", "1"}, {"second", "2"}, {"third", "3"}, {"fourth", "4"}, {"last", "-1"}}
    };
    std::string index = "1";
    for (const auto& [graph, ics] : indexes) {
        if (graph == text(pattern, "index")) {
            index = ics;
        }
    }
    const auto days = weekdays_in(pattern);
    if (days.empty()) {
        return {};
    }
    return days.size() == 1 ? ";BYDAY=" + index + days.front()
                            : ";BYDAY=" + joined(days) + ";BYSETPOS=" + index;
}

/// A day of the month; in months that are too short it is their last day.
std::string absolute_day(int number) {
    constexpr int in_every_month = 28;
    constexpr int longest_month = 31;
    if (number == 0 || number > longest_month) {
        return {};
    }
    if (number <= in_every_month) {
        return ";BYMONTHDAY=" + std::to_string(number);
    }
    std::vector<std::string> days;
    for (int n = in_every_month; n <= number; ++n) {
        days.push_back(std::to_string(n));
    }
    return ";BYMONTHDAY=" + joined(days) + ";BYSETPOS=-1";
}

/// The pattern but for its interval; empty if it is none that is known.
std::string pattern_of(const json& pattern) {
    const auto type = text(pattern, "type");
    const auto month = ";BYMONTH=" + std::to_string(number_in(pattern, "month"));
    if (type == "daily") {
        return "DAILY";
    }
    if (type == "weekly") {
        const auto days = weekdays_in(pattern);
        const auto first = weekday(text(pattern, "firstDayOfWeek"));
        return "WEEKLY" + (days.empty() ? "" : ";BYDAY=" + joined(days)) +
               ";WKST=" + (first.empty() ? "SU" : first);
    }
    const bool relative = type.starts_with("relative");
    const auto days = relative ? relative_days(pattern) : absolute_day(number_in(pattern, "dayOfMonth"));
    if (days.empty()) {
        return {};
    }
    if (type.ends_with("Monthly")) {
        return "MONTHLY" + days;
    }
    return type.ends_with("Yearly") && number_in(pattern, "month") != 0 ? "YEARLY" + month + days
                                                                        : std::string();
}

/// For a series in a zone that nobody knows: the nearest fixed offset in which it begins on its first day. So
/// it keeps its days of the week, though not its hours in summer. nullopt: UTC has the day right.
std::optional<time_zone> zone_by_first_day(const json& event) {
    const auto* recurrence = member(event, "recurrence");
    const auto* range = recurrence == nullptr ? nullptr : member(*recurrence, "range");
    const auto first = range == nullptr ? std::nullopt : date_in(*range, "startDate");
    const auto start = utc_of_event_time(event, "start");
    if (!first || !start) {
        return std::nullopt;
    }
    constexpr unix_seconds hour = 3'600;
    const auto clock = *start - midnight_of(*start);
    const auto east = (core::seconds_a_day - clock + hour - 1) / hour;
    const auto west = clock / hour + 1;
    constexpr unix_seconds farthest_east = 14;
    constexpr unix_seconds farthest_west = 12;
    if (*first == midnight_of(*start) + core::seconds_a_day && east <= farthest_east) {
        return time_zone::find("Etc/GMT-" + std::to_string(east));
    }
    if (*first == midnight_of(*start) - core::seconds_a_day && west <= farthest_west) {
        return time_zone::find("Etc/GMT+" + std::to_string(west));
    }
    return std::nullopt;
}

}  // namespace

std::optional<unix_seconds> utc_of_event_time(const json& event, const char* name) {
    const auto* at = member(event, name);
    const auto wall = at == nullptr ? std::nullopt : wall_in(*at);
    if (!wall) {
        return std::nullopt;
    }
    // UTC was asked for; a server that tells another zone is taken at its word.
    const auto zone = time_zone::find(text(*at, "timeZone"));
    return zone ? zone->utc_of(*wall) : *wall;
}

unix_seconds event_clock::wall_of(unix_seconds utc) const {
    if (!all_day) {
        return zone ? zone->wall_of(utc) : utc;
    }
    // Told as midnight, whatever the zone; where it is not, the zone's midnight is meant.
    return utc % core::seconds_a_day == 0 || !zone ? midnight_of(utc) : midnight_of(zone->wall_of(utc));
}

event_clock clock_of(const json& event) {
    event_clock c;
    c.all_day = is_true(event, "isAllDay");
    if (const auto* recurrence = member(event, "recurrence")) {
        if (const auto* range = member(*recurrence, "range")) {
            c.zone = time_zone::find(text(*range, "recurrenceTimeZone"));
        }
    }
    if (!c.zone) {
        c.zone = time_zone::find(text(event, "originalStartTimeZone"));
    }
    const bool unknown = !c.zone && !c.all_day && text(event, "originalStartTimeZone") != "UTC";
    if (unknown) {
        c.zone = zone_by_first_day(event);
    }
    return c;
}

std::string rrule_of(const json& event, const event_clock& clock, unix_seconds start) {
    const auto* recurrence = member(event, "recurrence");
    const auto* pattern = recurrence == nullptr ? nullptr : member(*recurrence, "pattern");
    if (pattern == nullptr) {
        return {};
    }
    const auto what = pattern_of(*pattern);
    if (what.empty()) {
        return {};
    }
    const auto interval = number_in(*pattern, "interval");
    auto out = "FREQ=" + what + ";INTERVAL=" + std::to_string(std::max(interval, 1));
    const auto* range = member(*recurrence, "range");
    if (range == nullptr) {
        return out;
    }
    const auto kind = text(*range, "type");
    const auto count = number_in(*range, "numberOfOccurrences");
    const auto last = date_in(*range, "endDate");
    if (kind == "numbered" && count > 0) {
        return out + ";COUNT=" + std::to_string(count);
    }
    if (kind != "endDate" || !last) {
        return out;
    }
    if (clock.all_day) {
        return out + ";UNTIL=" + ics_date(*last);
    }
    // The last day's occurrence is in; RFC 5545 wants UTC beside a zone.
    const auto wall = *last + (clock.wall_of(start) - midnight_of(clock.wall_of(start)));
    return out + ";UNTIL=" + ics_time(clock.zone ? clock.zone->utc_of(wall) : wall) + "Z";
}

std::optional<unix_seconds> date_of_occurrence(std::string_view id) {
    return core::parse_timestamp(std::string(id.substr(id.rfind('.') + 1)) + "T00:00:00Z");
}

std::vector<unix_seconds> cancelled_dates(const json& event) {
    std::vector<unix_seconds> out;
    const auto* all = member(event, "cancelledOccurrences");
    if (all == nullptr || !all->is_array()) {
        return out;
    }
    for (const auto& one : *all) {
        const auto id = one.is_string() ? one.get<std::string>() : std::string();
        if (const auto date = date_of_occurrence(id)) {
            out.push_back(*date);
        }
    }
    return out;
}

}  // namespace m365stage::sources
