#include "graph/paging.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "graph/flat_json.hpp"
#include "graph/links.hpp"
#include "graph/page.hpp"

using namespace m365stage;

namespace {

graph::page leading_to(std::string link) {
    graph::page out;
    out.next_link = std::move(link);
    return out;
}

}  // namespace

TEST_SUITE("graph") {
    TEST_CASE("paging: a list ends, be it in a circle of several pages") {
        graph::call c;
        c.target = "/v1.0/list";
        c.object = "a list";
        graph::page_chain chain;
        for (const char* link : {"https://g/2", "https://g/3"}) {
            const auto more = chain.next(c, leading_to(link));
            REQUIRE(more.has_value());
            CHECK(*more);
            CHECK(c.target == link);
        }
        const auto circle = chain.next(c, leading_to("https://g/2"));
        REQUIRE_FALSE(circle.has_value());
        CHECK(circle.error().kind == core::error_kind::protocol);
        CHECK(circle.error().object == "a list");

        graph::page_chain another;
        const auto last = another.next(c, leading_to(""));
        REQUIRE(last.has_value());
        CHECK_FALSE(*last);
    }

    TEST_CASE("paging: a flat page becomes a tree") {
        const graph::link_rules rules("https://graph.example", {});
        auto page = graph::parse_flat_page(R"({"value":[{"id":"a","n":null},7],"x":1})", rules);
        REQUIRE(page.has_value());
        const auto elements = page->flat->root().member("value").elements();
        CHECK(elements[0].has("n"));
        CHECK_FALSE(elements[0].member("n"));
        CHECK_FALSE(elements[0].has("m"));
        graph::unflatten(*page);
        CHECK_FALSE(page->flat);
        CHECK(*page->value == nlohmann::json::parse(R"([{"id":"a","n":null},7])"));
    }
}
