#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "client_fixture.hpp"
#include "graph/paging.hpp"

using namespace m365stage;
using namespace m365stage::test;
using core::error_kind;

TEST_SUITE("graph") {
    TEST_CASE("page: links are handed on untouched, and must stay on the Graph host") {
        world w;
        w.net.script(answer(
            200, R"({"value":[{"id":1},7],"@odata.nextLink":"https://graph.example/v1.0/d?$skiptoken=a%2Fb"})"
        ));
        w.net.script(
            answer(200, R"({"value":[],"@odata.deltaLink":"https://graph.example:443/v1.0/d?token=1"})")
        );
        w.net.script(answer(
            200,
            R"({"value":[],"@odata.nextLink":"https://graph.example/n","@odata.deltaLink":"https://graph.example/d"})"
        ));
        auto first = w.clock.run(w.client->get_page(w.call("/v1.0/d")));
        REQUIRE(first.has_value());
        CHECK(first->value->size() == 2);
        CHECK(first->next_link == "https://graph.example/v1.0/d?$skiptoken=a%2Fb");
        auto second = w.clock.run(w.client->get_page(w.call(first->next_link)));
        REQUIRE(second.has_value());
        CHECK(w.net.requests[1].what.url == first->next_link);
        CHECK(second->delta_link == "https://graph.example:443/v1.0/d?token=1");
        auto both = w.clock.run(w.client->get_page(w.call("/v1.0/d")));
        CHECK(both->next_link == "https://graph.example/n");
        CHECK(both->delta_link.empty());
        for (std::string bad :
             {R"({"value":[],"@odata.nextLink":"https://evil.example/v1.0"})",
              R"({"value":[],"@odata.nextLink":"http://graph.example/v1.0"})",
              R"({"value":[],"@odata.nextLink":"https://graph.example@evil.example/"})",
              R"({"value":[],"@odata.deltaLink":"https://graph.example:444/"})",
              R"({"value":[],"@odata.deltaLink":"/v1.0/d"})",
              R"({"value":[],"@odata.nextLink":"https://graph.example/a b"})"}) {
            CAPTURE(bad);
            w.net.script(answer(200, bad));
            auto got = w.clock.run(w.client->get_page(w.call("/v1.0/d")));
            REQUIRE(got.has_error());
            CHECK(got.error().kind == error_kind::protocol);
            CHECK(core::describe(got.error()).find("evil.example/v1.0") == std::string::npos);
        }
    }

    TEST_CASE("page: a link that is malformed is told from one that leads elsewhere") {
        world w;
        const auto cause = [&](const char* link) {
            w.net.script(answer(200, std::string(R"({"value":[],"@odata.nextLink":")") + link + "\"}"));
            return w.clock.run(w.client->get_page(w.call("/v1.0/d"))).error().cause;
        };
        CHECK(cause("https://graph.example/a b") == "@odata.nextLink is malformed and was refused");
        CHECK(cause("/v1.0/d") == "@odata.nextLink is malformed and was refused");
        CHECK(cause("https://evil.example/") == "@odata.nextLink leaves the Graph host and was refused");
    }

    TEST_CASE("page: an answer that is none is asked for again, twice, with pauses") {
        for (const bool flat : {false, true}) {
            world w;
            auto list = w.call("/v1.0/d");
            list.flat = flat;
            w.net.script(answer(200, "null"));
            w.net.script(answer(200, "<html>sign in</html>"));
            w.net.script(answer(200, R"({"value":[]})"));
            CHECK(w.clock.run(w.client->get_page(list)).has_value());
            CHECK(w.clock.seconds_passed() == doctest::Approx(0.5 + 1));
            CHECK(w.client->stats().retries == 2);
        }
        for (const char* bad :
             {"{}", R"({"value":{}})", R"({"value":[],"@odata.nextLink":7})", R"({"value":[)", ""}) {
            CAPTURE(bad);
            world w;
            w.net.respond = [&](const http::request&) { return answer(200, bad); };
            const auto got = w.clock.run(w.client->get_page(w.call("/v1.0/d")));
            REQUIRE(got.has_error());
            CHECK(got.error().kind == error_kind::protocol);
            CHECK(got.error().object == "users/ann");
            CHECK(w.net.requests.size() == 3);
        }
    }

    TEST_CASE("paging: a list is read to its end, and a part is never taken for the whole") {
        const auto leading_to = [](int first, const char* link) {
            const nlohmann::json body{{"value", {first, first + 1}}, {"@odata.nextLink", link}};
            return answer(200, body.dump());
        };
        world w;
        w.net.script(leading_to(1, "https://graph.example/n?p=2"));
        w.net.script(answer(200, R"({"value":[]})"));
        auto whole = w.clock.run(graph::read_list(*w.client, w.call("/v1.0/list")));
        REQUIRE(whole.has_value());
        CHECK(*whole == nlohmann::json{1, 2});
        CHECK(w.net.requests[1].what.url == "https://graph.example/n?p=2");

        w.net.script(leading_to(1, "https://graph.example/n?p=2"));
        w.net.script(answer(404, R"({"error":{"code":"itemNotFound","message":"gone"}})"));
        auto cut = w.clock.run(graph::read_list(*w.client, w.call("/v1.0/list")));
        REQUIRE(cut.has_error());
        CHECK(cut.error().kind == error_kind::not_found);

        w.net.respond = [&](const http::request&) { return leading_to(1, "https://graph.example/n?p=2"); };
        auto circle = w.clock.run(graph::read_list(*w.client, w.call("/v1.0/list")));
        REQUIRE(circle.has_error());
        CHECK(circle.error().kind == error_kind::protocol);

        int number = 0;
        w.net.respond = [&](const http::request&) {
            return leading_to(1, ("https://graph.example/n?p=" + std::to_string(++number)).c_str());
        };
        auto endless = w.clock.run(graph::read_list(*w.client, w.call("/v1.0/list")));
        REQUIRE(endless.has_error());
        CHECK(endless.error().kind == error_kind::protocol);
        CHECK(endless.error().object == "users/ann");
        CHECK(number == graph::most_pages_at_once);
    }

    TEST_CASE("paging: elements come in order, and the first that fits ends the search") {
        world w;
        const auto two_pages = [&w] {
            w.net.script(answer(200, R"({"value":[1,2],"@odata.nextLink":"https://graph.example/n"})"));
            w.net.script(answer(200, R"({"value":[3]})"));
        };
        std::vector<int> seen;
        two_pages();
        const auto take = [&seen](const nlohmann::json& one) { seen.push_back(one.get<int>()); };
        CHECK(w.clock.run(graph::each_element(*w.client, w.call("/v1.0/list"), take)).has_value());
        CHECK(seen == std::vector{1, 2, 3});

        two_pages();
        const auto is_three = [](const nlohmann::json& one) { return one == 3; };
        const auto found = w.clock.run(graph::find_element(*w.client, w.call("/v1.0/list"), is_three));
        REQUIRE(found.has_value());
        CHECK(*found == 3);

        two_pages();
        const auto is_four = [](const nlohmann::json& one) { return one == 4; };
        const auto none = w.clock.run(graph::find_element(*w.client, w.call("/v1.0/list"), is_four));
        REQUIRE(none.has_value());
        CHECK(none->is_null());

        w.net.script(answer(200, R"({"value":[1],"@odata.nextLink":"https://graph.example/n"})"));
        w.net.script(answer(404, R"({"error":{"code":"itemNotFound","message":"gone"}})"));
        seen.clear();
        const auto cut = w.clock.run(graph::each_element(*w.client, w.call("/v1.0/list"), take));
        REQUIRE(cut.has_error());
        CHECK(cut.error().kind == error_kind::not_found);
        CHECK(seen == std::vector{1});
    }
}
