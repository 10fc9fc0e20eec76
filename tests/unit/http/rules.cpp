#include <doctest/doctest.h>

#include "../../support/doctest_result.hpp"
#include "../../support/gzip.hpp"
#include "http/gzip.hpp"
#include "http/http.hpp"
#include "http/progress.hpp"
#include "http/range.hpp"
#include "http/redirect.hpp"
#include "http/slots.hpp"
#include "http/wire.hpp"

namespace m365stage::test {

using namespace http;
using namespace std::chrono_literals;
using core::error_kind;

TEST_SUITE("http: rules") {
    TEST_CASE("header_list: names compare without case, set replaces all, add keeps") {
        header_list l;
        l.add("Prefer", "a");
        l.add("Other", "o");
        l.add("PREFER", "b");
        CHECK(l.find("prefer") == "a");
        l.set("pReFer", "c");
        CHECK(l.find("Prefer") == "c");
        CHECK(l.all().size() == 2);
        l.erase("OTHER");
        CHECK_FALSE(l.find("Other"));
    }

    TEST_CASE("parse_url: takes apart what is fine and keeps the target to the letter") {
        struct row {
            std::string_view url, scheme, host, port, target;
        };
        const row rows[] = {
            {"https://Graph.Microsoft.com/v1.0/a%20b?$x=%2F'", "https", "graph.microsoft.com", "443",
             "/v1.0/a%20b?$x=%2F'"},
            {"http://127.0.0.1:8080", "http", "127.0.0.1", "8080", "/"},
            {"HTTPS://h?q", "https", "h", "443", "/?q"},
            {"https://h/p#fragment", "https", "h", "443", "/p"},
            {"https://[2001:DB8::1]:444/x", "https", "2001:db8::1", "444", "/x"},
            {"https://h:/x", "https", "h", "443", "/x"},
        };
        for (const auto& r : rows) {
            CAPTURE(r.url);
            const auto got = parse_url(r.url);
            REQUIRE(got);
            CHECK(got->scheme == r.scheme);
            CHECK(got->host == r.host);
            CHECK(got->port == r.port);
            CHECK(got->target == r.target);
        }
    }

    TEST_CASE("parse_url: refuses the rest without showing it") {
        for (std::string_view url :
             {"", "graph/x?secret", "ftp://h/secret", "https://", "https:///secret", "https://user:secret@h/",
              "https://h:0/secret", "https://h:70000/secret", "https://h:1x/secret", "https://h/a secret",
              "https://h/\r\nsecret", "https://[::1/secret", "https://[h]/secret", "https://[::1]x/secret",
              "https://h<secret>/"}) {
            CAPTURE(url);
            const auto got = parse_url(url);
            REQUIRE_FALSE(got);
            CHECK(got.error().kind == error_kind::protocol);
            CHECK(core::describe(got.error()).find("secret") == std::string::npos);
        }
    }

    TEST_CASE("percent_encode: unreserved characters stay") {
        CHECK(percent_encode("aZ09-._~") == "aZ09-._~");
        CHECK(percent_encode("42") == "42");
        CHECK(percent_encode("a/b ?#\u00fc") == "a%2Fb%20%3F%23%C3%BC");
        CHECK(percent_encode("a b/ü'?#%") == "a%20b%2F%C3%BC%27%3F%23%25");
    }

    TEST_CASE("percent_decode: gives back what was encoded, and refuses bad escapes and NUL") {
        CHECK(percent_decode("a%20b%2F%C3%bc+") == "a b/ü+");
        CHECK(percent_decode("") == "");
        for (const char* bad : {"%", "a%4", "%4x", "%zz", "100%", "a%00b"}) {
            CAPTURE(bad);
            CHECK_FALSE(percent_decode(bad));
        }
    }

    TEST_CASE("make_head: own fields win, lengths are right, injected lines are refused") {
        request r;
        r.verb = method::put;
        r.fields.add("host", "evil");
        r.fields.add("Content-Length", "99");
        r.fields.add("Transfer-Encoding", "chunked");
        r.fields.add("Range", "bytes=0-9");
        const auto at = parse_url("http://h:81/x").value();
        CHECK(
            make_head(r, at, target_form::origin).value() ==
            "PUT /x HTTP/1.1\r\nHost: h:81\r\nRange: bytes=0-9\r\nContent-Length: 0\r\n\r\n"
        );
        r.verb = method::get;
        CHECK(
            make_head(r, at, target_form::absolute).value() ==
            "GET http://h:81/x HTTP/1.1\r\nHost: h:81\r\nRange: bytes=0-9\r\n\r\n"
        );
        r.fields.add("X", "a\r\nsecret: b");
        const auto refused = make_head(r, at, target_form::origin);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().cause.find("secret") == std::string::npos);
        r.fields.erase("X");
        r.fields.add("X y", "a");
        CHECK_FALSE(make_head(r, at, target_form::origin));
    }

