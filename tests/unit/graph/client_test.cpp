#include <doctest/doctest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <nlohmann/json.hpp>

#include "../../support/fake_transport.hpp"
#include "auth/encoding.hpp"
#include "auth/token_source.hpp"
#include "graph/client_parts.hpp"
#include "graph/paging.hpp"

using namespace m365stage;
using namespace m365stage::test;
using core::error_kind;

namespace {

class fake_tokens final : public auth::token_source {
public:
    auth::task<core::result<auth::token>> get() override {
        if (failure) {
            co_return *failure;
        }
        auth::token out;
        out.value = "token-" + std::to_string(number);
        if (clock != nullptr) {
            out.expires = clock->wall() + life;
            out.ends = clock->now() + life;
        }
        ++asked;
        co_return out;
    }
    void reject(const std::string& rejected, std::string claims) override {
        rejections.emplace_back(rejected, std::move(claims));
        ++number;
    }
    int number = 1;
    int asked = 0;
    const fake_timing* clock = nullptr;  ///< set: tokens end after `life`
    std::chrono::seconds life{60};
    std::optional<core::error> failure;
    std::vector<std::pair<std::string, std::string>> rejections;
};

struct world {
    explicit world(graph::client_options o = graph::client_options()) {
        o.graph_url = "https://graph.example";
        client = graph::make_client(net, tokens, o, clock);
    }
    graph::call call(
        std::string target, graph::service svc = graph::service::directory, std::string key = {}
    ) {
        graph::call out;
        out.target = std::move(target);
        out.where = graph::scope(svc, std::move(key));
        out.object = "users/ann";
        return out;
    }
    boost::asio::io_context io;
    fake_timing clock{io};
    fake_transport net{clock};
    fake_tokens tokens;
    std::unique_ptr<graph::client> client;
};

}  // namespace

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
