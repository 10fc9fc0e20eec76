#include <doctest/doctest.h>

#include "client_fixture.hpp"

using namespace m365stage;
using namespace m365stage::test;
using core::error_kind;

TEST_SUITE("graph") {
    TEST_CASE("download: Graph's redirect is followed without Authorization") {
        world w;
        w.net.script(answer(302, "", "Location", "https://contoso.sharepoint.com/f?tempauth=x"));
        w.net.script(answer(200, "content"));
        text_sink sink;
        auto got = w.clock.run(w.client->download(w.call("/v1.0/drives/1/items/2/content"), sink));
        REQUIRE(got.has_value());
        CHECK(got->status == 200);
        CHECK(sink.text == "content");
        CHECK(w.net.field(0, "Authorization") == "Bearer token-1");
        CHECK(w.net.field(1, "Authorization") == "(none)");
        CHECK(w.net.field(1, "Accept") == "*/*");
        CHECK(w.client->stats().bytes_received == 7);
    }

    TEST_CASE("download: the token goes on within the Graph host where the whole request does, and no further"
    ) {
        for (const int status : {301, 307, 308}) {
            world w;
            w.net.script(answer(status, "", "Location", "/v2.0/content"));
            w.net.script(answer(302, "", "Location", "https://contoso.sharepoint.com/f"));
            w.net.script(answer(307, "", "Location", "https://graph.example/back"));
            w.net.script(answer(200, "content"));
            text_sink sink;
            CHECK(w.clock.run(w.client->download(w.call("/v1.0/content"), sink)).has_value());
            CHECK(w.net.field(1, "Authorization") == "Bearer token-1");
            CHECK(w.net.field(2, "Authorization") == "(none)");
            CHECK(w.net.field(3, "Authorization") == "(none)");
        }
    }

    TEST_CASE("download: a 400 that passes is asked again, nothing else is") {
        world w;
        const char* hiccup = R"({"error":{"code":"invalidRequest","message":"Invalid request"}})";
        w.net.script(answer(400, hiccup));
        w.net.script(answer(200, "content"));
        text_sink sink;
        CHECK(w.clock.run(w.client->download(w.call("/v1.0/users/1/messages/2/$value"), sink)).has_value());
        CHECK(sink.text == "content");
        for (int i = 0; i < 4; ++i) {
            w.net.script(answer(400, hiccup));
        }
        auto lasting = w.clock.run(w.client->download(w.call("/v1.0/users/1/messages/2/$value"), sink));
        CHECK(lasting.error().kind == error_kind::bad_request);
        CHECK(w.net.requests.size() == 6);
        w.net.script(answer(500, "{}"));
        auto failed = w.clock.run(w.client->download(w.call("/v1.0/users/1/messages/2/$value"), sink));
        CHECK(failed.error().kind == error_kind::server);
        CHECK(w.net.requests.size() == 7);
    }

    TEST_CASE("download: a Location without a host is meant from where it came") {
        world w;
        w.net.script(answer(302, "", "Location", "/dl/f?tempauth=x"));
        w.net.script(answer(302, "", "Location", "https://contoso.sharepoint.com/a/f"));
        w.net.script(answer(302, "", "Location", "g"));
        w.net.script(answer(200, "content"));
        text_sink sink;
        REQUIRE(w.clock.run(w.client->download(w.call("/v1.0/f"), sink)).has_value());
        CHECK(w.net.requests[1].what.url.ends_with("graph.example:443/dl/f?tempauth=x"));
        CHECK(w.net.field(1, "Authorization") == "(none)");
        CHECK(w.net.requests[3].what.url == "https://contoso.sharepoint.com:443/a/g");
    }

    TEST_CASE("download: a pre-authenticated URL never gets a token and its errors come as they are") {
        world w;
        graph::call c = w.call("https://contoso.sharepoint.com/f?tempauth=x", graph::service::sharepoint);
        c.fields.set("Authorization", "Bearer leaked");
        c.fields.set("Range", "bytes=5-");
        text_sink sink;
        w.net.script(answer(206, "rest"));
        CHECK(w.clock.run(w.client->download(c, sink))->status == 206);
        CHECK(w.net.field(0, "Authorization") == "(none)");
        CHECK(w.net.field(0, "Range") == "bytes=5-");
        for (auto [status, kind] :
             {std::pair(401, error_kind::unauthorized), std::pair(403, error_kind::forbidden),
              std::pair(404, error_kind::not_found), std::pair(500, error_kind::server)}) {
            std::size_t before = w.net.requests.size();
            w.net.script(answer(status, ""));
            auto got = w.clock.run(w.client->download(c, sink));
            CHECK(got.error().kind == kind);
            CHECK(w.net.requests.size() == before + 1);
        }
        // A file host may be the Graph host.
        graph::call same_host = w.call("https://graph.example/dl/f?tempauth=x", graph::service::sharepoint);
        same_host.preauthenticated = true;
        w.net.script(answer(401, ""));
        CHECK(w.clock.run(w.client->download(same_host, sink)).error().kind == error_kind::unauthorized);
        CHECK(w.net.field(w.net.requests.size() - 1, "Authorization") == "(none)");
        CHECK(w.tokens.rejections.empty());
        w.net.script(answer(429, "", "Retry-After", "9"));
        w.net.script(answer(200, "all"));
        CHECK(w.clock.run(w.client->download(c, sink)).has_value());
        CHECK(sink.text == "restall");
    }

    TEST_CASE("download: hosts and schemes that are not allowed are refused before anything is sent") {
        graph::client_options o;
        o.download_hosts = {"sharepoint.com", ".svc.ms"};
        world w(o);
        text_sink sink;
        for (std::string url :
             {"http://contoso.sharepoint.com/f", "https://evilsharepoint.com/f",
              "https://sharepoint.com.evil.example/f", "https://a@contoso.sharepoint.com/f",
              "ftp://contoso.sharepoint.com/", "relative", "https://contoso.sharepoint.com/a b"}) {
            CAPTURE(url);
            auto got = w.clock.run(w.client->download(w.call(url), sink));
            REQUIRE(got.has_error());
            CHECK(got.error().kind == error_kind::protocol);
        }
        CHECK(w.net.requests.empty());
        for (std::string url :
             {"https://Contoso-my.SharePoint.com/f", "https://x.svc.ms/f", "https://sharepoint.com/"}) {
            w.net.script(answer(200, "x"));
            CHECK(w.clock.run(w.client->download(w.call(url), sink)).has_value());
        }
        w.net.script(answer(302, "", "Location", "http://contoso.sharepoint.com/f"));
        CHECK(w.clock.run(w.client->download(w.call("/v1.0/f"), sink)).error().kind == error_kind::protocol);
    }

    TEST_CASE("download: redirects in a circle and without an aim end") {
        world w;
        text_sink sink;
        w.net.script(answer(302));
        CHECK(w.clock.run(w.client->download(w.call("/v1.0/f"), sink)).error().kind == error_kind::protocol);
        w.net.respond = [](const http::request&) {
            return answer(302, "", "Location", "https://a.example/");
        };
        CHECK(w.clock.run(w.client->download(w.call("/v1.0/f"), sink)).error().kind == error_kind::protocol);
        CHECK(w.net.requests.size() == 3);
    }
}
