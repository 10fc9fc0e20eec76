#include "client_fixture.hpp"

namespace m365stage::test {

TEST_SUITE("http: client") {
    TEST_CASE("GET and POST over TLS share one connection") {
        client_fixture f([&](peer& p) {
            for (std::string r = p.read_request(); !r.empty(); r = p.read_request()) {
                p.write(answer(r));
            }
        });
        const auto first = f.send(f.get("/one?x=%20y"));
        REQUIRE(first);
        CHECK(first->status == 200);
        CHECK(first->body.starts_with("GET /one?x=%20y HTTP/1.1\r\nHost: localhost:"));
        http::request post = f.get("/two");
        post.verb = http::method::post;
        post.body = "hello";
        const auto second = f.send(post);
        REQUIRE(second);
        CHECK(second->body.starts_with("POST /two HTTP/1.1\r\n"));
        CHECK(second->body.ends_with("Content-Length: 5\r\n\r\nhello"));
        CHECK(f.server.connections() == 1);
    }

    TEST_CASE("download hands the body to the sink and leaves the response empty") {
        const std::string content(3'000'000, 'x');
        client_fixture f([&](peer& p) {
            while (!p.read_request().empty()) {
                p.write(answer(content));
            }
        });
        memory_sink sink;
        const auto got = f.download(f.get("/"), sink);
        REQUIRE(got);
        CHECK(got->body.empty());
        CHECK(sink.begun == 1);
        CHECK(sink.status == 200);
        CHECK(sink.bytes == content);
        CHECK(sink.largest <= (256u << 10) + (96u << 10));
    }
}

}  // namespace m365stage::test
