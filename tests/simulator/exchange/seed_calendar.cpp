// Calendars with realistic contents, from a seed; and the oddities of the first mailbox.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "../world.hpp"
#include "calendar_api.hpp"
#include "mail_content.hpp"
#include "recurrence.hpp"
#include "time_zone.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

constexpr const char* zone_names[] = {
    "UTC",
    "W. Europe Standard Time",
    "W. Europe Standard Time",
    "Eastern Standard Time",
    "Pacific Standard Time",
    "India Standard Time",
    "Tokyo Standard Time",
    "AUS Eastern Standard Time"
};

constexpr const char* weekday_names[] = {"sunday",   "monday", "tuesday", "wednesday",
                                         "thursday", "friday", "saturday"};
constexpr const char* index_names[] = {"first", "second", "third", "fourth", "last"};

json at_time(std::int64_t wall, const std::string& zone) {
    return {{"dateTime", wall_text(wall)}, {"timeZone", zone}};
}

json attendee(rng& r) {
    static const char* types[] = {"required", "required", "optional", "resource"};
    static const char* answers[] = {"none", "accepted", "tentativelyAccepted", "declined"};
    mail_address p = person(r.next());
    std::uint64_t answer = r.below(4);
    return {
        {"type", types[r.below(4)]},
        {"status",
         {{"response", answers[answer]},
          {"time", answer == 0 ? "0001-01-01T00:00:00Z" : "2026-10-01T09:15:02.1234567Z"}}},
        {"emailAddress", {{"name", p.name}, {"address", p.address}}}
    };
}

/// A pattern of any type, and the first day from `day` on that fits it.
json random_recurrence(rng& r, std::int64_t& day, const std::string& zone) {
    json p = {
        {"interval", 1 + r.below(3)},
        {"month", 0},
        {"dayOfMonth", 0},
        {"daysOfWeek", json::array()},
        {"firstDayOfWeek", r.chance(0.5) ? "sunday" : "monday"},
        {"index", "first"}
    };
    static const char* types[] = {"daily",           "weekly",         "weekly",        "absoluteMonthly",
                                  "relativeMonthly", "absoluteYearly", "relativeYearly"};
    std::string type = types[r.below(std::size(types))];
    p["type"] = type;
    date_parts date = date_of(day);
    if (type == "weekly" || type.starts_with("relative")) {
        p["daysOfWeek"].push_back(weekday_names[weekday_of(day)]);
        if (r.chance(0.5)) {
            p["daysOfWeek"].push_back(weekday_names[(weekday_of(day) + 2) % 7]);
        }
    }
    if (type.starts_with("relative")) {
        p["index"] = index_names[r.below(5)];
    }
    if (type.starts_with("absolute")) {
        p["dayOfMonth"] = r.chance(0.3) ? 31 : date.day;
    }
    if (type.ends_with("Yearly")) {
        p["month"] = date.month;
        p["interval"] = 1;
    }
    json range = {
        {"type", "noEnd"},
        {"startDate", date_text(day)},
        {"endDate", "0001-01-01"},
        {"recurrenceTimeZone", r.chance(0.2) ? "" : zone},
        {"numberOfOccurrences", 0}
    };
    // The series begins with its first occurrence.
    json whole = {{"pattern", p}, {"range", range}};
    auto days = recurrence_days(whole, day + 800, 1);
    day = days.empty() ? day : days.front();
    range["startDate"] = date_text(day);
    std::uint64_t kind = r.below(3);
    if (kind == 1) {
        range["type"] = "endDate";
        range["endDate"] = date_text(day + 30 + static_cast<std::int64_t>(r.below(400)));
    } else if (kind == 2) {
        range["type"] = "numbered";
        range["numberOfOccurrences"] = 2 + r.below(20);
    }
    return {{"pattern", p}, {"range", range}};
}

void add_exceptions(rng& r, calendar_event& e, std::int64_t now) {
    auto days = recurrence_days(
        e.set["recurrence"],
        parse_wall(e.set["start"]["dateTime"].get<std::string>()).value_or(0) / day_seconds + 700, 8
    );
    for (std::size_t i = 1; i < days.size(); ++i) {
        if (r.chance(0.2)) {
            e.cancelled.insert(days[i]);
        } else if (r.chance(0.2)) {
            occurrence_change change;
            change.modified = now;
            change.set = {{"subject", "Moved: " + e.set["subject"].get<std::string>()}};
            if (!e.set.value("isAllDay", false)) {
                std::int64_t wall = days[i] * day_seconds + 3600 * static_cast<std::int64_t>(6 + r.below(12));
                change.set["start"] = at_time(wall, e.zone());
                change.set["end"] = at_time(wall + 2700, e.zone());
            }
            if (r.chance(0.4)) {
                change.attachments.push_back(seeded_attachment(r, change.next_attachment++, now));
            }
            e.exceptions.emplace(days[i], std::move(change));
        }
    }
}

