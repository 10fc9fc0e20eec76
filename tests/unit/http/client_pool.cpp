#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>

#include "client_fixture.hpp"

namespace m365stage::test {

namespace asio = boost::asio;
using core::error_kind;

namespace {

/// One call that runs on its own, with what became of it.
struct call {
    answer_result got = http::response();
    std::exception_ptr thrown;
    bool done = false;
    asio::cancellation_signal cancel;

    bool was_cancelled() const {
        try {
            if (thrown) {
                std::rethrow_exception(thrown);
            }
        } catch (const boost::system::system_error& e) {
            return e.code() == asio::error::operation_aborted;
        }
        return false;
    }
};

void start(client_fixture& f, call& c, http::request r) {
    auto finished = [&c](std::exception_ptr e, answer_result got) {
        c.thrown = e;
        c.done = true;
        if (!e) {
            c.got = std::move(got);
        }
    };
    asio::co_spawn(
        f.io, f.client->send(std::move(r)), asio::bind_cancellation_slot(c.cancel.slot(), finished)
    );
}

http::client_options limits(std::size_t per_origin, std::size_t total) {
    http::client_options out;
    out.max_connections_per_origin = per_origin;
    out.max_connections = total;
    return out;
}

}  // namespace

TEST_SUITE("http: pool") {
    TEST_CASE("a stale connection is replaced in silence, once, and only if nothing had come") {
        std::atomic<int> served{0};
        client_fixture f([&](peer& p) {
            std::string r = p.read_request();
            if (!r.empty()) {
                ++served;
                p.write(answer(r));
            }
            p.read_request();  // the next one finds the connection closed
        });
        auto r = f.get("/");
        r.verb = http::method::post;
        r.body = "b";
        for (int i = 0; i < 3; ++i) {
            const auto got = f.send(r);
            REQUIRE(got);
            CHECK(got->body.ends_with("\r\n\r\nb"));
        }
        CHECK(served == 3);
        CHECK(f.server.connections() == 3);
        r.repeatable = false;  // the peer may have read it before it closed
        const auto got = f.send(r);
        REQUIRE_FALSE(got);
        CHECK(got.error().kind == error_kind::transport);
        CHECK(served == 3);
        CHECK(f.server.connections() == 3);
    }

    TEST_CASE("a request that may not be sent any more leaves its connection to the next one") {
        std::atomic<int> served{0};
        client_fixture f([&](peer& p) {
            while (!p.read_request().empty()) {
                ++served;
                p.write(answer("ok"));
            }
        });
        auto r = f.get("/");
        int asked = 0;
        r.may_send = [&] { return ++asked > 1; };
        const auto kept = f.send(r);
        REQUIRE_FALSE(kept);
        CHECK(http::was_held_back(kept.error()));
        CHECK(served == 0);
        CHECK(f.send(r));
        CHECK(asked == 2);
        CHECK(served == 1);
        CHECK(f.server.connections() == 1);
    }

    TEST_CASE("a reused connection that dies in the middle of an answer is not repeated") {
        client_fixture f([](peer& p) {
            p.read_request();
            p.write(answer("ok"));
            p.read_request();
            p.write("HTTP/1.1 200 OK\r\nContent-Le");
        });
        CHECK(f.send(f.get("/")));
        const auto got = f.send(f.get("/"));
        REQUIRE_FALSE(got);
        CHECK(got.error().kind == error_kind::transport);
        CHECK(f.server.connections() == 1);
    }

    TEST_CASE("bytes behind an answer make the connection unfit") {
        client_fixture f([](peer& p) {
            while (!p.read_request().empty()) {
                p.write(answer("ok") + "HTTP/1.1 200 OK\r\n");
            }
        });
        CHECK(f.send(f.get("/")));
        CHECK(f.send(f.get("/")));
        CHECK(f.server.connections() == 2);
    }

    TEST_CASE("an idle connection older than keep_idle is not used") {
        http::client_options options;
        options.keep_idle = std::chrono::seconds(0);
        client_fixture f(
            [](peer& p) {
                while (!p.read_request().empty()) {
                    p.write(answer("ok"));
                }
            },
            options
        );
        CHECK(f.send(f.get("/")));
        CHECK(f.send(f.get("/")));
        CHECK(f.server.connections() == 2);
    }

    TEST_CASE("no more connections than allowed, the rest waits in order") {
        std::atomic<int> at_once{0}, most{0};
        client_fixture f(
            [&](peer& p) {
                for (std::string r = p.read_request(); !r.empty(); r = p.read_request()) {
                    const int now = ++at_once;
                    int seen = most;
                    while (seen < now && !most.compare_exchange_weak(seen, now)) {
                    }
                    --at_once;
                    p.write(answer(r));
                }
            },
            limits(2, 100)
        );
        std::vector<call> calls(20);
        for (std::size_t i = 0; i < calls.size(); ++i) {
            start(f, calls[i], f.get("/" + std::to_string(i)));
        }
        f.io.run_for(20s);
        for (std::size_t i = 0; i < calls.size(); ++i) {
            REQUIRE(calls[i].done);
            REQUIRE(calls[i].got);
            CHECK(calls[i].got->body.starts_with("GET /" + std::to_string(i) + " "));
        }
        CHECK(most <= 2);
        CHECK(f.server.connections() == 2);
    }

    TEST_CASE("the total limit closes the idle connections of other origins") {
        const auto serve = [](peer& p) {
            while (!p.read_request().empty()) {
                p.write(answer("ok"));
            }
        };
        client_fixture f(serve, limits(1, 1));
        server other(serve, &good_identity());
        http::request r;
        for (int i = 0; i < 2; ++i) {
            CHECK(f.send(f.get("/")));
            r.url = other.url();
            CHECK(f.send(r));
        }
        CHECK(f.server.connections() == 2);
        CHECK(other.connections() == 2);
    }

    TEST_CASE("cancelling a call that waits for an answer, and one that waits for its turn") {
        std::vector<call> calls(3);
        client_fixture* self = nullptr;
        client_fixture f(
            [&](peer& p) {
                if (p.read_request().starts_with("GET /slow")) {
                    asio::post(self->io, [&] {
                        calls[1].cancel.emit(asio::cancellation_type::terminal);
                        calls[0].cancel.emit(asio::cancellation_type::terminal);
                    });
                    p.wait_for_close();
                } else {
                    p.write(answer("ok"));
                    p.wait_for_close();
                }
            },
            limits(1, 1)
        );
        self = &f;
        start(f, calls[0], f.get("/slow"));
        start(f, calls[1], f.get("/never"));
        start(f, calls[2], f.get("/after"));
        f.io.run_for(20s);
        CHECK(calls[0].was_cancelled());
        CHECK(calls[1].was_cancelled());
        REQUIRE(calls[2].done);
        REQUIRE(calls[2].got);
        CHECK(calls[2].got->body == "ok");
        CHECK(f.server.connections() == 2);
    }

    TEST_CASE("cancelling during the TLS handshake") {
        call c;
        client_fixture* self = nullptr;
        client_fixture f(
            [&](peer& p) {
                asio::post(self->io, [&] { c.cancel.emit(asio::cancellation_type::terminal); });
                p.wait_for_close();
            },
            {}, nullptr
        );
        self = &f;
        auto r = f.get("/");
        r.url = "https" + r.url.substr(4);
        start(f, c, r);
        f.io.run_for(20s);
        CHECK(c.done);
        CHECK(c.was_cancelled());
    }

    TEST_CASE("64 downloads at once, and an idle client lets run() end") {
        const std::string content(300'000, 'c');
        client_fixture f([&](peer& p) {
            while (!p.read_request().empty()) {
                p.write(answer(content));
            }
        });
        std::vector<call> calls(64);
        std::vector<memory_sink> sinks(calls.size());
        for (std::size_t i = 0; i < calls.size(); ++i) {
            auto finished = [&c = calls[i]](std::exception_ptr e, answer_result got) {
                c.thrown = e;
                c.done = true;
                c.got = std::move(got);
            };
            asio::co_spawn(f.io, f.client->download(f.get("/"), sinks[i]), finished);
        }
        f.io.run_for(60s);
        CHECK(f.io.stopped());  // ran out of work, not of time
        for (std::size_t i = 0; i < calls.size(); ++i) {
            REQUIRE(calls[i].got);
            CHECK(sinks[i].bytes == content);
        }
        CHECK(f.server.connections() <= 64);
    }
}

}  // namespace m365stage::test
