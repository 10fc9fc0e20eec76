#include <doctest/doctest.h>

#include <chrono>
#include <random>

#include "fixture.hpp"

namespace m365stage::test {
namespace {

using clock = std::chrono::steady_clock;

TEST_SUITE("api server under abuse") {
    TEST_CASE("1,000 requests of random bytes each end with 400 or the end of the connection") {
        running r;
        std::mt19937 random(7);
        const std::string beginnings[] = {
            "",
            "GET ",
            "GET / HTTP/1.1\r\n",
            "POST /api/v1/passes HTTP/1.1\r\nContent-Length: ",
            "\x16\x03\x01\x02",
            "GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n"
        };
        int answered = 0;
        for (int i = 0; i < 1000; ++i) {
            client c(r);
            std::string bytes = beginnings[random() % std::size(beginnings)];
            for (auto n = random() % 400; n > 0; --n) {
                bytes += static_cast<char>(random());
            }
            c.send(bytes);
            c.shutdown_sending();
            const auto got = c.receive();
            CHECK((got.status == 0 || got.status >= 400));
            answered += got.status >= 400 ? 1 : 0;
        }
        CHECK(answered > 300);
        client c(r);
        CHECK(c.ask("GET /healthz").status == 200);
    }

    TEST_CASE("what is too long is refused: header, body, and what is not HTTP/1") {
        running r;
        {
            client c(r);
            CHECK(c.ask("GET /healthz", "X: " + std::string(20'000, 'x') + "\r\n").status == 431);
        }
        {
            client c(r);
            CHECK(c.ask("POST /api/v1/passes", "", std::string(70'000, ' ')).status == 413);
            CHECK(c.is_closed());
        }
        {
            client c(r);
            c.send("GET /healthz HTTP/3.0\r\n\r\n");
            CHECK(c.receive().status >= 400);
        }
        {
            client c(r);
            c.send(
                "POST /api/v1/passes HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Type: "
                "application/json\r\n\r\n"
            );
            c.send("5\r\n{\"onl\r\n8\r\ny\": \"a\"}\r\n0\r\n\r\n");
            CHECK(c.receive().status == 202);
        }
        {
            client c(r);
            c.send("POST /api/v1/passes HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}");
            CHECK(c.receive().status == 415);
        }
        {
            client c(r);
            c.send(
                "POST /api/v1/passes HTTP/1.1\r\nExpect: 100-continue\r\nContent-Type: application/json\r\n"
                "Content-Length: 2\r\n\r\n"
            );
            CHECK(c.receive().status == 100);
            c.send("{}");
            CHECK(c.receive().status == 202);
        }
    }

    TEST_CASE("200 connections that send nothing hold up nobody; the oldest of them make room") {
        running r;
        std::vector<client> silent;
        for (int i = 0; i < 200; ++i) {
            silent.emplace_back(r);
        }
        const auto begun = clock::now();
        for (int i = 0; i < 50; ++i) {
            client c(r);
            CHECK(c.ask("GET /healthz").status == 200);
        }
        CHECK(clock::now() - begun < std::chrono::seconds(5));
        CHECK(silent.front().is_closed());
        CHECK(silent.back().ask("GET /healthz").status == 200);
    }

    TEST_CASE("when all connections are at work, a new one is told so at once") {
        running r([](api::server_options& o) { o.most_connections = 2; });
        std::vector<client> busy;
        for (int i = 0; i < 2; ++i) {
            busy.emplace_back(r);
            busy.back().send("GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n");
            busy.back().read_until("begin");
        }
        client c(r);
        const auto told = c.ask("GET /healthz");
        CHECK(told.status == 503);
        CHECK(told.field("Retry-After") == "5");
        client tcp(r, true);  // the other door is not affected
        CHECK(
            tcp.ask("GET /healthz", "Host: localhost:" + std::to_string(r.server->port()) + "\r\n").status ==
            200
        );
    }

    TEST_CASE("a request that comes byte by byte is cut off, a connection that is idle as well") {
        running r([](api::server_options& o) {
            o.request = std::chrono::milliseconds(150);
            o.idle = std::chrono::milliseconds(300);
        });
        client slow(r);
        slow.send("GET /heal");
        CHECK(slow.is_closed());
        client idle(r);
        CHECK(idle.ask("GET /healthz").status == 200);
        CHECK(idle.is_closed());
    }

    TEST_CASE("an answer that nobody reads is given up, and nobody else waits for it") {
        running r([](api::server_options& o) { o.write = std::chrono::milliseconds(200); });
        client deaf(r);
        std::string many;
        for (int i = 0; i < 2000; ++i) {
            many += "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
        }
        deaf.send(many);
        client c(r);
        CHECK(c.ask("GET /healthz").status == 200);
        r.wait_until([&] {
            return r.service.waiting == 0;  // the thread runs
        });
    }

    TEST_CASE("one connection answers 5,000 requests in a row, also those that came together") {
        running r;
        client c(r);
        for (int i = 0; i < 5000; ++i) {
            REQUIRE(c.ask(i % 2 == 0 ? "GET /healthz" : "HEAD /readyz").status == 200);
        }
        std::string together;
        for (int i = 0; i < 100; ++i) {
            together += "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
        }
        c.send(together);
        for (int i = 0; i < 100; ++i) {
            REQUIRE(c.receive().status == 200);
        }
        c.send("GET /healthz HTTP/1.0\r\n\r\n");
        CHECK(c.receive().field("Connection") == "close");
        CHECK(c.is_closed());
    }

    TEST_CASE("the server ends in time with clients of every kind connected") {
        running r;
        client silent(r);
        client half(r);
        half.send("GET /heal");
        client listening(r);
        listening.send("GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n");
        listening.read_until("begin");
        client waiting(r);
        waiting.send(
            "POST /api/v1/passes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
            "13\r\n\r\n{\"wait\": 600}"
        );
        r.wait_until([&] { return r.service.waiting == 1; });
        const auto begun = clock::now();
        r.stop_and_join();
        CHECK(clock::now() - begun < std::chrono::seconds(4));
        CHECK(r.service.cancelled == 1);
    }
}

}  // namespace
}  // namespace m365stage::test