void add_online_meeting(rng& r, json& set) {
    std::string thread = hex64(r.next());
    set["isOnlineMeeting"] = true;
    set["onlineMeetingProvider"] = "teamsForBusiness";
    set["onlineMeeting"] = {
        {"joinUrl", "https://teams.microsoft.com/l/meetup-join/19%3ameeting_" + thread + "%40thread.v2/0"},
        {"conferenceId", std::to_string(r.below(1000000000))},
        {"tollNumber", "+49 30 123456"}
    };
}

/// Events that a real calendar may hold, and that trip clients.
void add_odd_events(calendar_store& s, const mailbox& b, std::uint32_t c, std::int64_t now) {
    rng r(b.seed ^ 0xca1);
    std::int64_t day = now / day_seconds - 20;
    auto put = [&](json set, std::vector<attachment> attachments = {}) -> calendar_event& {
        calendar_event e;
        e.calendar = c;
        e.created = e.modified = now - 30 * day_seconds;
        e.uid = "040000008200E00074C5B7101A82E008" + hex64(r.next()) + hex64(r.next());
        e.set = {
            {"start", at_time(day * day_seconds + 36000, "W. Europe Standard Time")},
            {"end", at_time(day * day_seconds + 39600, "W. Europe Standard Time")}
        };
        e.set.update(set);
        e.attachments = std::move(attachments);
        e.next_attachment = static_cast<std::uint32_t>(e.attachments.size()) + 1;
        return s.events[s.add(std::move(e))];
    };
    auto file = [&](std::uint32_t number, const char* name, std::int64_t size) {
        attachment a;
        a.number = number;
        a.name = name;
        a.content_type = "application/octet-stream";
        a.data.size = size;
        a.data.seed = r.next();
        a.modified = now;
        return a;
    };
    put({{"subject", "without a body"}});
    put({{"subject", nullptr}, {"body", {{"contentType", "html"}, {"content", ""}}}});
    put(
        {{"subject", "../../etc/passwd\x01\x1f"},
         {"body", {{"contentType", "text"}, {"content", "bell \x07 and, commas; semicolons\\ \r\nlines"}}}}
    );
    std::string wide;
    for (int i = 0; i < 200; ++i) {
        wide += "長い";
    }
    put(
        {{"subject", wide},
         {"location",
          {{"displayName", "Zürich; Saal, 3"}, {"coordinates", {{"latitude", 47.37}, {"longitude", 8.54}}}}}}
    );
    attachment logo = file(1, "logo.png", 700);
    logo.content_type = "image/png";
    logo.is_inline = true;
    logo.content_id = "logo@1";
    put({{"subject", "only a picture"},
         {"body", {{"contentType", "html"}, {"content", "<html><body><img src=\"cid:logo@1\"></body></html>"}}
         }},
        {logo});
    attachment broken = file(1, "ole.bin", 100);
    broken.broken = true;
    put({{"subject", "unreadable attachment"}}, {broken, file(2, "fine.txt", 1000)});
    attachment item = file(1, "Forwarded note", 0);
    item.kind = attachment_kind::item;
    item.item = std::make_shared<json>(json{
        {"@odata.type", "#microsoft.graph.message"},
        {"subject", "Forwarded note"},
        {"body", {{"contentType", "text"}, {"content", "hello"}}}
    });
    attachment link = file(2, "Shared.docx", 0);
    link.kind = attachment_kind::reference;
    put({{"subject", "item and reference"}},
        {item, link, file(3, "empty.txt", 0), file(4, "large.bin", 5000000)});
    put(
        {{"subject", "zone of nobody"},
         {"start", at_time(day * day_seconds, "tzone://Microsoft/Custom")},
         {"end", at_time(day * day_seconds + 1800, "tzone://Microsoft/Custom")}}
    );
    calendar_event& cancelled = put(
        {{"subject", "Canceled: review"},
         {"isCancelled", true},
         {"showAs", "free"},
         {"attendees", json::array({attendee(r)})}}
    );
    cancelled.organizer = false;
    cancelled.set["organizer"] = {
        {"emailAddress", {{"name", "Olga Ito"}, {"address", "olga.ito@fabrikam.example"}}}
    };
    put(
        {{"subject", "to nobody"},
         {"attendees",
          json::array(
              {json{
                   {"type", "required"},
                   {"status", {{"response", "none"}, {"time", "0001-01-01T00:00:00Z"}}},
                   {"emailAddress",
                    {{"name", "Old System"},
                     {"address",
                      "/o=ExchangeLabs/ou=Group/cn=Recipients/cn=0123456789abcdef0123456789abcdef-old"}}}
               },
               json{{"type", "resource"}, {"emailAddress", {{"name", "nameless"}}}}}
          )}}
    );
    put({{"subject", "corrupt"}}).wrong = trouble::corrupt;
    put({{"subject", "bad recipients"}}).wrong = trouble::invalid_recipients;
}

