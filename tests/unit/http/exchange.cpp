#include "http/exchange.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <boost/asio/error.hpp>

#include "../../support/doctest_result.hpp"
#include "../../support/run_coro.hpp"
#include "http/wire.hpp"

namespace m365stage::test {

using namespace http;
using boost::system::error_code;
using core::error_kind;

namespace {

/// A stream without sockets: gives `answer` in pieces and fails at the n-th operation.
class scripted_stream final : public stream {
public:
    scripted_stream(std::string answer, int fail_at, error_code with)
        : answer_(std::move(answer)), fail_at_(fail_at), error_(with) {}

    task<io_result> read_some(char* to, std::size_t size) override {
        const bool fail = operations++ == fail_at_;
        if (fail || answer_.empty()) {
            co_return io_result(fail ? error_ : error_code(boost::asio::error::eof), 0);
        }
        const std::size_t n = std::min({size, answer_.size(), std::size_t{7}});
        answer_.copy(to, n);
        answer_.erase(0, n);
        co_return io_result(error_code(), n);
    }
    task<io_result> write_all(std::string_view bytes) override {
        if (operations++ == fail_at_) {
            co_return io_result(error_, 0);
        }
        written += bytes;
        co_return io_result(error_code(), bytes.size());
    }
    void abort() noexcept override {}
    bool looks_dead() override { return false; }

