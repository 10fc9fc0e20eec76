#include "../../support/gzip.hpp"
#include "client_fixture.hpp"

namespace m365stage::test {

using core::error_kind;

namespace {

/// Answers every request with the same bytes.
server::script always(std::string bytes) {
    return [bytes = std::move(bytes)](peer& p) {
        while (!p.read_request().empty()) {
            p.write(bytes);
        }
    };
}

/// Answers one request with the bytes and then says nothing more until the client goes.
server::script then_silence(std::string bytes) {
    return [bytes = std::move(bytes)](peer& p) {
        p.read_request();
        p.write(bytes);
        p.wait_for_close();
    };
}

/// Answers one request with the bytes and closes.
server::script then_close(std::string bytes) {
    return [bytes = std::move(bytes)](peer& p) {
        p.read_request();
        p.write(bytes);
    };
}

http::request hasty(const client_fixture& f) {
    http::request out = f.get("/secret?sig=secret");
    out.limits.first_byte = 150ms;
    out.limits.idle = 150ms;
    return out;
}

void check_failure(const answer_result& got, error_kind kind, std::string_view text) {
    REQUIRE_FALSE(got);
    CHECK(got.error().kind == kind);
    CHECK_MESSAGE(got.error().cause.find(text) != std::string::npos, got.error().cause);
    CHECK(got.error().cause.starts_with("GET https://localhost:"));
    CHECK(core::describe(got.error()).find("secret") == std::string::npos);
}

}  // namespace

TEST_SUITE("http: faults") {
    TEST_CASE("a header that does not come is a timeout") {
        client_fixture f(then_silence("HTTP/1.1 200 OK\r\n"));
        check_failure(f.send(hasty(f)), error_kind::timeout, "no answer within 150 ms");
    }

    TEST_CASE("a body that stalls is a timeout, and what came is handed over before") {
        client_fixture f(then_silence("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"));
        memory_sink sink;
        check_failure(
            f.download(hasty(f), sink), error_kind::timeout, "the body stalled after 3 of 10 bytes"
        );
        CHECK(sink.bytes == "abc");
    }

    TEST_CASE("a trickle is a stall") {
        client_fixture f([](peer& p) {
            p.read_request();
            p.write("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
            while (p.wait_for_close_at_most(20ms)) {
                p.write("x");
            }
        });
        const auto started = std::chrono::steady_clock::now();
        check_failure(f.send(hasty(f)), error_kind::timeout, "stalled");
        CHECK(std::chrono::steady_clock::now() - started < 5s);
    }

    TEST_CASE("a body that ends early names both lengths") {
        client_fixture f(then_close("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"));
        memory_sink sink;
        check_failure(
            f.download(hasty(f), sink), error_kind::transport, "the body ended early after 3 of 10 bytes"
        );
        CHECK(sink.bytes == "abc");
        check_failure(f.send(hasty(f)), error_kind::transport, "the body ended early after 3 of 10 bytes");
    }

    TEST_CASE("a connection closed before the answer is a transport error") {
        client_fixture f(then_close(""));
        check_failure(f.send(hasty(f)), error_kind::transport, "closed before the answer");
        CHECK(f.server.connections() == 1);
    }

    TEST_CASE("a body without length runs to the end of the connection") {
        client_fixture f(then_close("HTTP/1.1 200 OK\r\n\r\nabc"));
        const auto got = f.send(hasty(f));
        REQUIRE(got);
        CHECK(got->body == "abc");
        CHECK_FALSE(got->fields.find("Content-Length"));
    }

    TEST_CASE("a huge header and a huge body are refused") {
        client_fixture f(always("HTTP/1.1 200 OK\r\nX: " + std::string(70'000, 'x') + "\r\n\r\n"));
        check_failure(f.send(hasty(f)), error_kind::too_large, "header");
        client_fixture g(always(answer(std::string(2000, 'x'))));
        auto r = hasty(g);
        r.max_body_bytes = 1999;
        check_failure(g.send(r), error_kind::too_large, "1999");
        memory_sink sink;
        CHECK(g.download(r, sink));
        CHECK(sink.bytes.size() == 2000);
    }

    TEST_CASE("malformed status line") {
        client_fixture f(always("SSH-2.0-OpenSSH_9.2\r\n\r\n"));
        check_failure(f.send(hasty(f)), error_kind::protocol, "not valid HTTP");
    }

    TEST_CASE("chunked bodies, interim answers, HEAD and 204 keep the connection in step") {
        client_fixture f([](peer& p) {
            for (std::string r = p.read_request(); !r.empty(); r = p.read_request()) {
                if (r.starts_with("HEAD")) {
                    p.write("HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n");
                } else if (r.starts_with("DELETE")) {
                    p.write("HTTP/1.1 204 No Content\r\n\r\n");
                } else {
                    p.write("HTTP/1.1 102 Processing\r\n\r\n");
                    p.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel");
                    p.write("lo\r\n0\r\n\r\n");
                }
            }
        });
        for (const auto verb :
             {http::method::head, http::method::get, http::method::del, http::method::get}) {
            auto r = f.get("/");
            r.verb = verb;
            const auto got = f.send(r);
            REQUIRE(got);
            CHECK(got->body == (verb == http::method::get ? "hello" : ""));
        }
        CHECK(f.server.connections() == 1);
    }

    TEST_CASE("gzip is asked for and decoded, a bomb is refused") {
        client_fixture f(always(answer(gzipped(std::string(50'000'000, 'z')), "Content-Encoding: gzip\r\n")));
        auto r = hasty(f);
        r.limits = {};
        check_failure(f.send(r), error_kind::too_large, "after decompression");
        r.max_body_bytes = 50'000'000;
        const auto got = f.send(r);
        REQUIRE(got);
        CHECK(got->body.size() == 50'000'000);
        CHECK_FALSE(got->fields.find("Content-Encoding"));
        CHECK_FALSE(got->fields.find("Content-Length"));
    }

    TEST_CASE("downloads ask for identity and any type, and pass Range through") {
        client_fixture f([](peer& p) {
            for (std::string r = p.read_request(); !r.empty(); r = p.read_request()) {
                p.write(answer(r, "Content-Range: bytes 5-9/10\r\n", "206 Partial Content"));
            }
        });
        auto r = f.get("/");
        r.fields.add("Range", "bytes=5-9");
        memory_sink sink;
        const auto got = f.download(r, sink);
        REQUIRE(got);
        CHECK(sink.status == 206);
        CHECK(got->fields.find("content-range") == "bytes 5-9/10");
        CHECK(sink.bytes.find("\r\nRange: bytes=5-9\r\n") != std::string::npos);
        CHECK(sink.bytes.find("\r\nAccept: */*\r\nAccept-Encoding: identity\r\n") != std::string::npos);
        const auto kept = f.send(r);
        REQUIRE(kept);
        CHECK(kept->body.find("\r\nAccept-Encoding: gzip\r\n") != std::string::npos);
    }

    TEST_CASE("downloads: what is compressed although identity was asked for is decoded on the way") {
        const std::string text(3'000'000, 'z');
        for (const std::string& packed : {gzipped(text), gzipped(text.substr(1)) + gzipped("z")}) {
            client_fixture f(always(answer(packed, "Content-Encoding: gzip\r\n")));
            memory_sink sink;
            auto r = hasty(f);
            r.limits = {};
            REQUIRE(f.download(r, sink));
            CHECK(sink.bytes == text);
            CHECK(sink.largest <= 64u << 10);
            CHECK(sink.coding == "gzip");
            CHECK(sink.length == "");
        }
        client_fixture plain(always(answer("text", "Content-Encoding: identity\r\n")));
        client_fixture empty(always(answer("", "Content-Encoding: gzip\r\n")));
        memory_sink sink;
        REQUIRE(plain.download(plain.get("/"), sink));
        CHECK(sink.length == "4");
        REQUIRE(empty.download(empty.get("/"), sink));
        CHECK(sink.bytes == "text");
    }

    TEST_CASE("downloads: what is compressed fills the place that the sink gives") {
        struct small_sink final : http::body_sink {
            http::task<core::result<void>> begin(const http::response&) override {
                co_return core::result<void>();
            }
            http::task<core::result<void>> write(std::span<const std::byte>) override {
                co_return core::error(error_kind::internal, "there was room");
            }
            std::span<std::byte> room() override { return std::as_writable_bytes(std::span(place)); }
            http::task<core::result<void>> filled(std::size_t n) override {
                text.append(place.data(), n);
                co_return core::result<void>();
            }
            std::array<char, 100> place{};
            std::string text;
        };
        std::string text;
        for (int i = 0; i < 20'000; ++i) {
            text += std::to_string(i * 7919);
        }
        client_fixture f(always(answer(gzipped(text), "Content-Encoding: x-gzip\r\n")));
        small_sink sink;
        REQUIRE(f.download(f.get("/"), sink));
        CHECK(sink.text == text);
    }

    TEST_CASE("downloads: what is compressed and damaged, short or of another coding is no content") {
        const auto packed = gzipped(std::string(100'000, 'z') + "end");
        struct row {
            std::string body;
            const char* coding;
            error_kind kind;
        };
        for (const row& r :
             {row{packed.substr(0, packed.size() - 4), "gzip", error_kind::transport},
              row{"plain text", "gzip", error_kind::protocol},
              row{packed + "plain text", "gzip", error_kind::protocol},
              row{packed, "br", error_kind::protocol}, row{packed, "gzip, gzip", error_kind::protocol}}) {
            CAPTURE(r.body.size());
            client_fixture f(always(answer(r.body, std::string("Content-Encoding: ") + r.coding + "\r\n")));
            memory_sink sink;
            const auto got = f.download(f.get("/"), sink);
            REQUIRE_FALSE(got);
            CHECK(got.error().kind == r.kind);
        }
    }

    TEST_CASE("the error body of a download is in the response, the sink sees nothing") {
        client_fixture f(always(answer("{}", "", "404 Not Found")));
        memory_sink sink;
        const auto got = f.download(f.get("/"), sink);
        REQUIRE(got);
        CHECK(got->status == 404);
        CHECK(got->body == "{}");
        CHECK(sink.begun == 0);
    }

    TEST_CASE("a sink that refuses ends the download with its error") {
        struct full_sink final : http::body_sink {
            http::task<core::result<void>> begin(const http::response&) override {
                co_return core::result<void>();
            }
            http::task<core::result<void>> write(std::span<const std::byte>) override {
                co_return core::error(error_kind::disk, "no space left");
            }
        };
        client_fixture f(always(answer(std::string(1'000'000, 'x'))));
        full_sink sink;
        const auto got = f.download(f.get("/"), sink);
        REQUIRE_FALSE(got);
        CHECK(got.error().kind == error_kind::disk);
    }

    TEST_CASE("an answer sent before the whole request was read is still received") {
        client_fixture f([](peer& p) {
            p.write(answer("no", "Connection: close\r\n", "413 Too Large"));
            p.shutdown_and_drain();
        });
        auto r = f.get("/");
        r.verb = http::method::put;
        r.body = std::string(8'000'000, 'b');
        const auto got = f.send(r);
        REQUIRE(got);
        CHECK(got->status == 413);
    }
}

}  // namespace m365stage::test
