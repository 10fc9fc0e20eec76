#include "sources/ics_event.hpp"

#include <libical/ical.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "sources/event_times.hpp"
#include "sources/fields.hpp"

namespace m365stage::sources {
namespace {

using nlohmann::json;

/// Text as iCalendar can hold it: line breaks are LF, other control characters are left out (contract Q78).
std::string clean(std::string_view in) {
    std::string out;
    for (std::size_t i = 0; i < in.size(); ++i) {
        const auto c = static_cast<unsigned char>(in[i]);
        if (c == '\r') {
            out += '\n';
            i += i + 1 < in.size() && in[i + 1] == '\n' ? 1 : 0;
        } else if ((c >= 0x20 && c != 0x7F) || c == '\n' || c == '\t') {
            out += in[i];
        }
    }
    return out;
}

// libical takes commas and semicolons in CATEGORIES for separators and can't be told otherwise (nor to escape
// them in X properties): while it writes, characters for private use stand for them.
constexpr std::string_view comma_for_now = "\xEE\x80\x80";
constexpr std::string_view semicolon_for_now = "\xEE\x80\x81";

void replace_all(std::string& text, std::string_view what, std::string_view with) {
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
        text.replace(at, what.size(), with);
    }
}

/// A parameter's value: no quotes and line breaks there.
std::string parameter_text(std::string_view in) {
    auto out = clean(in);
    std::replace(out.begin(), out.end(), '"', '\'');
    std::replace(out.begin(), out.end(), '\n', ' ');
    return out;
}

/// An address of any kind as a URI.
std::string mail_uri(std::string_view address) {
    std::string out = "mailto:";
    for (const char c : address) {
        const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                           std::string_view("-._~@+/=&'!$*()").find(c) != std::string_view::npos;
        if (plain) {
            out += c;
            continue;
        }
        constexpr std::string_view digits = "0123456789ABCDEF";
        const auto byte = static_cast<unsigned char>(c);
        out += {'%', digits[byte >> 4], digits[byte & 15]};
    }
    return out;
}

/// What a value is called on the other side; `otherwise` for what is not in the table.
template <std::size_t N>
std::string_view translated(
    const std::array<std::pair<std::string_view, std::string_view>, N>& table, std::string_view value,
    std::string_view otherwise
) {
    for (const auto& [from, to] : table) {
        if (from == value) {
            return to;
        }
    }
    return otherwise;
}

/// Puts one VEVENT together.
class event_writer {
public:
    event_writer(const json& event, const event_clock& clock)
        : event_(event), clock_(clock), component_(icalcomponent_new_vevent()) {}
    ~event_writer() { icalcomponent_free(component_); }
    event_writer(const event_writer&) = delete;
    event_writer& operator=(const event_writer&) = delete;

    ics_piece run(const std::string& uid, const json* series, const event_clock& series_clock) {
        add(icalproperty_new_uid(uid.c_str()));
        stamp(ICAL_DTSTAMP_PROPERTY, "lastModifiedDateTime", true);
        stamp(ICAL_CREATED_PROPERTY, "createdDateTime", false);
        stamp(ICAL_LASTMODIFIED_PROPERTY, "lastModifiedDateTime", false);
        times();
        if (series != nullptr) {
            recurrence_id(*series, series_clock);
        } else {
            recurrence();
        }
        words();
        states();
        people();
        online();
        reminder();
        return pieces();
    }

private:
    void add(icalproperty* p) {
        if (p != nullptr) {
            icalcomponent_add_property(component_, p);
        }
    }

    void add_x(const char* name, const std::string& value) {
        auto* p = icalproperty_new(ICAL_X_PROPERTY);
        icalproperty_set_x_name(p, name);
        // libical does not escape these in an X property, though it calls the value a TEXT.
        auto plain = clean(value);
        replace_all(plain, ",", comma_for_now);
        replace_all(plain, ";", semicolon_for_now);
        icalproperty_set_value(p, icalvalue_new_text(plain.c_str()));
        add(p);
    }