    TEST_CASE("resolve_location: absolute, host, path, query, relative") {
        const auto from = parse_url("https://h/a/b?q").value();
        const auto to = [&](std::string_view l) { return resolve_location(from, l).value(); };
        CHECK(to("http://x/y#f") == "http://x/y");
        CHECK(to("//x/y") == "https://x/y");
        CHECK(to("/y") == "https://h:443/y");
        CHECK(to("?z") == "https://h:443/a/b?z");
        CHECK(to("c:d") == "c:d");
        CHECK(to("c/d") == "https://h:443/a/c/d");
    }

    TEST_CASE("progress: a pause, a trickle and a slow sink") {
        const auto t0 = steady::time_point() + 1h;
        progress p(1000ms, 100, t0);
        SUBCASE("silence ends after idle") {
            CHECK(p.deadline() == t0 + 1000ms);
        }
        SUBCASE("a steady flow goes on for ever") {
            auto t = t0;
            for (int i = 0; i < 100; ++i) {
                t += 500ms;
                CHECK(p.moved(60, t));
                CHECK(p.deadline() > t);
            }
        }
        SUBCASE("a trickle is cut at the end of its window") {
            CHECK(p.moved(1, t0 + 900ms));
            CHECK(p.deadline() == t0 + 1000ms);
            CHECK_FALSE(p.moved(1, t0 + 1001ms));
        }
        SUBCASE("the burst before does not pay for the trickle after") {
            CHECK(p.moved(1'000'000, t0 + 1ms));
            CHECK(p.deadline() == t0 + 1001ms);
            CHECK(p.moved(1, t0 + 1000ms));
            CHECK_FALSE(p.moved(1, t0 + 2000ms));
        }
        SUBCASE("time in the sink is not the sender's") {
            CHECK(p.moved(1, t0 + 100ms));
            p.excuse(1h);
            CHECK(p.deadline() == t0 + 1h + 1000ms);
            CHECK(p.moved(200, t0 + 1h + 500ms));
        }
    }

    TEST_CASE("slot_table: first come, first served, a full origin blocks nobody else") {
        slot_table table(3);
        origin_slots a(2), b(2);
        std::string order;
        CHECK(table.try_take(a));
        CHECK(table.try_take(a));
        CHECK_FALSE(table.try_take(a));
        slot_table::waiter a1(a, [&] { order += "a1 "; });
        slot_table::waiter a2(a, [&] { order += "a2 "; });
        table.enqueue(a1);
        table.enqueue(a2);
        CHECK(table.try_take(b));
        CHECK_FALSE(table.try_take(b));  // the total
        slot_table::waiter b1(b, [&] { order += "b1 "; });
        table.enqueue(b1);
        table.release(a);
        CHECK(order == "a1 ");
        table.release(b);
        CHECK(order == "a1 b1 ");
        table.leave(a2);
        table.leave(a1);  // has a slot: gives it back
        CHECK(table.busy() == 2);
        CHECK(table.try_take(a));
    }

    TEST_CASE("gunzip: whole, several members, damaged, short, bomb") {
        const std::string text(100'000, 'a');
        const std::string packed = test::gzipped(text);
        CHECK(gunzip(packed, 100'000).value() == text);
        CHECK(gunzip(test::gzipped("") + test::gzipped("ab"), 10).value() == "ab");
        CHECK(gunzip(packed, 99'999).error().kind == error_kind::too_large);
        CHECK(gunzip(packed, 0).error().kind == error_kind::too_large);
        CHECK(gunzip(packed.substr(0, packed.size() / 2), 1 << 20).error().kind == error_kind::protocol);
        CHECK(gunzip(packed.substr(0, packed.size() - 1), 1 << 20).error().kind == error_kind::protocol);
        CHECK(gunzip("plain text", 1 << 20).error().kind == error_kind::protocol);
        CHECK(gunzip("", 1 << 20).error().kind == error_kind::protocol);
        CHECK(gunzip(test::gzipped("x"), ~std::uint64_t{0}).value() == "x");
    }

    TEST_CASE("range: a partial answer begins where its Content-Range says, or nowhere") {
        CHECK(range_start("bytes 100-199/200") == 100);
        CHECK(range_start("bytes 0-0/*") == 0);
        CHECK(range_start("Bytes 007-8/9") == 7);
        for (const char* text :
             {"", "bytes", "bytes ", "bytes */200", "bytes 100", "bytes -5-9/10", "bytes +5-9/10",
              "items 1-2/3", "bytes  1-2/3", "bytes 99999999999999999999-1/2", "bytes=1-2"}) {
            CAPTURE(text);
            CHECK_FALSE(range_start(text).has_value());
        }
    }

    TEST_CASE("range: a partial answer tells the size of the whole, or not") {
        CHECK(range_total("bytes 100-199/200") == 200);
        CHECK(range_total("bytes 0-0/1") == 1);
        for (const char* text :
             {"bytes 0-0/*", "bytes 0-0", "bytes 0-0/", "bytes 0-0/-5", "bytes 0-0/5 x", "/7",
              "bytes 0-0/99999999999999999999"}) {
            CAPTURE(text);
            CHECK_FALSE(range_total(text).has_value());
        }
    }
}

}  // namespace m365stage::test
