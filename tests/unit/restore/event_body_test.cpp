#include "restore/event_body.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace m365stage::restore;
using nlohmann::json;

namespace {

json staged() {
    return json::parse(
        R"({"changeKey":"CQ","iCalUId":"0400","subject":"Plan","type":"seriesMaster","isAllDay":false,
      "start":{"dateTime":"2026-10-07T07:00:00.0000000","timeZone":"UTC"},
      "end":{"dateTime":"2026-10-07T08:00:00.0000000","timeZone":"UTC"},
      "originalStartTimeZone":"W. Europe Standard Time","originalEndTimeZone":"W. Europe Standard Time",
      "body":{"contentType":"html","content":"<html><body>words</body></html>"},"showAs":"busy",
      "organizer":{"emailAddress":{"name":"Ann","address":"ann@a"}},"isOrganizer":true,
      "onlineMeeting":{"joinUrl":"https://teams/x"},"isOnlineMeeting":true,
      "attendees":[{"type":"required","status":{"response":"accepted"},
                    "emailAddress":{"name":"Bela <b>","address":"b@a"}}],
      "recurrence":{"pattern":{"type":"daily","interval":1},
                    "range":{"type":"noEnd","startDate":"2026-10-07","recurrenceTimeZone":""}}})"
    );
}

}  // namespace