    void stamp(icalproperty_kind kind, const char* name, bool always) {
        const auto at = core::parse_timestamp(text(event_, name));
        if (!at && !always) {
            return;
        }
        auto* p = icalproperty_new(kind);
        const auto value = ics_time(at.value_or(0)) + "Z";
        icalproperty_set_value(p, icalvalue_new_datetime(icaltime_from_string(value.c_str())));
        add(p);
    }

    /// libical writes no year behind 3000: while it writes, one that is some calendars of 400 years earlier
    /// stands for it.
    unix_seconds for_now(unix_seconds wall) {
        constexpr unix_seconds year_3000 = 32'503'680'000;
        constexpr unix_seconds calendar = 146'097 * core::seconds_a_day;
        if (wall < year_3000) {
            return wall;
        }
        const auto earlier = wall - ((wall - year_3000) / calendar + 1) * calendar;
        late_.emplace_back(ics_date(earlier), ics_date(wall));
        return earlier;
    }

    /// Puts the right years back, into these properties alone.
    void tell_late_years(std::string& all) const {
        for (const std::string name : {"\r\nDTSTART", "\r\nDTEND", "\r\nRECURRENCE-ID", "\r\nEXDATE"}) {
            for (auto line = all.find(name); line != std::string::npos; line = all.find(name, line + 2)) {
                const auto end = all.find("\r\n", line + 2);
                for (const auto& [earlier, late] : late_) {
                    const auto at = all.find(":" + earlier, line);
                    if (at < end) {
                        all.replace(at + 1, late.size(), late);
                        break;
                    }
                }
            }
        }
    }

    /// A time of the event; `wall` is what its clock shows.
    void time(icalproperty_kind kind, unix_seconds wall, const event_clock& clock) {
        auto* p = icalproperty_new(kind);
        wall = for_now(wall);
        if (clock.all_day) {
            icalproperty_set_value(p, icalvalue_new_date(icaltime_from_string(ics_date(wall).c_str())));
            icalproperty_add_parameter(p, icalparameter_new_value(ICAL_VALUE_DATE));
        } else {
            const auto value = ics_time(wall) + (clock.zone ? "" : "Z");
            icalproperty_set_value(p, icalvalue_new_datetime(icaltime_from_string(value.c_str())));
            if (clock.zone) {
                icalproperty_add_parameter(p, icalparameter_new_tzid(clock.zone->name().c_str()));
            }
        }
        add(p);
    }

    void times() {
        start_ = utc_of_event_time(event_, "start").value_or(0);
        const auto end = utc_of_event_time(event_, "end");
        const auto from = clock_.wall_of(start_);
        time(ICAL_DTSTART_PROPERTY, from, clock_);
        if (end && *end >= start_) {
            const auto to = clock_.wall_of(*end);
            time(ICAL_DTEND_PROPERTY, clock_.all_day ? std::max(to, from + core::seconds_a_day) : to, clock_);
        }
    }

    /// Which occurrence it was. Without `originalStart` its id tells the day, and the series the hour.
    void recurrence_id(const json& series, const event_clock& clock) {
        const auto original = core::parse_timestamp(text(event_, "originalStart"));
        const auto day = original ? std::nullopt : date_of_occurrence(text(event_, "occurrenceId"));
        const auto hour = clock.wall_of(utc_of_event_time(series, "start").value_or(0));
        const auto wall =
            day ? *day + ((hour % core::seconds_a_day) + core::seconds_a_day) % core::seconds_a_day
                : clock.wall_of(original.value_or(start_));
        time(ICAL_RECURRENCEID_PROPERTY, wall, clock);
    }

