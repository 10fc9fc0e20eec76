#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "sources/settings_item.hpp"
#include "sources/task_item.hpp"

using namespace m365stage;
using namespace m365stage::sources;
using nlohmann::json;

TEST_SUITE("sources") {
    TEST_CASE("tasks: the list of flagged mail is passed over, others lie at the top") {
        CHECK_FALSE(
            parse_task_list(json{{"id", "l"}, {"displayName", "F"}, {"wellknownListName", "flaggedEmails"}})
        );
        const auto list =
            parse_task_list(json{{"id", "l"}, {"displayName", "Tasks"}, {"wellknownListName", "none"}});
        REQUIRE(list);
        CHECK(list->parent_remote_id == todo_root);
        CHECK(list->name == "Tasks");
    }

    TEST_CASE("tasks: what belongs to a task has no ids and an order of its own") {
        const json one = {{"id", "1"}, {"displayName", "b"}, {"createdDateTime", "2026-01-01T00:00:00Z"}};
        const json two = {{"id", "2"}, {"displayName", "a"}, {"createdDateTime", "2026-01-02T00:00:00Z"}};
        const auto a = task_parts(json{one, two}, {"createdDateTime", "displayName"});
        const auto b = task_parts(json{two, one}, {"createdDateTime", "displayName"});
        CHECK(a == b);
        CHECK(a[0] == json{{"displayName", "b"}, {"createdDateTime", "2026-01-01T00:00:00Z"}});
    }

    TEST_CASE("tasks: a document is JSON with and without attachments") {
        const json meta = {{"title", "T\n\"x\""}};
        const auto head = task_document(meta, json::array({{{"displayName", "s"}}}), json::array());
        CHECK(json::parse(head + "]\n}\n")["task"] == meta);
        const json attachment = {{"name", "a\n.bin"}, {"size", 3}};
        const auto whole = head + task_attachment(attachment, true) + task_attachment_bytes +
                           "YWJj\"\n    }" + task_attachment(json::object(), false) + "\n    }\n  ]\n}\n";
        const auto read = json::parse(whole);
        CHECK(read["attachments"][0]["contentBytes"] == "YWJj");
        CHECK(read["attachments"][0]["name"] == "a\n.bin");
        CHECK(read["attachments"].size() == 2);
        CHECK(read["checklistItems"][0]["displayName"] == "s");
    }

    TEST_CASE("settings: those that are kept change nothing") {
        const auto kept = parse_settings(kept_settings_element());
        REQUIRE(kept);
        CHECK(kept->same);
        CHECK(kept->remote_id == settings_id);
    }

    TEST_CASE("settings: times of replies that are off, annotations and order say nothing") {
        const auto told = [](const char* start, json rules) {
            json settings = {
                {"@odata.context", "https://x"},
                {"automaticRepliesSetting", {{"status", "disabled"}, {"scheduledStartDateTime", start}}}
            };
            return settings_element(std::move(settings), std::move(rules), nullptr);
        };
        const json first = {{"id", "1"}, {"sequence", 1}};
        const json second = {{"id", "2"}, {"sequence", 2}};
        const auto a = parse_settings(told("today", json{first, second}));
        const auto b = parse_settings(told("tomorrow", json{second, first}));
        REQUIRE((a && b));
        CHECK(a->meta == b->meta);
        CHECK(a->meta.find("odata") == std::string::npos);
        CHECK_FALSE(json::parse(a->meta).contains("masterCategories"));
        CHECK(a->hash == settings_content_key(json::parse(a->meta)));
    }
}
