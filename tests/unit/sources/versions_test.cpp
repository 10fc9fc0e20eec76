#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "sources/source.hpp"

namespace m365stage::sources {
namespace {

using nlohmann::json;

index::stream stream_of(std::string folder, bool ids_only) {
    index::stream s;
    s.remote_id = std::move(folder);
    s.ids_only = ids_only;
    return s;
}

index::container mailbox() {
    index::container c;
    c.owner_kind = "user";
    c.owner_id = "ann";
    return c;
}

TEST_SUITE("sources") {
    // Where an item spoils its pages, this is what tells that the others are as they were.
    TEST_CASE("ids alone: an element has the etag of the whole one, and is asked for if that is another") {
        const json versions = {
            {"id", "A"},
            {"@odata.etag", "W/\"k1\""},
            {"changeKey", "k1"},
            {"lastModifiedDateTime", "2026-11-01T00:00:00Z"}
        };
        json whole = versions;
        whole.update(
            {{"subject", "s"},
             {"displayName", "d"},
             {"title", "t"},
             {"status", "notStarted"},
             {"receivedDateTime", "2026-10-01T00:00:00Z"},
             {"createdDateTime", "2026-10-01T00:00:00Z"},
             {"isDraft", false},
             {"isRead", false},
             {"hasAttachments", false},
             {"importance", "normal"},
             {"emailAddresses", json::array()},
             {"start", {{"dateTime", "2026-11-01T00:00:00"}, {"timeZone", "UTC"}}}}
        );
        enabled_kinds all;
        all.mail = all.calendar = all.contacts = all.tasks = true;
        const auto sources = make_sources(all);
        for (const std::string kind : {"mail", "calendar", "contacts", "tasks"}) {
            CAPTURE(kind);
            const auto& source = *find_source(sources, kind);
            const auto ids = stream_of("folder", true);
            const auto told = source.parse_item(versions, ids);
            const auto full = source.parse_item(whole, stream_of("folder", false));
            REQUIRE(told);
            REQUIRE(full);
            CHECK_FALSE(told->etag.empty());
            CHECK(told->etag == full->etag);
            CHECK(source.is_sparse(versions, ids));
            CHECK_FALSE(source.is_sparse(whole, ids));
            CHECK_FALSE(source.is_sparse({{"id", "A"}, {"@removed", {{"reason", "deleted"}}}}, ids));
        }
    }

    TEST_CASE("ids alone: every kind of a mailbox can be listed from a position on") {
        enabled_kinds all;
        all.mail = all.calendar = all.contacts = all.tasks = true;
        const auto sources = make_sources(all);
        for (const std::string kind : {"mail", "calendar", "contacts", "tasks"}) {
            CAPTURE(kind);
            const auto& source = *find_source(sources, kind);
            const auto call = source.listing_call(mailbox(), stream_of("fo/lder", true), 7, 1);
            REQUIRE(call);
            CAPTURE(call->target);
            CHECK(call->target.find("fo%2Flder") != std::string::npos);
            CHECK(call->target.find("$skip=7") != std::string::npos);
            CHECK(call->target.find("$top=1&") != std::string::npos);
            CHECK(call->target.find("?$select=id,") != std::string::npos);
            CHECK(source.shape(stream_of("f", true)) != source.shape(stream_of("f", false)));
        }
    }
}

}  // namespace
}  // namespace m365stage::sources
