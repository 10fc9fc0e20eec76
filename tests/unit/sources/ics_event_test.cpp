#include "sources/ics_event.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace m365stage::sources;
using nlohmann::json;

namespace {

json meeting() {
    return json::parse(R"({"id":"AAk-1","iCalUId":"040000008200","changeKey":"CQ","type":"seriesMaster",
      "subject":"Weekly, with comma","isAllDay":false,"originalStartTimeZone":"W. Europe Standard Time",
      "createdDateTime":"2026-09-01T08:00:00Z","lastModifiedDateTime":"2026-09-02T08:00:00Z",
      "start":{"dateTime":"2026-10-07T07:00:00.0000000","timeZone":"UTC"},
      "end":{"dateTime":"2026-10-07T08:00:00.0000000","timeZone":"UTC"},
      "body":{"contentType":"html","content":"<html><body><p>Bring &amp; share</p><p>x</p></body></html>"},
      "isReminderOn":true,"reminderMinutesBeforeStart":15,"showAs":"tentative","sensitivity":"private",
      "importance":"high","categories":["Red, dark"],
      "organizer":{"emailAddress":{"name":"Ann","address":"ann@contoso.example"}},
      "attendees":[{"type":"optional","status":{"response":"accepted"},
                    "emailAddress":{"name":"Bela \"B\"; Co","address":"bela@contoso.example"}},
                   {"type":"required","emailAddress":{"name":"Old","address":"/o=Exchange Labs/cn=x"}}],
      "recurrence":{"pattern":{"type":"weekly","interval":1,"daysOfWeek":["wednesday"],"firstDayOfWeek":"sunday"},
                    "range":{"type":"noEnd","startDate":"2026-10-07","recurrenceTimeZone":"W. Europe Standard Time"}},
      "cancelledOccurrences":["OID.AAk-1.2026-11-04"],
      "exceptionOccurrences":[{"id":"AAk-2","type":"exception","subject":"moved","isAllDay":false,
        "originalStart":"2026-10-28T08:00:00Z","originalStartTimeZone":"Eastern Standard Time",
        "start":{"dateTime":"2026-10-28T14:00:00.0000000","timeZone":"UTC"},
        "end":{"dateTime":"2026-10-28T15:00:00.0000000","timeZone":"UTC"}}]})");
}

std::string whole(const ics_object& o) {
    std::string out = o.head;
    for (const auto& e : o.events) {
        out += e.before + e.after;
    }
    return out + o.tail;
}

/// Without the breaks of folded lines.
std::string unfolded(std::string text) {
    for (auto at = text.find("\r\n "); at != std::string::npos; at = text.find("\r\n ")) {
        text.erase(at, 3);
    }
    return text;
}

bool has(const std::string& text, const std::string& line) {
    return text.find("\r\n" + line + "\r\n") != std::string::npos;
}

}  // namespace