calendar named(const mailbox& b, std::string name) {
    calendar c;
    c.name = std::move(name);
    c.owner_name = b.display_name;
    c.owner_address = b.address;
    return c;
}

void fill_calendar(
    calendar_store& s, const mailbox& b, std::uint32_t c, rng& r, std::int64_t events, std::int64_t now
) {
    for (std::int64_t i = 0; i < events; ++i) {
        s.add(seeded_event(r, b, c, now));
    }
}

/// Calendars that nobody but the service writes.
void add_read_only(
    calendar_store& s, const mailbox& b, const char* name, std::int64_t now, std::uint64_t seed
) {
    calendar c = named(b, name);
    c.can_edit = c.removable = false;
    s.calendars.push_back(c);
    auto number = static_cast<std::uint32_t>(s.calendars.size() - 1);
    rng r(seed);
    for (int i = 0; i < 3; ++i) {
        std::int64_t day = now / day_seconds - 300 + static_cast<std::int64_t>(r.below(300));
        date_parts d = date_of(day);
        calendar_event e;
        e.calendar = number;
        e.created = e.modified = now - 200 * day_seconds;
        e.uid = "040000008200E00074C5B7101A82E008" + hex64(r.next()) + hex64(r.next());
        e.set = {
            {"subject", std::string(name) + " " + std::to_string(i)},
            {"isAllDay", true},
            {"showAs", "free"},
            {"start", at_time(day * day_seconds, "UTC")},
            {"end", at_time(day * day_seconds + day_seconds, "UTC")},
            {"recurrence",
             {{"pattern",
               {{"type", "absoluteYearly"},
                {"interval", 1},
                {"month", d.month},
                {"dayOfMonth", d.day},
                {"daysOfWeek", json::array()},
                {"firstDayOfWeek", "sunday"},
                {"index", "first"}}},
              {"range",
               {{"type", "noEnd"},
                {"startDate", date_text(day)},
                {"endDate", "0001-01-01"},
                {"recurrenceTimeZone", "UTC"},
                {"numberOfOccurrences", 0}}}}}
        };
        s.add(std::move(e));
    }
}

}  // namespace

attachment seeded_attachment(rng& r, std::uint32_t number, std::int64_t now) {
    attachment a;
    a.number = number;
    a.name = "notes " + std::to_string(r.below(1000)) + ".txt";
    a.content_type = "text/plain";
    a.data.size = static_cast<std::int64_t>(r.below(20000));
    a.data.seed = r.next();
    a.modified = now;
    return a;
}