    void recurrence() {
        const auto rule = rrule_of(event_, clock_, start_);
        if (rule.empty()) {
            return;
        }
        add(icalproperty_new_rrule(icalrecurrencetype_from_string(rule.c_str())));
        const auto first = clock_.wall_of(start_);
        for (const auto date : cancelled_dates(event_)) {
            time(
                ICAL_EXDATE_PROPERTY,
                date + ((first % core::seconds_a_day) + core::seconds_a_day) % core::seconds_a_day, clock_
            );
        }
    }

    void words() {
        add(icalproperty_new_summary(clean(text(event_, "subject")).c_str()));
        if (const auto* body = member(event_, "body")) {
            const auto content = clean(text(*body, "content"));
            const bool html = text(*body, "contentType") == "html";
            const auto plain = html ? clean(text_of_html(content)) : content;
            if (!plain.empty()) {
                add(icalproperty_new_description(plain.c_str()));
            }
            if (html && !content.empty()) {
                add_x("X-ALT-DESC", content);
                auto* p = icalcomponent_get_first_property(component_, ICAL_X_PROPERTY);
                icalproperty_add_parameter(p, icalparameter_new_fmttype("text/html"));
            }
        }
        if (const auto* location = member(event_, "location")) {
            where(*location);
        }
        const auto* categories = member(event_, "categories");
        if (categories != nullptr && categories->is_array()) {
            for (const auto& one : *categories) {
                category(one);
            }
        }
    }

    void where(const json& location) {
        const auto name = clean(text(location, "displayName"));
        if (!name.empty()) {
            add(icalproperty_new_location(name.c_str()));
        }
        const auto* at = member(location, "coordinates");
        const auto* latitude = at == nullptr ? nullptr : member(*at, "latitude");
        const auto* longitude = at == nullptr ? nullptr : member(*at, "longitude");
        if (latitude != nullptr && longitude != nullptr && latitude->is_number() && longitude->is_number()) {
            icalgeotype geo{};
            geo.lat = std::clamp(latitude->get<double>(), -90.0, 90.0);
            geo.lon = std::clamp(longitude->get<double>(), -180.0, 180.0);
            add(icalproperty_new_geo(geo));
        }
    }

    /// Each in a property of its own: a comma in a name would make two of it otherwise.
    void category(const json& one) {
        auto name = one.is_string() ? clean(one.get<std::string>()) : std::string();
        replace_all(name, ",", comma_for_now);
        replace_all(name, ";", semicolon_for_now);
        if (!name.empty()) {
            auto* p = icalproperty_new(ICAL_CATEGORIES_PROPERTY);
            icalproperty_set_value(p, icalvalue_new_text(name.c_str()));
            add(p);
        }
    }

    void states() {
        const auto shown = text(event_, "showAs");
        const bool cancelled = is_true(event_, "isCancelled");
        add(icalproperty_new_status(
            cancelled              ? ICAL_STATUS_CANCELLED
            : shown == "tentative" ? ICAL_STATUS_TENTATIVE
                                   : ICAL_STATUS_CONFIRMED
        ));
        add(icalproperty_new_transp(shown == "free" ? ICAL_TRANSP_TRANSPARENT : ICAL_TRANSP_OPAQUE));
        constexpr std::array<std::pair<std::string_view, std::string_view>, 5> busy{
            {{"free", "FREE"},
             {"tentative", "TENTATIVE"},
             {"busy", "BUSY"},
             {"oof", "OOF"},
             {"workingElsewhere", "WORKINGELSEWHERE"}}
        };
        if (const auto word = translated(busy, shown, ""); !word.empty()) {
            add_x("X-MICROSOFT-CDO-BUSYSTATUS", std::string(word));
        }
        const auto sensitivity = text(event_, "sensitivity");
        add(icalproperty_new_class(
            sensitivity == "confidential"                           ? ICAL_CLASS_CONFIDENTIAL
            : sensitivity == "private" || sensitivity == "personal" ? ICAL_CLASS_PRIVATE
                                                                    : ICAL_CLASS_PUBLIC
        ));
        const auto importance = text(event_, "importance");
        constexpr int highest = 1;
        constexpr int usual = 5;
        constexpr int lowest = 9;
        add(icalproperty_new_priority(importance == "high" ? highest : importance == "low" ? lowest : usual));
    }

