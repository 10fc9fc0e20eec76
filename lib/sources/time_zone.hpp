#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/time.hpp"

namespace m365stage::sources {

using core::unix_seconds;

/// A time zone as events name it: Windows' names ("W. Europe Standard Time") and those of the IANA database.
/// A wall clock is given as seconds since 1970, as if it were UTC. Threads: any, but one at a time.
class time_zone {
public:
    /// nullopt for UTC, for what nobody knows ("tzone://Microsoft/Custom") and for an empty name.
    static std::optional<time_zone> find(std::string_view name);

    const std::string& name() const { return name_; }  ///< IANA's: "Europe/Berlin"
    unix_seconds wall_of(unix_seconds utc) const;
    unix_seconds utc_of(unix_seconds wall) const;

    /// The zone's VTIMEZONE with the rules of that year and what follows: short, and the same text whatever
    /// history the machine's database tells. Lines end with CRLF.
    std::string component(int year) const;

    /// The same for what goes on for years: each change of the clock from that year on, until the rules are
    /// those of the years to come.
    std::string component_of_series(int year) const;

private:
    time_zone(std::string name, void* handle, unix_seconds fixed)
        : name_(std::move(name)), handle_(handle), fixed_(fixed) {}
    unix_seconds offset_at(unix_seconds utc) const;

    std::string name_;
    void* handle_;  ///< libical's, which keeps it; nullptr: always `fixed_`
    unix_seconds fixed_;
};

/// IANA's name for a Windows zone (CLDR); empty if there is none.
std::string_view iana_zone(std::string_view windows_name);

int year_of(unix_seconds t);

/// True for what iCalendar can write down: years of four digits.
bool has_calendar_year(unix_seconds wall);

/// "20261007T090000" and "20261007"; the first or last moment of what has no year of four digits.
std::string ics_time(unix_seconds wall);
std::string ics_date(unix_seconds wall);

}  // namespace m365stage::sources
