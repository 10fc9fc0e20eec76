#include "sources/calendar_item.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "sources/event_times.hpp"
#include "sources/fields.hpp"
#include "sources/source.hpp"

using namespace m365stage;
using namespace m365stage::sources;
using nlohmann::json;

namespace {

json listed() {
    return json::parse(R"({"id":"AAkA-1","changeKey":"CQ1","type":"singleInstance","subject":"Budget/2027",
        "lastModifiedDateTime":"2026-10-02T10:00:00Z",
        "start":{"dateTime":"2026-10-07T07:00:00.0000000","timeZone":"UTC"}})");
}

json pattern(const char* text) {
    return {
        {"originalStartTimeZone", "W. Europe Standard Time"},
        {"recurrence", {{"pattern", json::parse(text)}, {"range", {{"type", "noEnd"}}}}}
    };
}

std::string rule(const json& event) {
    return rrule_of(event, clock_of(event), *core::parse_timestamp("2026-10-07T07:00:00Z"));
}

}  // namespace

TEST_SUITE("sources") {
    TEST_CASE("calendar: an event's file is called by its begin, subject and id") {
        const auto c = parse_event(listed(), "work");
        REQUIRE(c);
        CHECK(c->parent_remote_id == "work");
        CHECK(c->name.starts_with("20261007-070000_Budget_2027_"));
        CHECK(c->name.ends_with(".ics"));
        CHECK(c->content);
        CHECK(c->meta_with_content);
        CHECK(c->mtime == *core::parse_timestamp("2026-10-02T10:00:00Z"));
    }

    TEST_CASE("calendar: the change key decides, on the page as in the sidecar") {
        const auto before = parse_event(listed(), "work");
        auto changed = listed();
        changed["changeKey"] = "CQ2";
        CHECK(parse_event(changed, "work")->hash != before->hash);
        const auto kept = event_metadata(changed);
        const auto source = make_calendar_source(enabled_kinds());
        CHECK(source->hash_of(kept) == parse_event(changed, "work")->hash);
        CHECK(source->mark_of(kept) == parse_event(changed, "work")->mark);
    }

    TEST_CASE("calendar: the mark of a calendar in its sidecar is that of the page") {
        const auto c = parse_calendar(json::parse(
            R"({"id":"c","name":"Work","color":"auto","canEdit":true,"changeKey":"x","owner":{"address":"a@b"}})"
        ));
        REQUIRE(c);
        CHECK(c->parent_remote_id == calendars_root);
        CHECK(make_calendar_source(enabled_kinds())->mark_of(json::parse(c->meta)) == c->mark);
        CHECK(c->meta.find("changeKey") == std::string::npos);
    }

    TEST_CASE("calendar: occurrences belong to their series") {
        auto e = listed();
        for (const char* type : {"occurrence", "exception"}) {
            e["type"] = type;
            CHECK_FALSE(parse_event(e, "work"));
        }
    }

    TEST_CASE("calendar: the sidecar has everything but links and annotations") {
        auto e = listed();
        e["webLink"] = "https://outlook/x";
        e["@odata.etag"] = "W/1";
        e["calendar@odata.navigationLink"] = "https://graph/x";
        e["exceptionOccurrences"] =
            json::array({{{"webLink", "x"}, {"subject", "moved"}, {"@odata.etag", "y"}}});
        e["attachments"] = json::array({{{"@odata.type", "#microsoft.graph.fileAttachment"}}});
        const auto kept = event_metadata(e);
        CHECK(kept["exceptionOccurrences"] == json::array({{{"subject", "moved"}}}));
        CHECK(kept["attachments"][0].contains("@odata.type"));
        CHECK_FALSE(kept.contains("webLink"));
        CHECK_FALSE(kept.contains("@odata.etag"));
        CHECK_FALSE(kept.contains("calendar@odata.navigationLink"));
    }

    TEST_CASE("calendar: recurrence patterns as rules") {
        CHECK(rule(pattern(R"({"type":"daily","interval":3})")) == "FREQ=DAILY;INTERVAL=3");
        CHECK(
            rule(pattern(
                R"({"type":"weekly","interval":2,"daysOfWeek":["monday","thursday"],"firstDayOfWeek":"monday"})"
            )) == "FREQ=WEEKLY;BYDAY=MO,TH;WKST=MO;INTERVAL=2"
        );
        CHECK(
            rule(pattern(R"({"type":"absoluteMonthly","interval":1,"dayOfMonth":15})")) ==
            "FREQ=MONTHLY;BYMONTHDAY=15;INTERVAL=1"
        );
        // Outlook puts the 31st on the last day of shorter months.
        CHECK(
            rule(pattern(R"({"type":"absoluteMonthly","interval":1,"dayOfMonth":31})")) ==
            "FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1;INTERVAL=1"
        );
        CHECK(
            rule(pattern(R"({"type":"relativeMonthly","interval":1,"index":"last","daysOfWeek":["friday"]})")
            ) == "FREQ=MONTHLY;BYDAY=-1FR;INTERVAL=1"
        );
        CHECK(
            rule(pattern(
                R"({"type":"relativeYearly","interval":1,"month":3,"index":"second","daysOfWeek":["saturday","sunday"]})"
            )) == "FREQ=YEARLY;BYMONTH=3;BYDAY=SA,SU;BYSETPOS=2;INTERVAL=1"
        );
        CHECK(
            rule(pattern(R"({"type":"absoluteYearly","interval":1,"month":2,"dayOfMonth":29})")) ==
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=28,29;BYSETPOS=-1;INTERVAL=1"
        );
        for (const char* odd :
             {"{}", R"({"type":"hourly"})", R"({"type":"relativeMonthly","daysOfWeek":[]})",
              R"({"type":"absoluteYearly","dayOfMonth":3})", "[]", "7"}) {
            CHECK(rule(pattern(odd)).empty());
        }
    }

    TEST_CASE("calendar: the last day of a series is in, told in UTC beside a zone") {
        auto e = pattern(R"({"type":"daily","interval":1})");
        e["recurrence"]["range"] = {{"type", "endDate"}, {"endDate", "2026-11-30"}};
        CHECK(rule(e) == "FREQ=DAILY;INTERVAL=1;UNTIL=20261130T080000Z");  // 09:00 in Berlin, in winter
        e["isAllDay"] = true;
        CHECK(rule(e) == "FREQ=DAILY;INTERVAL=1;UNTIL=20261130");
        e["recurrence"]["range"] = {{"type", "numbered"}, {"numberOfOccurrences", 7}};
        CHECK(rule(e) == "FREQ=DAILY;INTERVAL=1;COUNT=7");
    }

    TEST_CASE("calendar: a series in a zone that nobody knows keeps its days of the week") {
        auto e = pattern(R"({"type":"weekly","interval":1,"daysOfWeek":["thursday"]})");
        e["originalStartTimeZone"] = "tzone://Microsoft/Custom";
        e["start"] = {{"dateTime", "2026-10-07T22:30:00"}, {"timeZone", "UTC"}};
        e["recurrence"]["range"]["startDate"] = "2026-10-08";
        const auto start = *core::parse_timestamp("2026-10-07T22:30:00Z");
        REQUIRE(clock_of(e).zone);
        CHECK(clock_of(e).zone->name() == "Etc/GMT-2");
        CHECK(ics_time(clock_of(e).wall_of(start)) == "20261008T003000");
        e["start"]["dateTime"] = "2026-10-07T03:30:00";
        e["recurrence"]["range"]["startDate"] = "2026-10-06";
        REQUIRE(clock_of(e).zone);
        CHECK(clock_of(e).zone->name() == "Etc/GMT+4");
        e["recurrence"]["range"]["startDate"] = "2026-10-07";
        CHECK_FALSE(clock_of(e).zone);
    }

    TEST_CASE("calendar: cancelled occurrences end in their date") {
        const json e = {{"cancelledOccurrences", {"OID.AAk.A=.2026-10-07", "nonsense", 7, "OID.x.2026-13-01"}}
        };
        REQUIRE(cancelled_dates(e).size() == 1);
        CHECK(ics_date(cancelled_dates(e)[0]) == "20261007");
    }

    TEST_CASE("time zone: Windows' names, IANA's names, and what nobody knows") {
        const auto berlin = time_zone::find("W. Europe Standard Time");
        REQUIRE(berlin);
        CHECK(berlin->name() == "Europe/Berlin");
        const auto summer = *core::parse_timestamp("2026-07-01T10:00:00Z");
        CHECK(berlin->wall_of(summer) == summer + 7200);
        CHECK(berlin->utc_of(summer + 7200) == summer);
        const auto winter = *core::parse_timestamp("2026-12-01T10:00:00Z");
        CHECK(berlin->wall_of(winter) == winter + 3600);
        CHECK(time_zone::find("America/New_York")->name() == "America/New_York");
        CHECK(time_zone::find("UTC-11")->wall_of(summer) == summer - 11 * 3600);
        for (const char* unknown : {"", "UTC", "tzone://Microsoft/Custom", "Customized Time Zone", "a/b"}) {
            CHECK_FALSE(time_zone::find(unknown));
        }
    }

    TEST_CASE("time zone: an hour that comes twice is its first one, one that is left out the next") {
        const auto berlin = *time_zone::find("Europe/Berlin");
        const auto twice = *core::parse_timestamp("2026-10-25T02:30:00Z");
        CHECK(berlin.utc_of(twice) == twice - 7200);
        const auto skipped = *core::parse_timestamp("2026-03-29T02:30:00Z");
        CHECK(berlin.wall_of(berlin.utc_of(skipped)) == skipped + 3600);
    }

    TEST_CASE("time zone: a series is told each change since it began, and the rules behind them") {
        const auto count = [](const std::string& text, const std::string& part) {
            int n = 0;
            for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
                ++n;
            }
            return n;
        };
        // The rules of these years have been the same.
        const auto berlin = *time_zone::find("Europe/Berlin");
        CHECK(berlin.component_of_series(2024) == berlin.component(2024));
        // The United States have other rules since 2007.
        const auto new_york = time_zone::find("America/New_York")->component_of_series(2004);
        CHECK(new_york.find("DTSTART:20040404T020000") != std::string::npos);
        CHECK(new_york.find("DTSTART:20061029T020000") != std::string::npos);
        CHECK(
            new_york.find("DTSTART:20070311T020000\r\nTZOFFSETFROM:-0500\r\nTZOFFSETTO:-0400\r\nRRULE:") !=
            std::string::npos
        );
        CHECK(count(new_york, "RRULE") == 2);
        // Moscow stopped changing its clocks in 2011 and moved them once more in 2014.
        const auto moscow = time_zone::find("Europe/Moscow")->component_of_series(2009);
        CHECK(
            moscow.find("DTSTART:20141026T020000\r\nTZOFFSETFROM:+0400\r\nTZOFFSETTO:+0300") !=
            std::string::npos
        );
        CHECK(count(moscow, "RRULE") == 0);
        // Ramadan moves.
        const auto morocco = time_zone::find("Africa/Casablanca")->component_of_series(2012);
        CHECK(morocco.find("DTSTART:2012") != std::string::npos);
        CHECK(morocco.find("DTSTART:2036") != std::string::npos);
    }

    TEST_CASE("time zone: years have four digits") {
        CHECK(ics_time(253'402'300'800) == "99991231T235959");
        CHECK(ics_date(253'402'300'800) == "99991231");
    }

    TEST_CASE("time zone: a VTIMEZONE is short and has yearly rules") {
        const auto text = time_zone::find("Europe/Berlin")->component(2026);
        CHECK(text.find("DTSTART:20250330T020000\r\n") != std::string::npos);
        CHECK(text.find("RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\n") != std::string::npos);
        CHECK(text.find("RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\n") != std::string::npos);
        CHECK(text.size() < 400);
        const auto new_york = time_zone::find("Eastern Standard Time")->component(2026);
        CHECK(new_york.find("BYMONTH=3;BYDAY=2SU") != std::string::npos);
        CHECK(new_york.find("BYMONTH=11;BYDAY=1SU") != std::string::npos);
        const auto india = time_zone::find("India Standard Time")->component(2026);
        CHECK(india.find("TZOFFSETTO:+0530") != std::string::npos);
        CHECK(india.find("DAYLIGHT") == std::string::npos);
    }
}