    void people() {
        const auto* attendees = member(event_, "attendees");
        if (attendees == nullptr || !attendees->is_array() || attendees->empty()) {
            return;  // nobody was invited: then there is no organiser in RFC 5545's sense
        }
        if (const auto* organizer = member(event_, "organizer")) {
            person(icalproperty_new(ICAL_ORGANIZER_PROPERTY), *organizer);
        }
        for (const auto& one : *attendees) {
            attendee(one);
        }
    }

    /// Adds the property for somebody; nullptr if there is no address and no name.
    icalproperty* person(icalproperty* p, const json& who) {
        const auto* mail = member(who, "emailAddress");
        const auto name = mail == nullptr ? std::string() : parameter_text(text(*mail, "name"));
        const auto address = mail == nullptr ? std::string() : text(*mail, "address");
        if (name.empty() && address.empty()) {
            icalproperty_free(p);
            return nullptr;
        }
        // What has no address still was invited.
        const auto uri = address.empty() ? std::string("invalid:nomail") : mail_uri(address);
        icalproperty_set_value(p, icalvalue_new_caladdress(uri.c_str()));
        if (!name.empty()) {
            icalproperty_add_parameter(p, icalparameter_new_cn(name.c_str()));
        }
        add(p);
        return p;
    }

    void attendee(const json& who) {
        auto* p = person(icalproperty_new(ICAL_ATTENDEE_PROPERTY), who);
        if (p == nullptr) {
            return;
        }
        const auto type = text(who, "type");
        if (type == "resource") {
            icalproperty_add_parameter(p, icalparameter_new_cutype(ICAL_CUTYPE_RESOURCE));
            icalproperty_add_parameter(p, icalparameter_new_role(ICAL_ROLE_NONPARTICIPANT));
        } else {
            const bool optional = type == "optional";
            icalproperty_add_parameter(
                p, icalparameter_new_role(optional ? ICAL_ROLE_OPTPARTICIPANT : ICAL_ROLE_REQPARTICIPANT)
            );
        }
        const auto* status = member(who, "status");
        const auto answer = status == nullptr ? std::string() : text(*status, "response");
        icalproperty_add_parameter(
            p, icalparameter_new_partstat(
                   answer == "accepted" || answer == "organizer" ? ICAL_PARTSTAT_ACCEPTED
                   : answer == "tentativelyAccepted"             ? ICAL_PARTSTAT_TENTATIVE
                   : answer == "declined"                        ? ICAL_PARTSTAT_DECLINED
                                                                 : ICAL_PARTSTAT_NEEDSACTION
               )
        );
    }

    void online() {
        const auto* meeting = member(event_, "onlineMeeting");
        auto url = meeting == nullptr ? std::string() : text(*meeting, "joinUrl");
        url = clean(url.empty() ? text(event_, "onlineMeetingUrl") : url);
        if (!url.empty() && url.find('\n') == std::string::npos) {
            add(icalproperty_new_url(url.c_str()));
            add_x("X-MICROSOFT-SKYPETEAMSMEETINGURL", url);
        }
    }

    void reminder() {
        const auto* minutes = member(event_, "reminderMinutesBeforeStart");
        constexpr int most = 10'000'000;
        const bool good =
            minutes != nullptr && minutes->is_number_integer() && *minutes > -most && *minutes < most;
        if (!is_true(event_, "isReminderOn") || !good) {
            return;
        }
        auto* alarm = icalcomponent_new_valarm();
        icalcomponent_add_property(alarm, icalproperty_new_action(ICAL_ACTION_DISPLAY));
        icalcomponent_add_property(alarm, icalproperty_new_description("Reminder"));
        icaltriggertype trigger{};
        trigger.time = icaltime_null_time();
        trigger.duration = icaldurationtype_from_int(-60 * minutes->get<int>());
        icalcomponent_add_property(alarm, icalproperty_new_trigger(trigger));
        icalcomponent_add_component(component_, alarm);
    }

