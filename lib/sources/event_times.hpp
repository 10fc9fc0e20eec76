#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "sources/time_zone.hpp"

/// The times of an event, and how an iCalendar file tells them.
namespace m365stage::sources {

/// The moment of a member {"dateTime","timeZone"}; nullopt if there is none.
std::optional<unix_seconds> utc_of_event_time(const nlohmann::json& event, const char* name);

/// How the times of an event are told: as dates, in a zone, or in UTC.
struct event_clock {
    event_clock() = default;
    bool all_day = false;
    std::optional<time_zone> zone;

    /// The wall clock at a moment; of an all-day event the midnight of its date.
    unix_seconds wall_of(unix_seconds utc) const;
};

/// By the zone that the event was made in; of a series by the one that its occurrences are counted in.
event_clock clock_of(const nlohmann::json& event);

/// The recurrence as an RRULE's value; empty if there is none, or none that can be understood. `start`: of
/// the first occurrence, UTC.
std::string rrule_of(const nlohmann::json& event, const event_clock& clock, unix_seconds start);

/// "OID.<id>.2026-10-07" names the occurrence on that date, as the series counts. A wall clock, at midnight.
std::optional<unix_seconds> date_of_occurrence(std::string_view id);

/// The dates of the cancelled occurrences: "OID.<id>.2026-10-07" is one on that date, as the series counts.
/// Wall clocks, at midnight.
std::vector<unix_seconds> cancelled_dates(const nlohmann::json& event);

}  // namespace m365stage::sources
