#include "recurrence.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "time_zone.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

constexpr const char* weekdays[] = {"sunday",   "monday", "tuesday", "wednesday",
                                    "thursday", "friday", "saturday"};
constexpr const char* indexes[] = {"first", "second", "third", "fourth", "last"};

int number_of(const char* const* names, int count, const std::string& name) {
    for (int i = 0; i < count; ++i) {
        if (name == names[i]) {
            return i;
        }
    }
    return -1;
}

struct pattern {
    std::string type;
    int interval = 1;
    int month = 1;
    int day = 1;
    int index = 0;
    int first_of_week = 0;
    bool on[7] = {};
};

pattern pattern_of(const json& p) {
    pattern out;
    out.type = p.value("type", "");
    out.interval = std::max(1, p.value("interval", 1));
    out.month = std::clamp(p.value("month", 1), 1, 12);
    out.day = std::clamp(p.value("dayOfMonth", 1), 1, 31);
    out.index = std::max(0, number_of(indexes, 5, p.value("index", "first")));
    out.first_of_week = std::max(0, number_of(weekdays, 7, p.value("firstDayOfWeek", "sunday")));
    for (const auto& d : p.value("daysOfWeek", json::array())) {
        int n = number_of(weekdays, 7, d.get<std::string>());
        if (n >= 0) {
            out.on[n] = true;
        }
    }
    return out;
}

/// The day of a month that "the second Tuesday", "the last weekday" and their like mean.
std::int64_t relative_day(const pattern& p, int year, int month) {
    std::int64_t first = day_of(year, month, 1);
    std::vector<std::int64_t> fit;
    for (int i = 0; i < days_in_month(year, month); ++i) {
        if (p.on[weekday_of(first + i)]) {
            fit.push_back(first + i);
        }
    }
    std::size_t at = p.index == 4 ? fit.size() - 1 : static_cast<std::size_t>(p.index);
    return fit.empty() ? first : fit[std::min(at, fit.size() - 1)];
}

/// The day in the month; months that are too short have it on their last day.
std::int64_t absolute_day(const pattern& p, int year, int month) {
    return day_of(year, month, std::min(p.day, days_in_month(year, month)));
}

/// Adds the days of period number `n` (day, week, month or year) counted from the start.
void add_period(const pattern& p, std::int64_t start, std::int64_t n, std::vector<std::int64_t>& out) {
    date_parts from = date_of(start);
    if (p.type == "daily") {
        out.push_back(start + n * p.interval);
    } else if (p.type == "weekly") {
        std::int64_t week = start - (weekday_of(start) - p.first_of_week + 7) % 7 + n * 7 * p.interval;
        for (int i = 0; i < 7; ++i) {
            if (p.on[weekday_of(week + i)]) {
                out.push_back(week + i);
            }
        }
    } else {
        bool monthly = p.type.ends_with("Monthly");
        auto months = static_cast<int>(n * p.interval) + (monthly ? from.month - 1 : 0);
        int year = from.year + (monthly ? months / 12 : months);
        int month = monthly ? months % 12 + 1 : p.month;
        out.push_back(
            p.type.starts_with("relative") ? relative_day(p, year, month) : absolute_day(p, year, month)
        );
    }
}

}  // namespace

std::string recurrence_fault(const json& r) {
    if (!r.is_object() || !r.contains("pattern") || !r.contains("range")) {
        return "The recurrence needs a pattern and a range.";
    }
    static const char* types[] = {"daily",           "weekly",         "absoluteMonthly",
                                  "relativeMonthly", "absoluteYearly", "relativeYearly"};
    std::string type = r["pattern"].value("type", "");
    if (number_of(types, 6, type) < 0 || r["pattern"].value("interval", 0) < 1) {
        return "The recurrence pattern is not valid.";
    }
    if ((type == "weekly" || type.starts_with("relative")) &&
        r["pattern"].value("daysOfWeek", json::array()).empty()) {
        return "The recurrence pattern needs days of the week.";
    }
    const json& range = r["range"];
    if (!parse_date(range.value("startDate", ""))) {
        return "The recurrence range has no start date.";
    }
    // Q85: the service itself tells an empty name, and does not take it back.
    auto zone = range.find("recurrenceTimeZone");
    if (zone != range.end() && !zone->is_null() && !is_time_zone(zone->get<std::string>())) {
        return "The value for property 'recurrenceTimeZone' is not a valid time zone.";
    }
    std::string kind = range.value("type", "");
    bool good = kind == "noEnd" || (kind == "endDate" && parse_date(range.value("endDate", ""))) ||
                (kind == "numbered" && range.value("numberOfOccurrences", 0) > 0);
    return good ? "" : "The recurrence range is not valid.";
}

std::vector<std::int64_t> recurrence_days(const json& r, std::int64_t last, std::size_t most) {
    pattern p = pattern_of(r.at("pattern"));
    const json& range = r.at("range");
    std::int64_t start = parse_date(range.value("startDate", "")).value_or(0);
    std::string kind = range.value("type", "noEnd");
    if (kind == "endDate") {
        last = std::min(last, parse_date(range.value("endDate", "")).value_or(last));
    } else if (kind == "numbered") {
        most = std::min(most, static_cast<std::size_t>(range.value("numberOfOccurrences", 1)));
    }
    std::vector<std::int64_t> out;
    for (std::int64_t n = 0; out.size() < most; ++n) {
        std::vector<std::int64_t> period;
        add_period(p, start, n, period);
        bool beyond = period.empty() || period.front() > last;
        for (std::int64_t day : period) {
            if (day >= start && day <= last && out.size() < most) {
                out.push_back(day);
            }
        }
        if (beyond) {
            break;
        }
    }
    return out;
}

}  // namespace m365stage::sim
