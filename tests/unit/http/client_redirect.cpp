#include "client_fixture.hpp"

namespace m365stage::test {

using core::error_kind;

namespace {

http::request following(const client_fixture& f, std::string_view path) {
    auto out = f.get(path);
    out.follow_redirects = true;
    out.fields.add("Authorization", "Bearer secret");
    out.fields.add("Cookie", "secret");
    out.fields.add("Prefer", "kept");
    return out;
}

/// "/to/<x>" redirects to what `where` makes of it; everything else is echoed.
server::script redirecting(std::function<std::string(const std::string&)> where) {
    return [where = std::move(where)](peer& p) {
        for (std::string r = p.read_request(); !r.empty(); r = p.read_request()) {
            const auto path = r.substr(r.find(' ') + 1, r.find(" HTTP") - r.find(' ') - 1);
            if (path.starts_with("/to/")) {
                p.write(answer("moved", "Location: " + where(path.substr(4)) + "\r\n", "302 Found"));
            } else {
                p.write(answer(r));
            }
        }
    };
}

}  // namespace

TEST_SUITE("http: redirects") {
    TEST_CASE("the same origin keeps the credentials, the sink sees only the end") {
        client_fixture f(redirecting([](const std::string& to) { return "/" + to; }));
        memory_sink sink;
        const auto got = f.download(following(f, "/to/x?y=1"), sink);
        REQUIRE(got);
        CHECK(sink.begun == 1);
        CHECK(sink.bytes.starts_with("GET /x?y=1 HTTP/1.1\r\n"));
        CHECK(sink.bytes.find("Authorization: Bearer secret\r\n") != std::string::npos);
        CHECK(f.server.connections() == 1);
    }

    TEST_CASE("another origin gets no credentials, also not on the way back") {
        client_fixture other(redirecting([&](const std::string& to) { return to; }));
        client_fixture f(redirecting([&](const std::string&) { return other.server.url("/end"); }));
        const auto got = f.send(following(f, "/to/x"));
        REQUIRE(got);
        CHECK(got->body.starts_with("GET /end HTTP/1.1\r\n"));
        CHECK(got->body.find("Prefer: kept\r\n") != std::string::npos);
        CHECK(got->body.find("secret") == std::string::npos);
        const auto back = f.send(following(other, "/to/" + f.server.url("/home")));
        REQUIRE(back);
        CHECK(back->body.starts_with("GET /home HTTP/1.1\r\n"));
        CHECK(back->body.find("secret") == std::string::npos);
    }

    TEST_CASE("not followed: unasked, other methods") {
        client_fixture f(redirecting([](const std::string& to) { return "/" + to; }));
        const auto plain = f.send(f.get("/to/x"));
        REQUIRE(plain);
        CHECK(plain->status == 302);
        CHECK(plain->fields.find("location") == "/x");
        auto post = following(f, "/to/x");
        post.verb = http::method::post;
        const auto posted = f.send(post);
        REQUIRE(posted);
        CHECK(posted->status == 302);
    }

    TEST_CASE("loops, endless chains, downgrades and missing targets are protocol errors") {
        struct row {
            std::string_view path, reason;
        };
        int hop = 0;
        client_fixture f(redirecting([&](const std::string& to) -> std::string {
            if (to == "loop") {
                return "/to/loop";
            }
            if (to == "none") {
                return "";
            }
            return to == "plain" ? "http://localhost:1/secret" : "/to/chain" + std::to_string(++hop);
        }));
        for (const row& r :
             {row{"/to/loop", "in a circle"}, row{"/to/chain", "more than 5"},
              row{"/to/plain", "from https to http"}, row{"/to/none", "without Location"}}) {
            CAPTURE(r.path);
            const auto got = f.send(following(f, r.path));
            REQUIRE_FALSE(got);
            CHECK(got.error().kind == error_kind::protocol);
            CHECK_MESSAGE(got.error().cause.find(r.reason) != std::string::npos, got.error().cause);
            CHECK(core::describe(got.error()).find("secret") == std::string::npos);
        }
    }
}

}  // namespace m365stage::test
