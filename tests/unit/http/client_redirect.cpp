#include "client_fixture.hpp"
#include "http/redirect.hpp"

namespace m365stage::test {

using core::error_kind;

namespace {

http::response moved(std::string_view to) {
    http::response out;
    out.status = 302;
    if (!to.empty()) {
        out.fields.set("Location", to);
    }
    return out;
}

http::url_parts at(std::string_view url) {
    return http::parse_url(url).value();
}

}  // namespace

TEST_SUITE("http: redirects") {
    TEST_CASE("a redirect is an answer like others") {
        client_fixture f([](peer& p) {
            p.read_request();
            p.write(answer("moved", "Location: /x\r\n", "302 Found"));
        });
        const auto got = f.send(f.get("/to/x"));
        REQUIRE(got);
        CHECK(got->status == 302);
        CHECK(got->fields.find("location") == "/x");
    }

    TEST_CASE(
        "GET is made again where any redirect leads, what changes something where method and body are kept"
    ) {
        using http::method;
        for (const int status : {301, 302, 303, 307, 308}) {
            CHECK(http::is_redirect(status));
            CHECK(http::is_followed(method::get, status));
            CHECK(http::is_followed(method::head, status));
            for (const auto verb : {method::post, method::put, method::patch, method::del}) {
                CHECK(http::is_followed(verb, status) == (status >= 307));
            }
        }
        for (const int status : {200, 300, 304, 305, 306, 400}) {
            CHECK_FALSE(http::is_redirect(status));
            CHECK_FALSE(http::is_followed(method::get, status));
        }
    }

    TEST_CASE("a redirect leads on, also to another host and back") {
        http::redirect_policy policy;
        CHECK(*policy.next(at("https://h/a?b"), moved("/c")) == "https://h:443/c");
        CHECK(*policy.next(at("https://h/c"), moved("https://other/d")) == "https://other/d");
        CHECK(*policy.next(at("https://other/d"), moved("https://h/e")) == "https://h/e");
    }

    TEST_CASE("loops, endless chains, downgrades and missing targets are protocol errors") {
        struct row {
            std::string_view to, reason;
        };
        for (const row& r :
             {row{"https://h/secret", "in a circle"}, row{"http://h:1/secret", "from https to http"},
              row{"", "without Location"}, row{"https://a@b/secret", "Location is"}}) {
            CAPTURE(r.to);
            http::redirect_policy policy;
            const auto got = policy.next(at("https://h/secret"), moved(r.to));
            REQUIRE_FALSE(got);
            CHECK(got.error().kind == error_kind::protocol);
            CHECK_MESSAGE(got.error().cause.find(r.reason) != std::string::npos, got.error().cause);
            CHECK(core::describe(got.error()).find("secret") == std::string::npos);
        }
        http::redirect_policy policy;
        std::string url = "https://h/0";
        for (std::size_t i = 1; i <= http::max_redirects; ++i) {
            url = policy.next(at(url), moved("/" + std::to_string(i))).value();
        }
        const auto got = policy.next(at(url), moved("/more"));
        REQUIRE_FALSE(got);
        CHECK(got.error().cause.find("more than 5") != std::string::npos);
    }
}

}  // namespace m365stage::test
