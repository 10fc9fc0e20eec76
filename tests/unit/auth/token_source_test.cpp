#include <doctest/doctest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include "auth/token_source_parts.hpp"
#include "support.hpp"

using namespace m365stage;
using namespace m365stage::test;
using core::error_kind;

namespace {

struct world {
    explicit world(auth::credential_kind kind = auth::credential_kind::secret) {
        who.kind = kind;
        who.login_url = "https://login.example";
        who.graph_url = "https://graph.example";
        who.tenant = "contoso.com";
        who.client_id = "app-1";
        who.secret_file = dir.file("secret", "s3cret-value\r\n");
        who.federated_token_file = dir.file("token", "outer.j.wt\n");
        who.certificate_file = dir.file("app.pem", identity().certificate + identity().key);
        source = auth::make_token_source(net, who, clock);
    }
    core::result<auth::token> get() { return clock.run(source->get()); }

    temp_dir dir;
    boost::asio::io_context io;
    fake_timing clock{io};
    fake_transport net{clock};
    auth::credential who;
    std::unique_ptr<auth::token_source> source;
};

}  // namespace

TEST_SUITE("auth") {
    TEST_CASE("source: a token is fetched once, cached, and renewed ahead of its end") {
        world w;
        w.net.latency = std::chrono::milliseconds(500);
        w.net.script(answer(200, token_json("one", 3600)));
        w.net.script(answer(200, token_json("two", 3600)));
        CHECK(w.get()->value == "one");
        CHECK(w.get()->value == "one");
        CHECK(w.net.requests.size() == 1);
        CHECK(w.net.requests[0].what.body.find("client_secret=s3cret-value&") != std::string::npos);
        w.clock.advance(std::chrono::seconds(2881));
        CHECK(w.get()->value == "one");  // valid still; the renewal goes on beside it
        CHECK(w.get()->value == "two");
        CHECK(w.net.requests.size() == 2);
    }

    TEST_CASE("source: each kind of credential proves itself in its own way") {
        SUBCASE("certificate") {
            world w(auth::credential_kind::certificate);
            w.net.script(answer(200, token_json("one", 3600)));
            REQUIRE(w.get().has_value());
            CHECK(w.net.requests[0].what.body.find("client_assertion=eyJ") != std::string::npos);
        }
        SUBCASE("federated token, read anew each time") {
            world w(auth::credential_kind::federated_token);
            w.net.script(answer(200, token_json("one", 60)));
            w.net.script(answer(200, token_json("two", 60)));
            REQUIRE(w.get().has_value());
            w.dir.file("token", "newer.j.wt\n");
            w.clock.advance(std::chrono::seconds(61));
            CHECK(w.get()->value == "two");
            CHECK(w.net.requests[0].what.body.find("client_assertion=outer.j.wt&") != std::string::npos);
            CHECK(w.net.requests[1].what.body.find("client_assertion=newer.j.wt&") != std::string::npos);
        }
        SUBCASE("managed identity, after the metadata service came up") {
            world w(auth::credential_kind::managed_identity);
            w.net.script(answer(404));
            w.net.script(answer(410));
            w.net.script(answer(200, R"({"access_token":"m","expires_in":"3599"})"));
            CHECK(w.get()->value == "m");
            CHECK(w.net.requests.size() == 3);
            CHECK(w.net.field(0, "Metadata") == "true");
        }
    }

    TEST_CASE("source: what a person has to mend is named in the section of the app that signs in") {
        world w;
        for (const std::string section : {"app", "restore_app"}) {
            CAPTURE(section);
            w.who.section = section;
            w.source = auth::make_token_source(w.net, w.who, w.clock);
            w.net.script(answer(400, login_error("unauthorized_client", 700016, "Application not found.")));
            CHECK(w.get().error().hint.find("check " + section + ".client_id and tenant.id") == 0);
            w.who.secret_file = w.dir.path("none");
            w.source = auth::make_token_source(w.net, w.who, w.clock);
            CHECK(w.get().error().hint == "check the path in " + section);
            w.who.secret_file = w.dir.path("secret");
        }
    }

    TEST_CASE("source: 32 callers share one renewal and its result") {
        world w;
        w.net.latency = std::chrono::milliseconds(500);
        w.net.script(answer(200, token_json("one", 3600)));
        int good = 0;
        for (int i = 0; i < 32; ++i) {
            auto done = [&](std::exception_ptr e, core::result<auth::token> t) {
                good += !e && t && t->value == "one";
            };
            boost::asio::co_spawn(w.io, w.source->get(), done);
        }
        w.clock.drive();
        CHECK(good == 32);
        CHECK(w.net.requests.size() == 1);
    }

    TEST_CASE("source: 32 callers share one failure as well, and it is not asked again at once") {
        world w;
        w.net.script(answer(401, login_error("invalid_client", 7000215, "Invalid client secret provided.")));
        int refused = 0;
        for (int i = 0; i < 32; ++i) {
            auto done = [&](std::exception_ptr e, core::result<auth::token> t) {
                refused += !e && !t && t.error().kind == error_kind::auth_refused;
            };
            boost::asio::co_spawn(w.io, w.source->get(), done);
        }
        w.clock.drive();
        CHECK(refused == 32);
        CHECK(w.get().error().code == "AADSTS7000215");
        CHECK(w.net.requests.size() == 1);
        w.clock.advance(std::chrono::seconds(11));
        w.net.script(answer(200, token_json("mended", 3600)));
        CHECK(w.get()->value == "mended");
    }

    TEST_CASE("source: a caller that is cancelled does not cancel the renewal of the others") {
        world w;
        w.net.latency = std::chrono::milliseconds(500);
        w.net.script(answer(200, token_json("one", 3600)));
        boost::asio::cancellation_signal stop;
        bool cancelled = false;
        auto first = [&](std::exception_ptr e, core::result<auth::token>) { cancelled = e != nullptr; };
        boost::asio::co_spawn(
            w.io, w.source->get(), boost::asio::bind_cancellation_slot(stop.slot(), std::move(first))
        );
        std::string got;
        auto second = [&](std::exception_ptr, core::result<auth::token> t) { got = t ? t->value : "error"; };
        boost::asio::co_spawn(w.io, w.source->get(), second);
        w.io.poll();
        stop.emit(boost::asio::cancellation_type::terminal);
        w.clock.drive();
        CHECK(cancelled);
        CHECK(got == "one");
        CHECK(w.net.requests.size() == 1);
    }

    TEST_CASE("source: going away in the middle of a renewal ends it and its waiters") {
        world w;
        w.net.latency = std::chrono::hours(1);
        w.net.script(answer(200, token_json("one", 3600)));
        bool ended = false;
        auto done = [&](std::exception_ptr, core::result<auth::token> t) {
            ended = t.has_error() && t.error().kind == error_kind::cancelled;
        };
        boost::asio::co_spawn(w.io, w.source->get(), done);
        w.io.poll();
        w.source.reset();
        w.clock.drive();
        CHECK(ended);
        CHECK(w.net.in_flight == 0);
        CHECK(w.clock.seconds_passed() < 1);
    }

    TEST_CASE("source: stopped, it leaves nothing running, whatever it waits for") {
        world w;
        bool ended = false;
        auto done = [&](std::exception_ptr, core::result<auth::token> t) {
            ended = t.has_error() && t.error().kind == error_kind::cancelled;
        };
        SUBCASE("the pause that the login service wants") {
            w.net.script(answer(429, "", "Retry-After", "300"));
        }
        SUBCASE("the pause after a refused connection") {
            w.net.script(core::error(error_kind::transport, "connection refused"));
        }
        SUBCASE("an answer") {
            w.net.latency = std::chrono::hours(1);
            w.net.script(answer(200, token_json("one", 3600)));
        }
        boost::asio::co_spawn(w.io, w.source->get(), done);
        w.io.poll();
        CHECK(w.source->is_renewing());
        w.source->stop();
        w.clock.drive();
        CHECK(ended);
        CHECK_FALSE(w.source->is_renewing());
        CHECK(w.net.in_flight == 0);
        CHECK(w.clock.seconds_passed() < 1);
    }

    TEST_CASE("source: a renewal ahead of time, which nobody waits for, is stopped as well") {
        world w;
        w.net.script(answer(200, token_json("one", 3600)));
        CHECK(w.get()->value == "one");
        w.clock.advance(std::chrono::seconds(2881));
        w.net.script(answer(429, "", "Retry-After", "300"));
        boost::asio::co_spawn(w.io, w.source->get(), [](std::exception_ptr, core::result<auth::token>) {});
        w.io.restart();
        w.io.poll();
        const auto before = w.clock.seconds_passed();
        CHECK(w.source->is_renewing());
        w.source->stop();
        w.clock.drive();
        CHECK_FALSE(w.source->is_renewing());
        CHECK(w.clock.seconds_passed() - before < 1);
        CHECK(w.get()->value == "one");
    }

    TEST_CASE("source: who asks after a stop obeys the Retry-After from before it") {
        world w;
        w.net.script(answer(429, "", "Retry-After", "77"));
        boost::asio::co_spawn(w.io, w.source->get(), [](std::exception_ptr, core::result<auth::token>) {});
        w.io.poll();
        w.source->stop();
        w.clock.drive();
        w.net.script(answer(200, token_json("one", 3600)));
        CHECK(w.get()->value == "one");
        CHECK(w.net.requests[1].at == doctest::Approx(77));
    }

    TEST_CASE("source: transient trouble is retried with jitter, five tries in all") {
        world w;
        w.net.script(core::error(error_kind::transport, "connection reset"));
        w.net.script(answer(503, "<html>"));
        w.net.script(answer(400, login_error("temporarily_unavailable", 90033, "A transient error.")));
        w.net.script(answer(200, token_json("one", 3600)));
        CHECK(w.get()->value == "one");
        CHECK(w.clock.seconds_passed() == doctest::Approx(1 + 2 + 4));

        world down;
        for (int i = 0; i < 9; ++i) {
            down.net.script(answer(500, ""));
        }
        auto got = down.get();
        REQUIRE(got.has_error());
        CHECK(got.error().kind == error_kind::server);
        CHECK(down.net.requests.size() == 5);
    }

    TEST_CASE("source: a token whose life is nonsense is not asked for again, HTML in its place is") {
        world w;
        w.net.respond = [](const http::request&) {
            return answer(200, R"({"access_token":"x","expires_in":-1})");
        };
        CHECK(w.get().error().kind == error_kind::auth_refused);
        CHECK(w.net.requests.size() == 1);
        world portal;
        portal.net.script(answer(200, "<html>"));
        portal.net.script(answer(200, R"({"access_token":"x"})"));
        CHECK(portal.get()->value == "x");
        portal.clock.advance(std::chrono::minutes(5));
        portal.net.script(answer(200, token_json("two", 3600)));
        CHECK(portal.get()->value == "two");
    }

    TEST_CASE("source: Retry-After of the login service is obeyed") {
        world w;
        w.net.script(answer(429, "", "Retry-After", "77"));
        w.net.script(answer(200, token_json("one", 3600)));
        CHECK(w.get().has_value());
        CHECK(w.net.requests[1].at == doctest::Approx(77));
    }

    TEST_CASE("source: an assertion outside its window is made anew once, then the clock is named") {
        world w(auth::credential_kind::certificate);
        std::string late =
            login_error("invalid_client", 700024, "Client assertion is not within its valid time range.");
        w.net.script(answer(401, late));
        w.net.script(answer(401, late));
        auto got = w.get();
        REQUIRE(got.has_error());
        CHECK(got.error().kind == error_kind::auth_refused);
        CHECK(got.error().hint.find("clock") != std::string::npos);
        REQUIRE(w.net.requests.size() == 2);
        CHECK(w.net.requests[0].what.body != w.net.requests[1].what.body);
    }

    TEST_CASE("source: a valid token is used on while its renewal fails") {
        world w;
        w.net.latency = std::chrono::milliseconds(500);
        w.net.script(answer(200, token_json("one", 3600)));
        CHECK(w.get()->value == "one");
        w.clock.advance(std::chrono::seconds(2881));
        for (int i = 0; i < 5; ++i) {
            w.net.script(answer(503, ""));
        }
        CHECK(w.get()->value == "one");
        CHECK(w.get()->value == "one");
        CHECK(w.net.requests.size() == 6);
        w.clock.advance(std::chrono::seconds(31));
        w.net.script(answer(200, token_json("two", 3600)));
        CHECK(w.get()->value == "one");
        CHECK(w.get()->value == "two");
    }

    TEST_CASE("source: reject drops that very token, sends its claims once, and ignores older tokens") {
        world w;
        w.net.script(answer(200, token_json("one", 3600)));
        w.net.script(answer(200, token_json("two", 3600)));
        w.net.script(answer(200, token_json("three", 3600)));
        CHECK(w.get()->value == "one");
        w.source->reject("one", R"({"access_token":{"nbf":{"essential":true}}})");
        CHECK(w.get()->value == "two");
        CHECK(w.net.requests[1].what.body.find("&claims=%7B%22access_token%22") != std::string::npos);
        w.source->reject("one", "");
        CHECK(w.get()->value == "two");
        CHECK(w.net.requests.size() == 2);
        w.source->reject("two", "");
        CHECK(w.get()->value == "three");
        CHECK(w.net.requests[2].what.body.find("claims") == std::string::npos);
    }

    TEST_CASE("source: no error holds the secret, and every one says who signed in where") {
        world w;
        w.net.script(answer(401, login_error("invalid_client", 7000215, "Invalid client secret provided.")));
        std::string text = core::describe(w.get().error());
        CHECK(text.find("s3cret") == std::string::npos);
        CHECK(text.find("Trace ID") == std::string::npos);
        CHECK(text.find("sign in as app app-1 in tenant contoso.com") != std::string::npos);
        CHECK(text.find("AADSTS7000215") != std::string::npos);
    }

    TEST_CASE("source: a missing or empty secret file is named and nothing is sent") {
        world w;
        w.dir.file("secret", "\n");
        auto got = w.get();
        REQUIRE(got.has_error());
        CHECK(got.error().kind == error_kind::usage);
        CHECK(core::describe(got.error()).find(w.who.secret_file) != std::string::npos);
        CHECK(w.net.requests.empty());
    }
}
