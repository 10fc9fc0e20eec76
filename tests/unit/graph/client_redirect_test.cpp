#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "client_fixture.hpp"

using namespace m365stage;
using namespace m365stage::test;
using core::error_kind;

TEST_SUITE("graph") {
    TEST_CASE("client: a redirect within the Graph host is followed with method, body and token") {
        for (const int status : {301, 302, 303, 307, 308}) {
            CAPTURE(status);
            world w;
            w.net.script(answer(status, "", "Location", "https://graph.example/v1.0/y?a=b"));
            w.net.script(answer(status, "", "Location", "/v1.0/z"));
            w.net.script(answer(200, R"({"value":[{"id":1}]})"));
            const auto got = w.clock.run(w.client->get_page(w.call("/v1.0/x")));
            REQUIRE(got.has_value());
            CHECK(got->value->size() == 1);
            CHECK(w.net.requests[1].what.url == "https://graph.example/v1.0/y?a=b");
            CHECK(w.net.requests[2].what.url.ends_with("/v1.0/z"));
            CHECK(w.net.field(2, "Authorization") == "Bearer token-1");
            CHECK(w.net.field(2, "Accept") == "application/json;odata.metadata=minimal");

            auto post = w.call("/v1.0/x");
            post.verb = http::method::post;
            post.body = "{}";
            w.net.script(answer(status, "", "Location", "/v1.0/y"));
            w.net.script(answer(201, R"({"id":1})"));
            const auto made = w.clock.run(w.client->send(post));
            if (status < 307) {
                CHECK(made.error().kind == error_kind::protocol);
                CHECK(w.net.requests.size() == 4);
            } else {
                REQUIRE(made.has_value());
                CHECK(made->status == 201);
                CHECK(w.net.requests[4].what.verb == http::method::post);
                CHECK(w.net.requests[4].what.body == "{}");
            }
        }
    }

    TEST_CASE("client: a redirect to another host is refused by name, and nothing is sent there") {
        for (const char* to :
             {"https://evil.example/v1.0/x?secret=1", "http://graph.example/v1.0/x",
              "https://graph.example:8443/v1.0/x", "https://graph.example@evil.example/", "", "https://"}) {
            CAPTURE(to);
            world w;
            w.net.script(answer(308, "", "Location", to));
            const auto got = w.clock.run(w.client->get_json(w.call("/v1.0/x")));
            REQUIRE(got.has_error());
            CHECK(got.error().kind == error_kind::protocol);
            CHECK(got.error().http_status == 308);
            CHECK(got.error().object == "users/ann");
            CHECK(core::describe(got.error()).find("secret") == std::string::npos);
            CHECK(w.net.requests.size() == 1);
        }
        world w;
        w.net.script(answer(302, "", "Location", "https://evil.example/"));
        const auto got = w.clock.run(w.client->get_json(w.call("/v1.0/x")));
        CHECK(got.error().cause == "the service redirects to evil.example, which is not the Graph host");
    }

    TEST_CASE("client: redirects end, in a circle and without one") {
        world w;
        int number = 0;
        w.net.respond = [&](const http::request&) {
            return answer(302, "", "Location", "/v1.0/" + std::to_string(++number));
        };
        CHECK(w.clock.run(w.client->send(w.call("/v1.0/x"))).error().kind == error_kind::protocol);
        CHECK(w.net.requests.size() == 6);
        w.net.respond = [&](const http::request&) { return answer(302, "", "Location", "/v1.0/x"); };
        CHECK(w.clock.run(w.client->send(w.call("/v1.0/x"))).error().kind == error_kind::protocol);
        CHECK(w.net.requests.size() <= 8);
    }

    TEST_CASE("client: an upload goes on where its address leads, without a token") {
        world w;
        w.net.script(answer(307, "", "Location", "https://other.sharepoint.com/up?tempauth=y"));
        w.net.script(answer(201, "{}"));
        auto put = w.call("https://contoso.sharepoint.com/up?tempauth=x", graph::service::sharepoint);
        put.verb = http::method::put;
        put.body = "12345";
        CHECK(w.clock.run(w.client->send(put))->status == 201);
        CHECK(w.net.requests[1].what.body == "12345");
        CHECK(w.net.field(1, "Authorization") == "(none)");
    }
}
