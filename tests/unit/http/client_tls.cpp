#include "client_fixture.hpp"

namespace m365stage::test {

using core::error_kind;

namespace {

void echo(peer& p) {
    for (std::string r = p.read_request(); !r.empty(); r = p.read_request()) {
        p.write(answer(r));
    }
}

void check_refused(const answer_result& got, std::string_view reason) {
    REQUIRE_FALSE(got);
    CHECK(got.error().kind == error_kind::transport);
    CHECK_MESSAGE(
        got.error().cause.find("the certificate of localhost is refused") != std::string::npos,
        got.error().cause
    );
    CHECK_MESSAGE(got.error().cause.find(reason) != std::string::npos, got.error().cause);
    CHECK_FALSE(got.error().hint.empty());
}

}  // namespace

TEST_SUITE("http: TLS") {
    TEST_CASE("a certificate for another name is refused") {
        certificate_wish wish;
        wish.name = "localhost";  // the common name does not count when there are subject names
        wish.subject_alt = "DNS:other.example";
        const auto identity = make_certificate(wish, &test_authority());
        client_fixture f(echo, {}, &identity);
        check_refused(f.send(f.get("/")), "issued for another name");
        CHECK(f.server.requests().empty());
    }

    TEST_CASE("an address is checked against the address in the certificate") {
        client_fixture f(echo);
        auto r = f.get("/");
        r.url = f.server.url("/", "127.0.0.1");
        CHECK(f.send(r));
        certificate_wish wish;
        wish.subject_alt = "DNS:localhost,DNS:127.0.0.1,IP:127.0.0.2";
        const auto identity = make_certificate(wish, &test_authority());
        client_fixture g(echo, {}, &identity);
        r.url = g.server.url("/", "127.0.0.1");
        const auto got = g.send(r);
        REQUIRE_FALSE(got);
        CHECK(got.error().cause.find("issued for another name") != std::string::npos);
    }

    TEST_CASE("an unknown authority is refused") {
        certificate_wish wish;
        const auto self_signed = make_certificate(wish);
        client_fixture f(echo, {}, &self_signed);
        check_refused(f.send(f.get("/")), "not trusted here");
        wish.is_authority = true;
        wish.name = "other authority";
        const auto authority = make_certificate(wish);
        const auto identity = make_certificate(certificate_wish(), &authority);
        client_fixture g(echo, {}, &identity);
        check_refused(g.send(g.get("/")), "its authority is not trusted here");
    }

    TEST_CASE("an expired certificate and one of the future are refused") {
        certificate_wish wish;
        wish.from_days = -10;
        wish.until_days = -1;
        const auto expired = make_certificate(wish, &test_authority());
        client_fixture f(echo, {}, &expired);
        check_refused(f.send(f.get("/")), "it has expired");
        wish.from_days = 1;
        wish.until_days = 2;
        const auto early = make_certificate(wish, &test_authority());
        client_fixture g(echo, {}, &early);
        check_refused(g.send(g.get("/")), "not valid yet");
    }

    TEST_CASE("a server that does not speak TLS is named as such") {
        client_fixture f(
            [](peer& p) {
                p.write("220 smtp.example ESMTP\r\n");
                p.wait_for_close();
            },
            {}, nullptr
        );
        auto r = f.get("/");
        r.url = "https" + r.url.substr(4);
        const auto got = f.send(r);
        REQUIRE_FALSE(got);
        CHECK(got.error().kind == error_kind::transport);
        CHECK(got.error().cause.find("TLS handshake") != std::string::npos);
    }

    TEST_CASE("a handshake that hangs is a timeout") {
        client_fixture f([](peer& p) { p.wait_for_close(); }, {}, nullptr);
        auto r = f.get("/");
        r.url = "https" + r.url.substr(4);
        r.limits.connect = 100ms;
        const auto got = f.send(r);
        REQUIRE_FALSE(got);
        CHECK(got.error().kind == error_kind::timeout);
        CHECK(
            got.error().cause.find("the TLS handshake took too long: no connection within 100 ms") !=
            std::string::npos
        );
    }

    TEST_CASE("the second connection to an origin resumes the session of the first") {
        client_fixture f([](peer& p) {
            p.read_request();
            p.write(answer("", "Connection: close\r\n"));
        });
        CHECK(f.send(f.get("/")));
        CHECK(f.send(f.get("/")));
        CHECK(f.server.connections() == 2);
        CHECK(f.server.resumptions() == 1);
    }

    TEST_CASE("a port where nobody listens is a transport error") {
        std::string url;
        {
            server gone([](peer&) {});
            url = gone.url();
        }
        client_fixture f(echo);
        auto r = f.get("/");
        r.url = url;
        const auto got = f.send(r);
        REQUIRE_FALSE(got);
        CHECK(got.error().kind == error_kind::transport);
        CHECK(got.error().cause.find("Connection refused") != std::string::npos);
    }

    TEST_CASE("make_client refuses what it can't use") {
        boost::asio::io_context io;
        http::client_options options;
        options.ca_file = "/nonexistent.pem";
        const auto no_file = http::make_client(io, options);
        REQUIRE_FALSE(no_file);
        CHECK(no_file.error().kind == error_kind::usage);
        CHECK(no_file.error().cause.find("/nonexistent.pem") != std::string::npos);
        options.ca_file = test_authority_file();
        for (const char* proxy :
             {"https://proxy:1", "proxy:3128", "http://user:password@proxy:1", "http://proxy/x"}) {
            options.proxy = proxy;
            const auto bad = http::make_client(io, options);
            REQUIRE_FALSE(bad);
            CHECK(bad.error().kind == error_kind::usage);
            CHECK(bad.error().cause.find("password") == std::string::npos);
        }
    }
}

}  // namespace m365stage::test
