#include "http/answer.hpp"

#include <doctest/doctest.h>

#include "../../support/doctest_result.hpp"

namespace m365stage::test {

using namespace http;
using core::error_kind;

namespace {

answer_limits bounded(std::uint64_t bytes) {
    answer_limits out;
    out.max_body_bytes = bytes;
    return out;
}

/// Gives `bytes` in pieces of `step`, keeping what the parser leaves over, as the exchange does.
core::result<void> give(answer_parser& p, std::string_view bytes, std::size_t step) {
    std::string rest;
    for (std::size_t i = 0; i < bytes.size(); i += step) {
        rest += bytes.substr(i, step);
        auto used = p.feed(rest);
        if (!used) {
            return used.error();
        }
        rest.erase(0, *used);
    }
    return {};
}

}  // namespace

TEST_SUITE("http: answer parser") {
    TEST_CASE("any division into reads gives the same answer") {
        const std::string chunked =
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nA: b\r\n\r\n"
            "3;ext=1\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nTrailer: t\r\n\r\n";
        for (std::size_t step = 1; step <= chunked.size(); ++step) {
            CAPTURE(step);
            answer_parser p(bounded(100));
            REQUIRE(give(p, chunked, step));
            CHECK(p.is_done());
            CHECK(p.can_reuse());
            CHECK(p.head().status == 200);
            CHECK(p.body() == "abc0123456789abcdef");
            CHECK(p.head().fields.find("a") == "b");
            CHECK_FALSE(p.head().fields.find("Link"));
            CHECK_FALSE(p.head().fields.find("Trailer"));
        }
    }

    TEST_CASE("bytes behind the answer are not taken") {
        answer_parser p(bounded(100));
        const std::string whole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        const auto used = p.feed(whole + "HTTP/1.1 200 OK\r\n");
        REQUIRE(used);
        CHECK(*used == whole.size());
    }

    TEST_CASE("no body where none can be") {
        SUBCASE("204") {
            answer_parser p(bounded(0));
            REQUIRE(give(p, "HTTP/1.1 204 No Content\r\n\r\n", 1000));
            CHECK(p.can_reuse());
        }
        SUBCASE("304 with a length") {
            answer_parser p(bounded(0));
            REQUIRE(give(p, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 1000));
            CHECK(p.can_reuse());
        }
        SUBCASE("HEAD with a huge length") {
            auto limits = bounded(10);
            limits.head_only = true;
            answer_parser p(limits);
            REQUIRE(give(p, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n", 1000));
            CHECK(p.can_reuse());
            CHECK(p.body().empty());
        }
    }

    TEST_CASE("Connection: close and HTTP/1.0 are not used again") {
        answer_parser p(bounded(10));
        REQUIRE(give(p, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 1000));
        CHECK(p.is_done());
        CHECK_FALSE(p.can_reuse());
        answer_parser old(bounded(10));
        REQUIRE(give(old, "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 1000));
        CHECK_FALSE(old.can_reuse());
    }

    TEST_CASE("the end of the connection: whole, early, never begun") {
        answer_parser open_end(bounded(10));
        REQUIRE(give(open_end, "HTTP/1.1 200 OK\r\n\r\nabc", 1000));
        CHECK_FALSE(open_end.is_done());
        CHECK(open_end.finish());
        CHECK(open_end.is_done());
        CHECK(open_end.body() == "abc");

        answer_parser early(bounded(10));
        REQUIRE(give(early, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", 1000));
        const auto cut = early.finish();
        REQUIRE_FALSE(cut);
        CHECK(cut.error().kind == error_kind::transport);
        CHECK(cut.error().cause == "the body ended early after 3 of 5 bytes");

        answer_parser chunked(bounded(10));
        REQUIRE(give(chunked, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 1000));
        const auto cut_chunk = chunked.finish();
        REQUIRE_FALSE(cut_chunk);
        CHECK(cut_chunk.error().cause == "the body ended early after 3 bytes");

        answer_parser nothing(bounded(10));
        CHECK(nothing.finish().error().kind == error_kind::transport);
    }

    TEST_CASE("bounds: header, declared body, chunked body") {
        answer_parser header(bounded(10));
        const std::string field = "X: " + std::string(1000, 'x') + "\r\n";
        std::string huge = "HTTP/1.1 200 OK\r\n";
        for (int i = 0; i < 70; ++i) {
            huge += field;
        }
        CHECK(give(header, huge + "\r\n", 16'000).error().kind == error_kind::too_large);
        answer_parser declared(bounded(10));
        CHECK(
            give(declared, "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", 99).error().kind ==
            error_kind::too_large
        );
        answer_parser chunked(bounded(10));
        CHECK(
            give(chunked, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n0123456789a\r\n", 99)
                .error()
                .kind == error_kind::too_large
        );
        answer_parser exact(bounded(10));
        CHECK(give(
            exact, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n", 99
        ));
    }

    TEST_CASE("a download is bounded only if it failed") {
        auto limits = bounded(2);
        limits.unbounded_success = true;
        answer_parser good(limits);
        CHECK(give(good, "HTTP/1.1 206 Partial\r\nContent-Length: 3\r\n\r\nabc", 99));
        answer_parser bad(limits);
        CHECK(
            give(bad, "HTTP/1.1 404 Gone\r\nContent-Length: 3\r\n\r\nabc", 99).error().kind ==
            error_kind::too_large
        );
    }

    TEST_CASE("what is not HTTP is refused") {
        for (std::string_view bytes :
             {"<html>\r\n\r\n", "HTTP/1.1 abc OK\r\n\r\n", "HTTP/3.1 200 OK\r\n\r\n",
              "HTTP/1.1 200 OK\r\nbad field\r\n\r\n", "HTTP/1.1 200 OK\r\nA\x01: b\r\n\r\n",
              "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
              "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 101 Switch\r\n\r\n"}) {
            CAPTURE(bytes);
            answer_parser p(bounded(100));
            const auto got = give(p, bytes, 1000);
            REQUIRE_FALSE(got);
            CHECK(got.error().kind == error_kind::protocol);
        }
    }
}

}  // namespace m365stage::test
