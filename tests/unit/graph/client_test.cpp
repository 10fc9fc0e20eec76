#include <doctest/doctest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <nlohmann/json.hpp>

#include "auth/encoding.hpp"
#include "client_fixture.hpp"

using namespace m365stage;
using namespace m365stage::test;
using core::error_kind;

TEST_SUITE("graph") {
    TEST_CASE("client: a call carries what Graph wants to see") {
        world w;
        w.net.script(answer(200, R"({"id":"1"})"));
        w.net.script(answer(201, R"({"id":"2"})"));
        auto got = w.clock.run(w.client->get_json(w.call("/v1.0/users/1")));
        REQUIRE(got.has_value());
        CHECK((*got)["id"] == "1");
        CHECK(w.net.requests[0].what.url == "https://graph.example/v1.0/users/1");
        CHECK(w.net.field(0, "Authorization") == "Bearer token-1");
        CHECK(w.net.field(0, "User-Agent").starts_with("NONISV|m365stage|m365stage/"));
        CHECK(w.net.field(0, "Accept") == "application/json;odata.metadata=minimal");
        CHECK(w.net.field(0, "client-request-id").size() == 36);
        graph::call post = w.call("/v1.0/x");
        post.verb = http::method::post;
        post.body = "{}";
        CHECK(w.clock.run(w.client->send(post))->status == 201);
        CHECK(w.net.field(1, "Content-Type") == "application/json");
        CHECK(w.net.field(0, "client-request-id") != w.net.field(1, "client-request-id"));
        CHECK(w.client->stats().requests == 2);
    }

    TEST_CASE("client: a token is good for its time, whatever becomes of the clock meanwhile") {
        for (const auto set_by : {std::chrono::hours(24 * 365), std::chrono::hours(-24 * 365)}) {
            world w;
            w.tokens.clock = &w.clock;
            w.net.respond = [](const http::request&) { return answer(200, "{}"); };
            CHECK(w.clock.run(w.client->get_json(w.call("/v1.0/x"))).has_value());
            w.tokens.life = std::chrono::seconds(60);
            w.clock.wall_set_by = set_by;
            CHECK(w.clock.run(w.client->get_json(w.call("/v1.0/x"))).has_value());
            CHECK(w.tokens.asked == 2);
            CHECK(w.net.requests.size() == 2);
        }
    }

    TEST_CASE("client: a Retry-After that is a date is one of the service's clock") {
        world w;
        w.clock.wall_set_by = std::chrono::hours(-24 * 365);
        auto refused = answer(429, "", "Retry-After", "Wed, 18 Nov 2026 11:07:10 GMT");
        refused.fields.set("Date", "Wed, 18 Nov 2026 11:07:00 GMT");
        w.net.script(refused);
        w.net.script(answer(200, "{}"));
        CHECK(w.clock.run(w.client->get_json(w.call("/v1.0/x"))).has_value());
        CHECK(w.clock.seconds_passed() >= 10);
        CHECK(w.clock.seconds_passed() < 12);
    }

    TEST_CASE("client: a transient failure is tried again, a permanent one is not") {
        world w;
        w.net.script(core::error(error_kind::transport, "reset"));
        w.net.script(answer(502, "<html>"));
        w.net.script(answer(404, ""));
        w.net.script(answer(200, "{}"));
        CHECK(w.clock.run(w.client->get_json(w.call("/v1.0/x"))).has_value());
        CHECK(w.clock.seconds_passed() == doctest::Approx(0.5 + 1 + 2));
        CHECK(w.client->stats().retries == 3);
        w.net.script(answer(403, R"({"error":{"code":"accessDenied","message":"No."}})"));
        auto got = w.clock.run(w.client->send(w.call("/v1.0/x")));
        REQUIRE(got.has_error());
        CHECK(got.error().kind == error_kind::forbidden);
        CHECK(got.error().object == "users/ann");
        CHECK(w.net.requests.size() == 5);
    }

    TEST_CASE("client: the number of attempts is bounded, and what may have happened is not repeated") {
        world w;
        w.net.respond = [](const http::request&) { return answer(500, ""); };
        CHECK(w.clock.run(w.client->send(w.call("/v1.0/x"))).error().kind == error_kind::server);
        CHECK(w.net.requests.size() == 6);
        graph::call post = w.call("/v1.0/x");
        post.verb = http::method::post;
        post.idempotent = false;
        CHECK(w.clock.run(w.client->send(post)).has_error());
        CHECK(w.net.requests.size() == 7);
    }

    TEST_CASE("client: a 401 renews the token once; 'expired' is given some seconds") {
        world w;
        w.net.script(answer(401, ""));
        w.net.script(answer(200, "{}"));
        CHECK(w.clock.run(w.client->send(w.call("/v1.0/x"))).has_value());
        CHECK(w.net.field(1, "Authorization") == "Bearer token-2");
        w.net.script(answer(401, ""));
        w.net.script(answer(401, ""));
        CHECK(w.clock.run(w.client->send(w.call("/v1.0/x"))).error().kind == error_kind::unauthorized);

        world late;
        std::string expired =
            R"({"error":{"code":"InvalidAuthenticationToken","message":"Access token has expired or is not yet valid."}})";
        for (int i = 0; i < 5; ++i) {
            late.net.script(answer(401, expired));
        }
        late.net.script(answer(200, "{}"));
        CHECK(late.clock.run(late.client->send(late.call("/v1.0/x"))).has_value());
        CHECK(late.clock.seconds_passed() == doctest::Approx(12));
        CHECK(late.tokens.rejections.size() == 5);
    }

    TEST_CASE("client: a claims challenge reaches the token source decoded") {
        world w;
        std::string claims = R"({"access_token":{"nbf":{"essential":true}}})";
        w.net.script(answer(
            401, "", "WWW-Authenticate",
            "Bearer error=\"insufficient_claims\", claims=\"" + auth::base64url(claims) + "\""
        ));
        w.net.script(answer(200, "{}"));
        CHECK(w.clock.run(w.client->send(w.call("/v1.0/x"))).has_value());
        REQUIRE(w.tokens.rejections.size() == 1);
        CHECK(w.tokens.rejections[0] == std::make_pair(std::string("token-1"), claims));
    }

    TEST_CASE("client: a login that fails ends the call before anything is sent") {
        world w;
        w.tokens.failure = core::error(error_kind::auth_refused, "wrong secret");
        CHECK(w.clock.run(w.client->send(w.call("/v1.0/x"))).error().kind == error_kind::auth_refused);
        CHECK(w.net.requests.empty());
    }

    TEST_CASE("client: a pause that outlives the token ends with a new one") {
        world w;
        w.tokens.clock = &w.clock;
        w.net.script(answer(429, "", "Retry-After", "600"));
        w.net.script(answer(200, "{}"));
        CHECK(w.clock.run(w.client->send(w.call("/v1.0/x"))).has_value());
        CHECK(w.tokens.asked == 3);
        CHECK(w.net.requests[1].at >= 600);
    }

    TEST_CASE(
        "client: a 503 without a body ends as `server`, so that the page can shrink; the scope does not pause"
    ) {
        world w;
        w.net.respond = [](const http::request&) { return answer(503, ""); };
        auto got = w.clock.run(w.client->get_page(w.call("/v1.0/x")));
        REQUIRE(got.has_error());
        CHECK(got.error().kind == error_kind::server);
        CHECK(got.error().http_status == 503);
        CHECK(w.client->stats().throttled == 0);
    }

    TEST_CASE("client: an upload URL gets no token either") {
        world w;
        w.net.script(answer(202, R"({"nextExpectedRanges":["5-"]})"));
        graph::call put = w.call("https://contoso.sharepoint.com/up?tempauth=x", graph::service::sharepoint);
        put.verb = http::method::put;
        put.body = "12345";
        put.fields.set("Content-Range", "bytes 0-4/9");
        put.fields.set("Content-Type", "application/octet-stream");
        CHECK(w.clock.run(w.client->send(put))->status == 202);
        CHECK(w.net.field(0, "Authorization") == "(none)");
        CHECK(w.net.field(0, "Content-Type") == "application/octet-stream");
        put.target = "https://graph.example/up?tempauth=x";
        put.preauthenticated = true;
        w.net.script(answer(202, R"({"nextExpectedRanges":["5-"]})"));
        CHECK(w.clock.run(w.client->send(put))->status == 202);
        CHECK(w.net.field(1, "Authorization") == "(none)");
        put.target = "http://contoso.sharepoint.com/up?tempauth=x";
        CHECK(w.clock.run(w.client->send(put)).error().kind == error_kind::protocol);
    }

    TEST_CASE("client: one 429 with Retry-After 120 keeps all 32 calls of the scope from sending") {
        for (auto svc : {graph::service::sharepoint, graph::service::directory}) {
            graph::client_options o;
            o.sharepoint_units_per_minute = 1250;
            world w(o);
            w.net.latency = std::chrono::milliseconds(100);
            bool refused = false;
            w.net.respond = [&](const http::request&) {
                if (!refused && w.net.requests.size() == 5) {
                    refused = true;
                    return answer(429, "", "Retry-After", "120");
                }
                return answer(200, "{}");
            };
            int good = 0;
            for (int i = 0; i < 32; ++i) {
                auto done = [&](std::exception_ptr e, core::result<http::response> r) {
                    good += !e && r.has_value();
                };
                boost::asio::co_spawn(w.io, w.client->send(w.call("/v1.0/x", svc)), done);
            }
            w.clock.drive(std::chrono::seconds(60));
            CHECK(w.client->paused_until(graph::scope(svc)).has_value());
            w.clock.drive();
            CHECK(good == 32);
            double told = 0.0;
            for (const auto& r : w.net.requests) {
                CHECK((r.at < 0.2 || r.at >= w.net.requests[4].at + 0.1 + 120));
                told = std::max(told, r.at);
            }
            CHECK(told > 120);
            CHECK_FALSE(w.client->paused_until(graph::scope(svc)).has_value());
            CHECK(w.client->stats().throttled == 1);
        }
    }

    TEST_CASE("client: a pause that begins while a call waits for its connection is obeyed") {
        world w;
        w.net.latency = std::chrono::milliseconds(100);
        w.net.connecting = std::chrono::milliseconds(700);
        w.net.respond = [&](const http::request&) {
            return w.net.requests.size() == 1 ? answer(429, "", "Retry-After", "10") : answer(200, "{}");
        };
        int good = 0;
        for (int i = 0; i < 2; ++i) {
            auto done = [&](std::exception_ptr e, core::result<http::response> r) {
                good += !e && r.has_value();
            };
            boost::asio::co_spawn(w.io, w.client->send(w.call("/v1.0/x")), done);
        }
        w.clock.drive();
        CHECK(good == 2);
        REQUIRE(w.net.requests.size() == 3);
        CHECK(w.net.requests[0].at == 0);
        CHECK(w.net.requests[1].at >= 10.1);
        CHECK(w.client->stats().requests == 3);
        CHECK(w.client->stats().retries == 1);
    }

    TEST_CASE("client: a throttled mailbox does not hold another one, and four requests at once are the most"
    ) {
        world w;
        w.net.latency = std::chrono::milliseconds(100);
        w.net.script(answer(429, "", "Retry-After", "600"));
        w.net.respond = [](const http::request&) { return answer(200, "{}"); };
        int good = 0;
        auto done = [&](std::exception_ptr e, core::result<http::response> r) {
            good += !e && r.has_value();
        };
        boost::asio::co_spawn(w.io, w.client->send(w.call("/v1.0/a", graph::service::outlook, "ann")), done);
        for (int i = 0; i < 12; ++i) {
            boost::asio::co_spawn(
                w.io, w.client->send(w.call("/v1.0/b", graph::service::outlook, "bob")), done
            );
        }
        w.clock.drive(std::chrono::seconds(30));
        CHECK(good == 12);
        CHECK(w.net.most_in_flight == 5);
        CHECK(w.client->paused_until(graph::scope(graph::service::outlook, "ann")).has_value());
        CHECK_FALSE(w.client->paused_until(graph::scope(graph::service::outlook, "bob")).has_value());
        w.clock.drive();
        CHECK(good == 13);
        CHECK(w.net.requests.back().at == doctest::Approx(600.1));
    }

    TEST_CASE("client: a caller that is cancelled in the queue leaves no gap and stops nobody") {
        world w;
        w.net.latency = std::chrono::seconds(10);
        w.net.respond = [](const http::request&) { return answer(200, "{}"); };
        boost::asio::cancellation_signal stop;
        int good = 0;
        bool cancelled = false;
        auto done = [&](std::exception_ptr e, core::result<http::response> r) {
            good += !e && r.has_value();
        };
        auto ended = [&](std::exception_ptr e, core::result<http::response>) { cancelled = e != nullptr; };
        for (int i = 0; i < 8; ++i) {
            auto task = w.client->send(w.call("/v1.0/a", graph::service::outlook, "ann"));
            if (i == 4) {
                boost::asio::co_spawn(
                    w.io, std::move(task), boost::asio::bind_cancellation_slot(stop.slot(), ended)
                );
            } else {
                boost::asio::co_spawn(w.io, std::move(task), done);
            }
        }
        w.io.poll();
        stop.emit(boost::asio::cancellation_type::terminal);
        w.clock.drive();
        CHECK(cancelled);
        CHECK(good == 7);
        CHECK(w.net.requests.size() == 7);
        CHECK(w.clock.seconds_passed() == doctest::Approx(20));
    }

    TEST_CASE("client: what was changed is not changed again because the answer is unreadable") {
        world w;
        w.net.script(answer(200, "<html>"));
        auto post = w.call("/v1.0/x");
        post.verb = http::method::post;
        CHECK(w.clock.run(w.client->get_json(post)).error().kind == error_kind::protocol);
        w.net.script(answer(200, ""));
        w.net.script(answer(200, "{}"));
        CHECK(w.clock.run(w.client->get_json(w.call("/v1.0/x"))).has_value());
    }

    // Contract 2.4, 308.
    TEST_CASE(
        "client: a stored link is its own if it leads to the configured endpoint, and to nothing like it"
    ) {
        world w;
        for (const char* own :
             {"https://graph.example/v1.0/users/delta?$deltatoken=x", "https://GRAPH.example:443/v1.0/x",
              "/v1.0/users/1/messages?$skip=10"}) {
            CAPTURE(own);
            CHECK(w.client->is_own(own));
        }
        for (const char* other :
             {"https://graph.microsoft.com/v1.0/users/delta?$deltatoken=x", "http://graph.example/v1.0/x",
              "https://graph.example:8443/v1.0/x", "https://graph.example.evil/v1.0/x",
              "https://graph.example@evil.example/v1.0/x", "walk", ""}) {
            CAPTURE(other);
            CHECK_FALSE(w.client->is_own(other));
        }
    }
}