TEST_SUITE("restore") {
    TEST_CASE("events: nobody is invited; who was is told in the text") {
        const auto body = new_event(staged(), "t");
        CHECK_FALSE(body.contains("attendees"));
        CHECK_FALSE(body.contains("organizer"));
        CHECK_FALSE(body.contains("isOnlineMeeting"));
        const auto text = body["body"]["content"].get<std::string>();
        CHECK(
            text ==
            "<html><body>words<p>Organizer: Ann &lt;ann@a&gt;<br>Attendee: Bela &lt;b&gt; &lt;b@a&gt; "
            "(required, "
            "accepted)<br>Online meeting: https://teams/x<br></p></body></html>"
        );
    }

    TEST_CASE("events: times go back in the zone that they were made in") {
        const auto body = new_event(staged(), "t");
        CHECK(body["start"]["dateTime"] == "2026-10-07T09:00:00");
        CHECK(body["start"]["timeZone"] == "W. Europe Standard Time");
        auto unknown = staged();
        unknown["originalStartTimeZone"] = "tzone://Microsoft/Custom";
        CHECK(new_event(unknown, "t")["start"]["dateTime"] == "2026-10-07T07:00:00");
        CHECK(new_event(unknown, "t")["start"]["timeZone"] == "UTC");
        auto whole = staged();
        whole["isAllDay"] = true;
        whole["start"]["dateTime"] = "2026-10-07T00:00:00.0000000";
        CHECK(new_event(whole, "t")["start"]["dateTime"] == "2026-10-07T00:00:00");
    }

    TEST_CASE("events: an empty zone of a recurrence is left out (contract Q85)") {
        CHECK(new_event(staged(), "t")["recurrence"]["range"]["recurrenceTimeZone"].is_null());
    }

    TEST_CASE("events: one without people and words stays without words (contract Q92)") {
        auto plain = staged();
        plain.erase("attendees");
        plain.erase("onlineMeeting");
        plain.erase("body");
        CHECK_FALSE(new_event(plain, "t").contains("body"));
    }

    TEST_CASE("events: an exception's times and what differs from the series") {
        auto exception = staged();
        exception.erase("recurrence");
        exception["type"] = "exception";
        exception["subject"] = "moved";
        const auto changes = exception_changes(exception, staged());
        CHECK(changes["subject"] == "moved");
        CHECK(changes.contains("start"));
        CHECK_FALSE(changes.contains("showAs"));
        CHECK_FALSE(changes.contains("body"));
        CHECK_FALSE(changes.contains("transactionId"));
        CHECK_FALSE(changes.contains("attendees"));
    }

    TEST_CASE("events: the transaction is another one for another event, calendar and round alone") {
        const auto id = transaction_id("c", "e", 0);
        CHECK(id == transaction_id("c", "e", 0));
        CHECK(id.size() == 36);
        CHECK(id != transaction_id("c", "e", 1));
        CHECK(id != transaction_id("d", "e", 0));
        CHECK(id != transaction_id("c", "f", 0));
    }

    TEST_CASE("events: the fingerprint sees subject, times and kind, in whatever zone they are told") {
        auto other = staged();
        other["start"] = {{"dateTime", "2026-10-07T09:00:00"}, {"timeZone", "W. Europe Standard Time"}};
        CHECK(event_fingerprint(other) == event_fingerprint(staged()));
        other["subject"] = "another";
        CHECK(event_fingerprint(other) != event_fingerprint(staged()));
    }

    TEST_CASE("events: attachments as the sidecar tells, and those that are not in the tree") {
        auto event = staged();
        event["attachments"] = json::parse(
            R"([{"name":"a","contentType":"text/plain","staged":{"offset":5,"length":8,"size":6,"sha256":"x"}},
                {"name":"b","unreadable":"it is a link"},{"name":"c"},7])"
        );
        const auto all = attachments_of(event);
        REQUIRE(all.size() == 4);
        CHECK(all[0].offset == 5);
        CHECK(all[0].unreadable.empty());
        CHECK(all[1].unreadable == "it is a link");
        CHECK_FALSE(all[2].unreadable.empty());
        CHECK_FALSE(all[3].unreadable.empty());
    }

    TEST_CASE("events: what only Exchange moves makes no other version of one") {
        auto there = staged();
        there["changeKey"] = "another";
        there["lastModifiedDateTime"] = "2026-10-09T08:00:00Z";
        there["isReminderOn"] = false;
        there["reminderMinutesBeforeStart"] = 30;
        there["attendees"][0]["status"]["response"] = "declined";
        there["start"]["dateTime"] = "2026-10-07T07:00:00";
        CHECK(looks_the_same(staged(), there));
    }

    TEST_CASE("events: another version is what somebody sees, in whatever part of it") {
        const auto exception =
            R"({"type":"exception","originalStart":"2026-10-09T07:00:00Z","subject":"moved",
                                   "start":{"dateTime":"2026-10-09T09:00:00","timeZone":"UTC"},
                                   "end":{"dateTime":"2026-10-09T10:00:00","timeZone":"UTC"}})"_json;
        auto before = staged();
        before["exceptionOccurrences"] = json::array({exception});
        before["cancelledOccurrences"] = {"OID.1.2026-10-08", "OID.1.2026-10-10"};
        auto there = before;
        there["cancelledOccurrences"] = {"OID.1.2026-10-10", "OID.1.2026-10-08"};
        REQUIRE(looks_the_same(before, there));
        SUBCASE("its text") {
            there["body"]["content"] = "other words";
        }
        SUBCASE("its place") {
            there["location"] = {{"displayName", "Room 1"}};
        }
        SUBCASE("its people") {
            there["attendees"][0]["emailAddress"]["address"] = "c@a";
        }
        SUBCASE("its rule") {
            there["recurrence"]["pattern"]["interval"] = 2;
        }
        SUBCASE("its zone") {
            there["originalStartTimeZone"] = "UTC";
        }
        SUBCASE("it is cancelled") {
            there["isCancelled"] = true;
        }
        SUBCASE("a cancelled occurrence more") {
            there["cancelledOccurrences"].push_back("OID.1.2026-10-12");
        }
        SUBCASE("a changed occurrence less") {
            there["exceptionOccurrences"].clear();
        }
        SUBCASE("a changed occurrence") {
            there["exceptionOccurrences"][0]["subject"] = "again";
        }
        CHECK_FALSE(looks_the_same(before, there));
    }

    TEST_CASE("events: attachments are the same by name and size; what could not be listed is not compared") {
        auto event = staged();
        const auto listed = R"([{"id":"1","name":"a","size":7},{"id":"2","name":"a","size":8}])"_json;
        CHECK_FALSE(may_have_attachments(event));
        CHECK_FALSE(same_attachments(event, listed));
        event["attachments"] = R"([{"name":"a","size":8,"staged":{}},{"name":"a","size":7}])"_json;
        CHECK(may_have_attachments(event));
        CHECK(same_attachments(event, listed));
        event["attachments"][0]["size"] = 9;
        CHECK_FALSE(same_attachments(event, listed));
        event["attachments"] = {{"unreadable", "HTTP 500"}};
        CHECK(same_attachments(event, listed));
        event["attachments"] = json::array();
        event["body"]["content"] = "<img src=\"cid:1\">";
        CHECK(may_have_attachments(event));
    }

    TEST_CASE("events: a meeting is what anybody was invited to, if only to one occurrence") {
        auto event = staged();
        CHECK(is_meeting(event));
        event["attendees"] = json::array();
        CHECK_FALSE(is_meeting(event));
        event["exceptionOccurrences"] = json::array({staged()});
        CHECK(is_meeting(event));
    }
}
