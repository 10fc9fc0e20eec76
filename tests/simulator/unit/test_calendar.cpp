#include "exchange/calendar_api.hpp"
#include "exchange/recurrence.hpp"
#include "exchange/time_zone.hpp"
#include "fixture.hpp"

using namespace m365stage::sim;
using nlohmann::json;

namespace {

std::vector<std::string> days(const json& pattern, const json& range, const char* last = "2028-01-01") {
    std::vector<std::string> out;
    for (auto d : recurrence_days({{"pattern", pattern}, {"range", range}}, *parse_date(last))) {
        out.push_back(date_text(d));
    }
    return out;
}

json numbered(const char* start, int n) {
    return {{"type", "numbered"}, {"startDate", start}, {"numberOfOccurrences", n}};
}

std::int64_t utc(const char* text) {
    return *parse_iso_time(text);
}

/// A calendar with one meeting every Monday at nine in Berlin.
struct calendar_fixture : tenant_fixture {
    calendar_fixture() {
        admin("exchange/calendar/op", {{"op", "new_calendar"}, {"mailbox", user}, {"name", "Work"}});
        calendar = admin(
            "exchange/calendar/op",
            {{"op", "rename_calendar"}, {"mailbox", user}, {"calendar", "Work"}, {"name", "Work"}}
        )["calendar"];
    }

    nlohmann::json post(const std::string& url, const nlohmann::json& body, int status = 201) {
        auto r = serve(world, make("POST", url, body.dump()));
        REQUIRE_MESSAGE(r.status == status, r.body);
        return r.body.empty() ? nlohmann::json() : nlohmann::json::parse(r.body, nullptr, false);
    }
    nlohmann::json weekly() const {
        return {
            {"subject", "Weekly"},
            {"start", {{"dateTime", "2026-10-05T09:00:00"}, {"timeZone", "W. Europe Standard Time"}}},
            {"end", {{"dateTime", "2026-10-05T10:00:00"}, {"timeZone", "W. Europe Standard Time"}}},
            {"recurrence",
             {{"pattern", {{"type", "weekly"}, {"interval", 1}, {"daysOfWeek", {"monday"}}}},
              {"range", {{"type", "noEnd"}, {"startDate", "2026-10-05"}}}}}
        };
    }
    std::string base() const { return "/v1.0/users/" + user; }
    std::string events() const { return base() + "/calendars/" + calendar + "/events"; }
    nlohmann::json instances(const std::string& id) {
        return this->json_of(
            base() + "/events/" + id +
            "/instances?startDateTime=2026-10-01T00:00:00Z&endDateTime=2026-11-10T00:00:00Z&$top=50"
        )["value"];
    }
    nlohmann::json json_of(const std::string& url) { return tenant_fixture::json(url); }
    std::uint64_t invitations() const { return world.exchange.invitations_sent; }

    std::string user = "ada@contoso.example";
    std::string calendar;
};

}  // namespace