calendar_event seeded_event(rng& r, const mailbox& b, std::uint32_t c, std::int64_t now) {
    calendar_event e;
    e.calendar = c;
    e.created = now - static_cast<std::int64_t>(r.below(200)) * day_seconds;
    e.modified = e.created + static_cast<std::int64_t>(r.below(day_seconds));
    e.uid = "040000008200E00074C5B7101A82E008" + hex64(r.next()) + hex64(b.seed);
    std::string zone = zone_names[r.below(std::size(zone_names))];
    std::int64_t day = now / day_seconds - 300 + static_cast<std::int64_t>(r.below(400));
    bool all_day = r.chance(0.15);
    e.set = {{"subject", sentence(r)}, {"isAllDay", all_day}};
    if (r.chance(0.35)) {
        e.set["recurrence"] = random_recurrence(r, day, zone);
    }
    // Not at night, when clocks are changed and readers disagree.
    std::int64_t wall =
        day * day_seconds + (all_day ? 0 : 14400 + 1800 * static_cast<std::int64_t>(r.below(36)));
    std::int64_t length = all_day ? day_seconds * static_cast<std::int64_t>(1 + r.below(3))
                                  : 1800 * static_cast<std::int64_t>(1 + r.below(6));
    e.set["start"] = at_time(wall, zone);
    e.set["end"] = at_time(wall + length, zone);
    if (!r.chance(0.1)) {
        bool text = r.chance(0.3);
        std::string words = prose(r, 300);
        e.set["body"] = {
            {"contentType", text ? "text" : "html"},
            {"content", text ? words : "<html><body><p>" + words + "</p></body></html>"}
        };
    }
    static const char* shown[] = {"busy", "busy", "free", "tentative", "oof", "workingElsewhere"};
    e.set["showAs"] = shown[r.below(6)];
    e.set["sensitivity"] = r.chance(0.1) ? "private" : "normal";
    e.set["importance"] = r.chance(0.1) ? "high" : "normal";
    e.set["isReminderOn"] = r.chance(0.7);
    e.set["reminderMinutesBeforeStart"] = 15 * r.below(5);
    if (r.chance(0.3)) {
        e.set["categories"] = {"Blue category", "Prio, 1"};
    }
    if (r.chance(0.4)) {
        std::string room = "Room " + std::to_string(r.below(20));
        e.set["location"] = {
            {"displayName", room},
            {"locationType", "conferenceRoom"},
            {"uniqueId", room},
            {"uniqueIdType", "private"}
        };
        e.set["locations"] = json::array({e.set["location"]});
    }
    if (r.chance(0.4)) {
        e.set["attendees"] = json::array();
        for (std::uint64_t n = 1 + r.below(4); n > 0; --n) {
            e.set["attendees"].push_back(attendee(r));
        }
        if (r.chance(0.4)) {
            mail_address other = person(r.next());
            e.organizer = false;
            e.set["organizer"] = {{"emailAddress", {{"name", other.name}, {"address", other.address}}}};
        }
        if (r.chance(0.5)) {
            add_online_meeting(r, e.set);
        }
    }
    if (r.chance(0.25)) {
        for (std::uint64_t n = 1 + r.below(2); n > 0; --n) {
            e.attachments.push_back(seeded_attachment(r, e.next_attachment++, now));
        }
    }
    if (e.is_series()) {
        add_exceptions(r, e, now);
    }
    return e;
}

calendar_store& calendars_of(world& w, mailbox& b) {
    if (b.calendars) {
        return *b.calendars;
    }
    b.calendars = std::make_shared<calendar_store>();
    calendar_store& s = *b.calendars;
    rng r(b.seed ^ 0xca1e4da);
    s.groups.push_back({"My Calendars"});
    calendar first = named(b, b.locale == "de-DE" ? "Kalender" : "Calendar");
    first.is_default = true;
    first.removable = false;
    s.calendars.push_back(first);
    // The mailbox's age, not the moment of the first question, decides when its events are.
    std::int64_t now = w.now() / day_seconds * day_seconds;
    std::int64_t events = w.options.events_per_calendar;
    fill_calendar(s, b, 0, r, events, now);
    if (b.owner_kind == "group") {
        return s;
    }
    add_read_only(s, b, "Birthdays", now, b.seed + 1);
    add_read_only(
        s, b, b.locale == "de-DE" ? "Feiertage in Deutschland" : "United States holidays", now, b.seed + 2
    );
    s.calendars.push_back(named(b, "Projects"));
    fill_calendar(s, b, 3, r, events / 2, now);
    if (w.options.specials && b.number == 0) {
        // Q91: two of one name; names that file systems refuse; a calendar that somebody else shares.
        s.groups.push_back({"Other Calendars"});
        s.calendars.push_back(named(b, "Projects"));
        fill_calendar(s, b, 4, r, 3, now);
        s.calendars.push_back(named(b, "a/b: \"odd\" .."));
        add_odd_events(s, b, 5, now);
        calendar shared = named(b, "Olga Ito");
        shared.owner_name = "Olga Ito";
        shared.owner_address = "olga.ito@" + w.directory.domain;
        shared.group = 1;
        s.calendars.push_back(shared);
        fill_calendar(s, b, 6, r, 2, now);
        s.calendars.push_back(named(b, "Empty"));
    }
    return s;
}

}  // namespace m365stage::sim