TEST_SUITE("sources") {
    TEST_CASE("ics: a series with an exception and a cancelled occurrence") {
        const auto made = make_ics(meeting());
        REQUIRE(made.events.size() == 2);
        const auto text = unfolded(whole(made));
        CHECK(text.starts_with("BEGIN:VCALENDAR\r\n"));
        CHECK(has(text, "TZID:Europe/Berlin"));
        CHECK(has(text, "TZID:America/New_York"));
        CHECK(has(text, "DTSTART;TZID=Europe/Berlin:20261007T090000"));
        CHECK(has(text, "DTEND;TZID=Europe/Berlin:20261007T100000"));
        CHECK(has(text, "EXDATE;TZID=Europe/Berlin:20261104T090000"));
        CHECK(has(text, "RECURRENCE-ID;TZID=Europe/Berlin:20261028T090000"));
        CHECK(has(text, "DTSTART;TZID=America/New_York:20261028T100000"));
        CHECK(has(text, "SUMMARY:Weekly\\, with comma"));
        CHECK(has(text, "DESCRIPTION:Bring & share\\nx"));
        CHECK(has(text, "CATEGORIES:Red\\, dark"));
        CHECK(has(text, "STATUS:TENTATIVE"));
        CHECK(has(text, "CLASS:PRIVATE"));
        CHECK(has(text, "PRIORITY:1"));
        CHECK(has(text, "DTSTAMP:20260902T080000Z"));
        CHECK(has(text, "TRIGGER:-PT15M"));
        CHECK(text.find("X-ALT-DESC;VALUE=TEXT;FMTTYPE=text/html:<html>") != std::string::npos);
        CHECK(text.find("mailto:/o=Exchange%20Labs/cn=x") != std::string::npos);
        CHECK(text.find("PARTSTAT=ACCEPTED") != std::string::npos);
        CHECK(text.find("CN=\"Bela 'B'; Co\"") != std::string::npos);
    }

    TEST_CASE("ics: an exception without its original start is known by the day in its id") {
        auto event = meeting();
        auto one = event["exceptionOccurrences"][0];
        one.erase("originalStart");
        one["occurrenceId"] = "OID.AAk-1.2026-10-28";
        auto other = one;
        other["occurrenceId"] = "OID.AAk-1.2026-11-11";
        event["exceptionOccurrences"] = {one, other};
        const auto text = unfolded(whole(make_ics(event)));
        CHECK(has(text, "RECURRENCE-ID;TZID=Europe/Berlin:20261028T090000"));
        CHECK(has(text, "RECURRENCE-ID;TZID=Europe/Berlin:20261111T090000"));
    }

    TEST_CASE("ics: the end of time is told in UTC where the zone has a later year") {
        auto event = meeting();
        event.erase("recurrence");
        event.erase("exceptionOccurrences");
        event["start"]["dateTime"] = "9999-12-31T22:30:00.0000000";
        event["end"]["dateTime"] = "9999-12-31T23:30:00.0000000";
        const auto text = unfolded(whole(make_ics(event)));
        CHECK(has(text, "DTSTART:99991231T223000Z"));
        CHECK(has(text, "DTEND:99991231T233000Z"));
    }

    TEST_CASE("ics: commas and semicolons of X properties are escaped, since they are texts") {
        auto event = meeting();
        event["body"]["content"] = "<p style=\"a:b;c\">one, two; three\\</p>";
        const auto text = unfolded(whole(make_ics(event)));
        CHECK(has(
            text, "X-ALT-DESC;VALUE=TEXT;FMTTYPE=text/html:<p style=\"a:b\\;c\">one\\, two\\; three\\\\</p>"
        ));
    }

    TEST_CASE("ics: attachments go in front of the alarm, and no line is too long") {
        const auto made = make_ics(meeting());
        CHECK(made.events[0].before.ends_with("\r\n"));
        CHECK(made.events[0].after.starts_with("BEGIN:VALARM\r\n"));
        CHECK(made.events[1].after.starts_with("END:VEVENT\r\n"));
        std::size_t from = 0;
        const auto text = whole(made);
        for (auto at = text.find("\r\n"); at != std::string::npos; at = text.find("\r\n", from)) {
            CHECK(at - from <= 75);
            from = at + 2;
        }
    }

    TEST_CASE("ics: texts of every length end where their line ends") {
        for (const std::string character : {"x", ",", "\xC3\xBC", "\xEF\xBF\xBD", "\xF0\x9F\x9F\xA2"}) {
            std::string name;
            for (int length = 0; length < 200; ++length) {
                name += character;
                auto event = meeting();
                event["location"] = {{"displayName", name}};
                const auto text = whole(make_ics(event));
                CAPTURE(text);
                for (std::size_t from = 0; from < text.size();) {
                    const auto end = text.find("\r\n", from);
                    REQUIRE(end != std::string::npos);
                    const auto line = text.substr(from, end - from);
                    REQUIRE((line.size() <= 75 && line != " "));
                    REQUIRE(line.find_first_of("\r\n") == std::string::npos);
                    from = end + 2;
                }
            }
        }
    }

    TEST_CASE("ics: all-day events are dates") {
        auto e = meeting();
        e["isAllDay"] = true;
        e["start"]["dateTime"] = "2026-10-07T00:00:00.0000000";
        e["end"]["dateTime"] = "2026-10-08T00:00:00.0000000";
        e["exceptionOccurrences"] = nullptr;
        const auto text = unfolded(whole(make_ics(e)));
        CHECK(has(text, "DTSTART;VALUE=DATE:20261007"));
        CHECK(has(text, "DTEND;VALUE=DATE:20261008"));
        CHECK(has(text, "EXDATE;VALUE=DATE:20261104"));
        CHECK(text.find("VTIMEZONE") == std::string::npos);
    }

    TEST_CASE("ics: the same event is the same text, and anything at all can be an event") {
        CHECK(whole(make_ics(meeting())) == whole(make_ics(meeting())));
        for (const char* odd :
             {"null", "[]", "{}", "7", R"({"start":7,"end":[],"attendees":[1,{}],"organizer":[],"body":"x"})",
              R"({"subject":null,"recurrence":{"pattern":[],"range":7},"exceptionOccurrences":[7,null]})",
              R"({"start":{"dateTime":"9999-12-31T23:59:59"},"originalStartTimeZone":"Tokyo Standard Time"})",
              R"({"reminderMinutesBeforeStart":99999999999,"isReminderOn":true})"}) {
            const auto text = whole(make_ics(json::parse(odd)));
            CHECK(text.find("BEGIN:VEVENT\r\n") != std::string::npos);
            CHECK(text.ends_with("END:VEVENT\r\nEND:VCALENDAR\r\n"));
        }
    }

    TEST_CASE("ics: the text of HTML") {
        CHECK(text_of_html("<p>a&nbsp;b</p><p>c<br>d</p>") == "a b\nc\nd");
        CHECK(
            text_of_html("<style>p{}</style><!-- x -->  y &#228;&#xE9; &lt;z&gt; &unknown; &") ==
            "y \xC3\xA4\xC3\xA9 <z> &unknown; &"
        );
        CHECK(text_of_html("<unclosed").empty());
        CHECK(text_of_html("<script>never ends").empty());
    }
}
