#include <atomic>

#include "client_fixture.hpp"

namespace m365stage::test {

using core::error_kind;

namespace {

void echo(peer& p) {
    for (std::string r = p.read_request(); !r.empty(); r = p.read_request()) {
        p.write(answer(r));
    }
}

http::client_options through(const server& proxy) {
    http::client_options out;
    out.proxy = proxy.url();
    out.proxy.pop_back();
    out.user_agent = "test/1";
    return out;
}

/// The host names that the tests use never reach a resolver: the proxy is asked for them.
http::request named(int port) {
    http::request out;
    out.url = "https://graph.example:" + std::to_string(port) + "/x";
    return out;
}

}  // namespace

TEST_SUITE("http: proxy") {
    TEST_CASE("https goes through a tunnel, verified against the server's own name, and is pooled") {
        certificate_wish wish;
        wish.subject_alt = "DNS:graph.example";
        const auto identity = make_certificate(wish, &test_authority());
        client_fixture f(echo, {}, &identity);
        std::string asked;
        server proxy([&](peer& p) {
            asked = p.read_request();
            p.write("HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n");
            p.relay_to(f.server.port());
        });
        f.make_client(through(proxy));
        for (int i = 0; i < 2; ++i) {
            const auto got = f.send(named(f.server.port()));
            REQUIRE(got);
            CHECK(got->body.starts_with("GET /x HTTP/1.1\r\nHost: graph.example:"));
        }
        CHECK(proxy.connections() == 1);
        const std::string target = "graph.example:" + std::to_string(f.server.port());
        CHECK(
            asked == "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\nUser-Agent: test/1\r\n\r\n"
        );
    }

    TEST_CASE("a proxy that refuses is a transport error with its status") {
        struct row {
            std::string status, text;
        };
        for (const row& r :
             {row{"407 Proxy Authentication Required", "HTTP 407"}, row{"502 Bad Gateway", "HTTP 502"}}) {
            client_fixture f(echo);
            server proxy([&](peer& p) {
                p.read_request();
                p.write(answer("<html>no</html>", "", r.status));
                p.wait_for_close();
            });
            f.make_client(through(proxy));
            const auto got = f.send(named(1));
            REQUIRE_FALSE(got);
            CHECK(got.error().kind == error_kind::transport);
            CHECK_MESSAGE(got.error().cause.find(r.text) != std::string::npos, got.error().cause);
            CHECK(got.error().cause.find("the proxy localhost:") != std::string::npos);
            CHECK_FALSE(got.error().hint.empty());
        }
    }

    TEST_CASE("a proxy that closes or hangs") {
        client_fixture f(echo);
        std::atomic<bool> hang = false;
        server proxy([&](peer& p) {
            p.read_request();
            if (hang) {
                p.wait_for_close();
            }
        });
        f.make_client(through(proxy));
        CHECK(f.send(named(1)).error().kind == error_kind::transport);
        hang = true;
        auto r = named(1);
        r.limits.connect = 100ms;
        CHECK(f.send(r).error().kind == error_kind::timeout);
    }

    TEST_CASE(
        "http goes to the proxy in absolute form; this machine and the metadata service are never proxied"
    ) {
        client_fixture f(echo, {}, nullptr);
        server proxy(echo);
        f.make_client(through(proxy));
        http::request r;
        r.url = "http://plain.example/x";
        const auto got = f.send(r);
        REQUIRE(got);
        CHECK(got->body.starts_with("GET http://plain.example/x HTTP/1.1\r\nHost: plain.example\r\n"));
        const auto direct = f.send(f.get("/y"));
        REQUIRE(direct);
        CHECK(direct->body.starts_with("GET /y HTTP/1.1\r\n"));
        CHECK(proxy.connections() == 1);
    }
}

}  // namespace m365stage::test
