#include "http/reach.hpp"

#include <doctest/doctest.h>

#include "../../support/fake_transport.hpp"
#include "../../support/run_coro.hpp"

namespace m365stage::test {

using namespace std::chrono_literals;
using core::error_kind;

namespace {

struct watched {
    watched() {
        auto scripted = std::make_unique<fake_transport>(clock);
        net = scripted.get();
        reach.emplace(std::move(scripted), clock);
    }
    void ask(core::result<http::response> outcome) {
        net->respond = [outcome](const http::request&) { return outcome; };
        run_coro(io, [&]() -> boost::asio::awaitable<void> {
            http::request r;
            co_await reach->send(std::move(r));
        });
    }
    void download(core::result<http::response> outcome) {
        net->respond = [outcome](const http::request&) { return outcome; };
        run_coro(io, [&]() -> boost::asio::awaitable<void> {
            http::request r;
            co_await reach->download(std::move(r), sink);
        });
    }
    bool silent() const { return reach->trouble().has_value(); }

    boost::asio::io_context io;
    fake_timing clock{io};
    fake_transport* net = nullptr;
    text_sink sink;
    std::optional<http::reach_watch> reach;
};

core::error refused(const char* why = "Connection refused") {
    return core::error(error_kind::transport, why);
}

}  // namespace

TEST_SUITE("http: reach") {
    TEST_CASE("the first failure of all is silence, and an answer ends it") {
        watched w;
        CHECK_FALSE(w.silent());
        w.ask(refused());
        REQUIRE(w.silent());
        CHECK(w.reach->trouble()->since == w.clock.wall());
        CHECK(w.reach->trouble()->why.cause == "Connection refused");
        w.ask(core::error(error_kind::timeout, "nothing came"));
        CHECK(w.reach->trouble()->why.cause == "nothing came");  // the latest
        w.ask(answer(503));
        CHECK_FALSE(w.silent());
    }

    TEST_CASE("a failure among answers is nothing to talk about; after a while without any it is") {
        watched w;
        w.ask(answer(200));
        w.ask(refused());
        CHECK_FALSE(w.silent());
        w.clock.advance(5s);
        w.ask(refused());
        CHECK(w.silent());
    }

    TEST_CASE("how far the clock here is ahead is told by the dates of answers") {
        watched w;
        w.ask(answer(200, "{}"));
        w.ask(answer(200, "{}", "Date", "yesterday"));
        CHECK_FALSE(w.reach->clock_lead());
        w.ask(answer(200, "{}", "Date", "Wed, 18 Nov 2026 11:06:00 GMT"));
        CHECK(w.reach->clock_lead() == 40s);
        w.clock.wall_set_by = -1h;
        w.download(answer(404, "", "Date", "Wed, 18 Nov 2026 11:06:00 GMT"));
        CHECK(w.reach->clock_lead() == 40s - 1h);
    }

    TEST_CASE("downloads count as well, and what is no matter of the network does not") {
        watched w;
        w.ask(core::error(error_kind::protocol, "not HTTP"));
        w.download(core::error(error_kind::disk, "full"));
        CHECK_FALSE(w.silent());
        w.download(refused());
        CHECK(w.silent());
        w.download(answer(200, "bytes"));
        CHECK_FALSE(w.silent());
        CHECK(w.sink.text == "bytes");
    }
}

}  // namespace m365stage::test