TEST_SUITE("simulator") {
    TEST_CASE("calendar: the patterns of a recurrence") {
        CHECK(
            days({{"type", "daily"}, {"interval", 2}}, numbered("2026-02-27", 3)) ==
            std::vector<std::string>{"2026-02-27", "2026-03-01", "2026-03-03"}
        );
        CHECK(
            days(
                {{"type", "weekly"},
                 {"interval", 2},
                 {"daysOfWeek", {"monday", "sunday"}},
                 {"firstDayOfWeek", "monday"}},
                numbered("2026-10-05", 4)
            ) == std::vector<std::string>{"2026-10-05", "2026-10-11", "2026-10-19", "2026-10-25"}
        );
        CHECK(
            days(
                {{"type", "weekly"},
                 {"interval", 2},
                 {"daysOfWeek", {"monday", "sunday"}},
                 {"firstDayOfWeek", "sunday"}},
                numbered("2026-10-05", 3)
            ) == std::vector<std::string>{"2026-10-05", "2026-10-18", "2026-10-19"}
        );
        CHECK(
            days(
                {{"type", "absoluteMonthly"}, {"interval", 1}, {"dayOfMonth", 31}}, numbered("2027-01-31", 3)
            ) == std::vector<std::string>{"2027-01-31", "2027-02-28", "2027-03-31"}
        );
        CHECK(
            days(
                {{"type", "relativeMonthly"}, {"interval", 1}, {"index", "last"}, {"daysOfWeek", {"friday"}}},
                numbered("2026-10-30", 2)
            ) == std::vector<std::string>{"2026-10-30", "2026-11-27"}
        );
        CHECK(
            days(
                {{"type", "absoluteYearly"}, {"interval", 1}, {"month", 2}, {"dayOfMonth", 29}},
                numbered("2024-02-29", 2)
            ) == std::vector<std::string>{"2024-02-29", "2025-02-28"}
        );
        CHECK(
            days(
                {{"type", "relativeYearly"},
                 {"interval", 1},
                 {"month", 11},
                 {"index", "fourth"},
                 {"daysOfWeek", {"thursday"}}},
                numbered("2026-11-26", 2)
            ) == std::vector<std::string>{"2026-11-26", "2027-11-25"}
        );
    }

    TEST_CASE("calendar: clocks of zones") {
        CHECK(wall_of(utc("2026-07-01T10:00:00Z"), "W. Europe Standard Time") == utc("2026-07-01T12:00:00Z"));
        CHECK(wall_of(utc("2026-03-29T00:59:59Z"), "W. Europe Standard Time") == utc("2026-03-29T01:59:59Z"));
        CHECK(wall_of(utc("2026-03-29T01:00:00Z"), "W. Europe Standard Time") == utc("2026-03-29T03:00:00Z"));
        CHECK(wall_of(utc("2026-11-01T05:59:59Z"), "Eastern Standard Time") == utc("2026-11-01T01:59:59Z"));
        CHECK(wall_of(utc("2026-11-01T06:00:00Z"), "Eastern Standard Time") == utc("2026-11-01T01:00:00Z"));
        CHECK(
            wall_of(utc("2026-01-01T00:00:00Z"), "AUS Eastern Standard Time") == utc("2026-01-01T11:00:00Z")
        );
        CHECK(utc_of(utc("2026-10-25T02:30:00Z"), "W. Europe Standard Time") == utc("2026-10-25T00:30:00Z"));
    }

    TEST_CASE_FIXTURE(calendar_fixture, "calendar: a series, its exceptions and cancelled occurrences") {
        std::string id = post(events(), weekly())["id"];
        auto all = instances(id);
        REQUIRE(all.size() == 6);
        CHECK(all[0]["start"]["dateTime"] == "2026-10-05T07:00:00.0000000");
        CHECK(all[3]["start"]["dateTime"] == "2026-10-26T08:00:00.0000000");
        CHECK(all[0]["type"] == "occurrence");
        std::string second = all[1]["id"];
        CHECK(
            serve(world, make("PATCH", base() + "/events/" + second, R"({"subject":"other"})")).status == 200
        );
        std::string third = all[2]["id"];
        CHECK(serve(world, make("DELETE", base() + "/events/" + third)).status == 204);
        CHECK(instances(id).size() == 5);
        auto master = json_of(base() + "/events/" + id + "?$expand=exceptionOccurrences");
        REQUIRE(master["exceptionOccurrences"].size() == 1);
        CHECK(master["exceptionOccurrences"][0]["subject"] == "other");
        CHECK(master["exceptionOccurrences"][0]["originalStart"] == "2026-10-12T07:00:00Z");
        CHECK(master["cancelledOccurrences"] == nlohmann::json{"OID." + id + ".2026-10-19"});
        CHECK(serve(world, make("GET", base() + "/events/" + third)).status == 404);
        CHECK(get(base() + "/events/" + id + "/instances").status == 400);
        CHECK(json_of(events() + "?$select=id,type")["value"].size() == 1);
        CHECK(invitations() == 0);
    }

    TEST_CASE_FIXTURE(calendar_fixture, "calendar: everybody who is invited, told or told off gets a mail") {
        auto meeting = weekly();
        meeting["attendees"] =
            nlohmann::json::array({{{"emailAddress", {{"address", "bela@contoso.example"}}}}});
        std::string id = post(events(), meeting)["id"];
        CHECK(invitations() == 1);
        CHECK(serve(world, make("PATCH", base() + "/events/" + id, R"({"subject":"x"})")).status == 200);
        CHECK(invitations() == 2);
        std::string first = instances(id)[0]["id"];
        CHECK(serve(world, make("DELETE", base() + "/events/" + first)).status == 204);
        CHECK(invitations() == 3);
        CHECK(serve(world, make("DELETE", base() + "/events/" + id)).status == 204);
        CHECK(invitations() == 4);
    }

    TEST_CASE_FIXTURE(
        calendar_fixture, "calendar: who was invited to one occurrence is told when the series goes"
    ) {
        std::string id = post(events(), weekly())["id"];
        std::string first = instances(id)[0]["id"];
        const char* invited = R"({"attendees":[{"emailAddress":{"address":"bela@contoso.example"}}]})";
        CHECK(serve(world, make("PATCH", base() + "/events/" + first, invited)).status == 200);
        CHECK(invitations() == 1);
        CHECK(serve(world, make("DELETE", base() + "/events/" + id)).status == 204);
        CHECK(invitations() == 2);
    }

    TEST_CASE_FIXTURE(calendar_fixture, "calendar: an occurrence gets an attachment of its own") {
        std::string id = post(events(), weekly())["id"];
        admin(
            "exchange/calendar/op", {{"op", "attach"},
                                     {"mailbox", user},
                                     {"event", id},
                                     {"day", "2026-10-12"},
                                     {"name", "own.bin"},
                                     {"size", 10},
                                     {"seed", 1}}
        );
        std::string second = instances(id)[1]["id"];
        CHECK(json_of(base() + "/events/" + id + "/attachments")["value"].empty());
        CHECK(json_of(base() + "/events/" + second + "/attachments")["value"][0]["name"] == "own.bin");
    }

    TEST_CASE_FIXTURE(calendar_fixture, "calendar: what is refused") {
        CHECK(get(events() + "/delta").status == 400);
        auto event = weekly();
        event["transactionId"] = "once";
        post(events(), event);
        post(events(), event, 409);
        event.erase("transactionId");
        event["recurrence"]["range"]["recurrenceTimeZone"] = "";
        post(events(), event, 400);
        post(base() + "/calendars", {{"name", "Work"}}, 409);
        auto lists = json_of(base() + "/calendars?$top=50")["value"];
        for (const auto& c : lists) {
            if (c["name"] == "Birthdays") {
                post(base() + "/calendars/" + c["id"].get<std::string>() + "/events", weekly(), 403);
            }
        }
        CHECK(get("/v1.0/groups/team1/calendars").status >= 400);
    }

    TEST_CASE_FIXTURE(calendar_fixture, "calendar: the feed of a window tells stubs, changes and removals") {
        std::string id = post(events(), weekly())["id"];
        auto page = json_of(
            base() + "/calendars/" + calendar +
            "/calendarView/delta?startDateTime=2026-10-01T00:00:00Z&endDateTime=2026-11-10T00:00:00Z"
        );
        REQUIRE(page["value"].size() == 7);
        CHECK(page["value"][0]["type"] == "seriesMaster");
        CHECK_FALSE(page["value"][1].contains("subject"));
        std::string link = page["@odata.deltaLink"];
        auto quiet = json_of(link);
        CHECK(quiet["value"].empty());
        CHECK(serve(world, make("DELETE", base() + "/events/" + id)).status == 204);
        auto gone = json_of(link);
        REQUIRE(gone["value"].size() == 1);
        CHECK(gone["value"][0]["@removed"]["reason"] == "deleted");
        admin("exchange/calendar/op", {{"op", "forget_sync_state"}, {"mailbox", user}});
        CHECK(get(link).status == 410);
    }

    TEST_CASE_FIXTURE(calendar_fixture, "calendar: a group has one calendar") {
        auto g = world.directory.groups.at(0).id;
        CHECK(json_of("/v1.0/groups/" + g + "/calendar")["isDefaultCalendar"] == true);
        CHECK(json_of("/v1.0/groups/" + g + "/calendar/events?$top=50")["value"].size() == 12);
    }
}
