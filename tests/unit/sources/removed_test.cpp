#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "graph/flat_json.hpp"
#include "sources/fields.hpp"
#include "sources/mail_item.hpp"
#include "sources/source.hpp"

namespace m365stage::sources {
namespace {

using nlohmann::json;

bool is_removed_flat(const json& element) {
    const auto flat = graph::flat_json::parse(element.dump());
    return is_removed(flat->root());
}

}  // namespace

TEST_SUITE("sources") {
    TEST_CASE("removed: a mark is one whatever it holds, but not if it is null") {
        for (const char* gone :
             {R"({"id":"x","@removed":{"reason":"deleted"}})", R"({"id":"x","@removed":{}})",
              R"({"id":"x","@removed":"changed"})"}) {
            CAPTURE(gone);
            CHECK(is_removed(json::parse(gone)));
            CHECK(is_removed_flat(json::parse(gone)));
        }
        for (const char* there : {R"({"id":"x","@removed":null})", R"({"id":"x"})", "[]", "null"}) {
            CAPTURE(there);
            CHECK_FALSE(is_removed(json::parse(there)));
            CHECK_FALSE(is_removed_flat(json::parse(there)));
        }
    }

    TEST_CASE("removed: an element with a null mark that tells only what changed is asked for all the same") {
        enabled_kinds all;
        all.mail = all.calendar = all.contacts = all.tasks = true;
        const auto sources = make_sources(all);
        const json element = {{"id", "A"}, {"@removed", nullptr}};
        const json gone = {{"id", "A"}, {"@removed", {{"reason", "deleted"}}}};
        for (const std::string kind : {"mail", "calendar", "contacts", "tasks"}) {
            CAPTURE(kind);
            const auto& source = *find_source(sources, kind);
            index::stream items;
            items.remote_id = "folder";
            items.ids_only = true;
            CHECK(source.is_sparse(element, items));
            CHECK_FALSE(source.is_sparse(gone, items));
            const auto told = source.parse_item(element, items);
            REQUIRE(told);
            CHECK_FALSE(told->removed);
        }
        for (const std::string kind : {"contacts", "tasks"}) {
            CAPTURE(kind);
            const index::stream folders;
            CHECK(find_source(sources, kind)->is_sparse(element, folders));
            CHECK_FALSE(find_source(sources, kind)->is_sparse(gone, folders));
        }
        const auto flat = graph::flat_json::parse(element.dump());
        CHECK(is_sparse_message(flat->root()));
    }
}

}  // namespace m365stage::sources