    /// Cut where attachments go: in front of the alarm, since properties come before components.
    ics_piece pieces() {
        char* raw = icalcomponent_as_ical_string_r(component_);
        std::string all = raw == nullptr ? "" : raw;
        std::free(raw);  // NOLINT: libical's
        replace_all(all, comma_for_now, "\\,");
        replace_all(all, semicolon_for_now, "\\;");
        // libical counts the end of a line as a part of it: lines of a certain length it folds within CRLF,
        // or behind it.
        replace_all(all, "\r\r\n \n", "\r\n");
        replace_all(all, "\r\n \r\n", "\r\n");
        tell_late_years(all);
        auto at = all.find("\r\nBEGIN:VALARM\r\n");
        at = at == std::string::npos ? all.rfind("\r\nEND:VEVENT") : at;
        ics_piece p;
        p.before = all.substr(0, at + 2);
        p.after = all.substr(at + 2);
        return p;
    }

    const json& event_;
    const event_clock& clock_;
    icalcomponent* component_;
    unix_seconds start_ = 0;
    std::vector<std::pair<std::string, std::string>> late_;  ///< dates as they are written and as they are
};

std::string uid_of(const json& event) {
    for (const char* name : {"iCalUId", "uid", "id"}) {
        if (const auto uid = clean(text(event, name)); !uid.empty()) {
            return uid;
        }
    }
    return "unknown";
}

/// The zones that are named, each with the first year that is told in it.
class zone_list {
public:
    void note(const json& event, const event_clock& clock) {
        if (!clock.zone || clock.all_day) {
            return;
        }
        const auto year = year_of(utc_of_event_time(event, "start").value_or(0));
        auto& use = zones_.try_emplace(clock.zone->name(), *clock.zone, year).first->second;
        use.year = std::min(use.year, year);
        use.series = use.series || member(event, "recurrence") != nullptr;
    }

    std::string components() const {
        std::string out;
        for (const auto& [name, use] : zones_) {
            out += use.series ? use.zone.component_of_series(use.year) : use.zone.component(use.year);
        }
        return out;
    }

private:
    struct zone_use {
        zone_use(time_zone z, int y) : zone(std::move(z)), year(y) {}
        time_zone zone;
        int year;
        bool series = false;
    };
    std::map<std::string, zone_use> zones_;
};

/// What has no date with four digits in its zone is told in UTC.
void keep_in_range(const json& event, event_clock& clock) {
    for (const char* name : {"start", "end"}) {
        const auto at = utc_of_event_time(event, name);
        if (at && clock.zone && !has_calendar_year(clock.zone->wall_of(*at))) {
            clock.zone.reset();
        }
    }
}

}  // namespace

ics_object make_ics(const json& event) {
    icalerror_set_errors_are_fatal(0);
    ics_object out;
    zone_list zones;
    auto clock = clock_of(event);
    keep_in_range(event, clock);
    const auto uid = uid_of(event);
    zones.note(event, clock);
    {
        event_writer writer(event, clock);
        out.events.push_back(writer.run(uid, nullptr, clock));
    }
    const auto* exceptions = member(event, "exceptionOccurrences");
    if (exceptions != nullptr && exceptions->is_array()) {
        for (const auto& one : *exceptions) {
            auto own = clock_of(one);
            own.zone = own.zone ? own.zone : clock.zone;
            keep_in_range(one, own);
            zones.note(one, own);
            event_writer writer(one, own);
            out.events.push_back(writer.run(uid, &event, clock));
        }
    }
    out.head =
        "BEGIN:VCALENDAR\r\nPRODID:-//m365stage//m365stage//EN\r\nVERSION:2.0\r\n" + zones.components();
    out.tail = "END:VCALENDAR\r\n";
    return out;
}

}  // namespace m365stage::sources