    int operations = 0;
    std::string written;

private:
    std::string answer_;
    int fail_at_;
    error_code error_;
};

/// Gives `pieces` pieces of 1,000 bytes.
class counted_source final : public body_source {
public:
    struct report {
        int rewound = 0;
        bool fail = false;
    };
    counted_source(report& told, int pieces) : told_(told), pieces_(pieces) {}
    std::uint64_t size() const override { return static_cast<std::uint64_t>(pieces_) * 1000; }
    void rewind() override {
        ++told_.rewound;
        given_ = 0;
    }
    task<core::result<std::span<const std::byte>>> read() override {
        if (told_.fail) {
            co_return core::error(error_kind::disk, "gone");
        }
        const bool more = given_++ < pieces_;
        co_return std::as_bytes(std::span<const char>(piece_.data(), more ? piece_.size() : 0));
    }

private:
    report& told_;
    int pieces_;
    int given_ = 0;
    std::string piece_ = std::string(1000, 's');
};

class counting_sink final : public body_sink {
public:
    explicit counting_sink(int fail_at) : fail_at_(fail_at) {}
    task<core::result<void>> begin(const response&) override { co_return step(); }
    task<core::result<void>> write(std::span<const std::byte> bytes) override {
        size += bytes.size();
        co_return step();
    }
    std::size_t size = 0;

private:
    core::result<void> step() {
        if (calls_++ == fail_at_) {
            return core::error(error_kind::disk, "full");
        }
        return {};
    }
    int fail_at_;
    int calls_ = 0;
};

/// Takes the body in pieces of its own, as a file does.
class roomy_sink final : public body_sink {
public:
    task<core::result<void>> begin(const response&) override { co_return core::result<void>(); }
    task<core::result<void>> write(std::span<const std::byte> bytes) override {
        got.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        co_return core::result<void>();
    }
    std::span<std::byte> room() override { return std::as_writable_bytes(std::span(piece_)); }
    task<core::result<void>> filled(std::size_t n) override {
        direct += n;
        got.append(piece_.data(), n);
        co_return core::result<void>();
    }
    std::string got;
    std::size_t direct = 0;

private:
    std::array<char, 5> piece_{};
};

const std::string chunked =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";

struct outcome {
    core::result<response> got = response();
    bool threw = false;
    bool reusable = false;
    bool stale = false;
    int operations = 0;
};

outcome talk(
    int fail_at, error_code with, body_sink* sink = nullptr, std::size_t body_bytes = 200'000,
    const std::string& answer = chunked
) {
    outcome out;
    request r;
    r.verb = method::put;
    r.body = std::string(body_bytes, 'b');
    const auto at = parse_url("https://h/").value();
    boost::asio::io_context io;
    watchdog dog(io);
    scripted_stream on(answer, fail_at, with);
    run_coro(io, [&]() -> task<void> {
        exchange e(on, dog, r, at);
        const std::string head = "HEAD\r\n\r\n";
        try {
            out.got = co_await e.run(head, sink);
        } catch (const boost::system::system_error&) {
            out.threw = true;
        }
        out.reusable = e.can_reuse();
        out.stale = e.was_stale();
    });
    out.operations = on.operations;
    if (fail_at < 0) {
        CHECK(on.written == "HEAD\r\n\r\n" + r.body);
    }
    return out;
}

}  // namespace

TEST_SUITE("http: exchange") {
    TEST_CASE("each step may fail: an error, never a half answer, and the stream is not used again") {
        const auto whole = talk(-1, {});
        REQUIRE(whole.got);
        CHECK(whole.got->body == "hello world");
        CHECK(whole.reusable);
        REQUIRE(whole.operations > 10);
        for (int n = 0; n < whole.operations; ++n) {
            CAPTURE(n);
            for (const error_code ec :
                 {error_code(boost::asio::error::connection_reset), error_code(boost::asio::error::eof)}) {
                const auto o = talk(n, ec);
                CHECK_FALSE(o.threw);
                CHECK_FALSE(o.reusable);
                // A failed write still receives an answer that is there.
                const bool in_write = n < 5;
                CHECK(o.got.has_value() == in_write);
                if (!o.got) {
                    CHECK(o.got.error().kind == error_kind::transport);
                    CHECK(o.stale == (n == 5));
                }
            }
            const auto cancelled = talk(n, boost::asio::error::operation_aborted);
            CHECK(cancelled.threw);
            CHECK_FALSE(cancelled.reusable);
        }
    }

    TEST_CASE("a body that is read while it is sent starts anew each time, and its error ends the request") {
        const auto at = parse_url("https://h/").value();
        counted_source::report told;
        request r;
        r.verb = method::put;
        r.source = std::make_shared<counted_source>(told, 3);
        CHECK(make_head(r, at, target_form::origin)->find("Content-Length: 3000") != std::string::npos);
        for (int n = 0; n < 2; ++n) {
            boost::asio::io_context io;
            watchdog dog(io);
            scripted_stream on(chunked, -1, error_code());
            run_coro(io, [&]() -> task<void> {
                exchange e(on, dog, r, at);
                const std::string head = "HEAD";
                auto got = co_await e.run(head, nullptr);
                CHECK(got.has_value());
            });
            CHECK(on.written == "HEAD" + std::string(3000, 's'));
        }
        CHECK(told.rewound == 2);
        told.fail = true;
        boost::asio::io_context io;
        watchdog dog(io);
        scripted_stream on(chunked, -1, error_code());
        run_coro(io, [&]() -> task<void> {
            exchange e(on, dog, r, at);
            const std::string head = "HEAD";
            auto got = co_await e.run(head, nullptr);
            REQUIRE(got.has_error());
            CHECK(got.error().kind == error_kind::disk);
            CHECK(!e.can_reuse());
        });
    }

    TEST_CASE("a small body leaves with its header in one write") {
        const auto o = talk(-1, {}, nullptr, 1000);
        REQUIRE(o.got);
        const int reads = static_cast<int>((chunked.size() + 6) / 7);
        CHECK(o.operations == 1 + reads);
    }

    TEST_CASE("each call of the sink may fail: its error, and the stream is not used again") {
        counting_sink fine(-1);
        const auto whole = talk(-1, {}, &fine);
        REQUIRE(whole.got);
        CHECK(whole.got->body.empty());
        CHECK(fine.size == 11);
        for (int n = 0; n < 2; ++n) {
            counting_sink sink(n);
            const auto o = talk(-1, {}, &sink);
            REQUIRE_FALSE(o.got);
            CHECK(o.got.error().kind == error_kind::disk);
        }
    }

    TEST_CASE("a body of known length goes straight to where the sink wants it") {
        const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\n";
        const std::string body = "abcdefghijklmnopqrstuvwxyz";
        for (const std::string behind : {"", "HTTP/1.1 200 OK\r\n"}) {
            CAPTURE(behind);
            roomy_sink sink;
            const auto whole = talk(-1, {}, &sink, 10, head + body + behind);
            REQUIRE(whole.got);
            CHECK(sink.got == body);
            CHECK(sink.direct > 0);
            CHECK(whole.reusable);  // what was sent unasked is found when the stream is used again
        }
        roomy_sink cut;
        const auto shorter = talk(-1, {}, &cut, 10, head + body.substr(0, 20));
        REQUIRE_FALSE(shorter.got);
        CHECK(shorter.got.error().kind == error_kind::transport);
        CHECK(shorter.got.error().cause.find("after 20 of 26 bytes") != std::string::npos);
        CHECK(cut.got == body.substr(0, 20));  // the caller goes on from there
        CHECK_FALSE(shorter.reusable);
    }

    TEST_CASE("a body in chunks does not pass the parser by") {
        roomy_sink sink;
        const auto whole = talk(-1, {}, &sink);
        REQUIRE(whole.got);
        CHECK(sink.got == "hello world");
        CHECK(sink.direct == 0);
    }
}

}  // namespace m365stage::test
