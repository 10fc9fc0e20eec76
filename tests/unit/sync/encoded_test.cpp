#include "index/work.hpp"
#include "sync/run/fetch_one.hpp"
#include "sync/run/spool_file.hpp"
#include "tests/unit/sync/pass_fixture.hpp"

using namespace m365stage;
using core::error_kind;
using test::one_drive;

namespace {

http::response head_of(int status, const char* coding, const char* range = "") {
    http::response head;
    head.status = status;
    head.fields.set("ETag", "v1");
    if (*coding != 0) {
        head.fields.set("Content-Encoding", coding);
    }
    if (*range != 0) {
        head.fields.set("Content-Range", range);
    }
    return head;
}

/// Gives what it has prepared for each request, and notes what ranges were asked for.
class file_host final : public test::bare_graph {
public:
    struct given {
        http::response head;
        std::string bytes;
        std::optional<core::error> failure;  ///< behind the bytes
    };
    std::vector<given> answers;
    std::vector<std::string> ranges;

    graph::task<core::result<http::response>> download(graph::call c, http::body_sink& sink) override {
        ranges.emplace_back(c.fields.find("Range").value_or(""));
        const auto& one = answers.at(ranges.size() - 1);
        auto state = co_await sink.begin(one.head);
        if (state) {
            state = co_await sink.write(std::as_bytes(std::span(one.bytes)));
        }
        if (!state) {
            co_return state.error();
        }
        if (one.failure) {
            co_return *one.failure;
        }
        co_return core::result<http::response>(one.head);
    }
};

sync::fetch_outcome fetched(file_host& host) {
    one_drive d(host);
    d.round({{"file", "v1", 10}});
    auto work = index::due_work(d.store.direct(), d.id, core::now_seconds(), 10);
    REQUIRE(work.size() == 1);
    auto container = index::find_container(d.store.direct(), d.id).value();
    std::optional<sync::fetch_outcome> out;
    test::run_coro(d.io, [&]() -> boost::asio::awaitable<void> {
        out = co_await sync::fetch_one(d.pass, container, work.front());
    });
    return std::move(*out);
}

}  // namespace

TEST_SUITE("sync") {
    TEST_CASE("fetch: a compressed download that was cut begins anew, parts of it are not joined") {
        const core::error cut(error_kind::transport, "cut");
        file_host host;
        host.answers.push_back({head_of(200, "gzip"), "01234", cut});
        host.answers.push_back({head_of(200, "gzip"), "0123456789", {}});
        const auto out = fetched(host);
        REQUIRE(std::holds_alternative<index::fetch_result>(out));
        CHECK(std::get<index::fetch_result>(out).size == 10);
        CHECK(host.ranges == std::vector<std::string>{"", ""});

        // Plain at first, compressed where it goes on: that part is none of the file.
        file_host mixed;
        mixed.answers.push_back({head_of(200, ""), "01234", cut});
        mixed.answers.push_back({head_of(206, "gzip", "bytes 5-9/10"), "56789", {}});
        mixed.answers.push_back({head_of(200, ""), "0123456789", {}});
        const auto whole = fetched(mixed);
        REQUIRE(std::holds_alternative<index::fetch_result>(whole));
        CHECK(std::get<index::fetch_result>(whole).size == 10);
        CHECK(mixed.ranges == std::vector<std::string>{"", "bytes=5-", ""});
    }

    TEST_CASE("fetch: a compressed download that is cut again and again is given up") {
        file_host host;
        for (int i = 0; i < 20; ++i) {
            host.answers.push_back({head_of(200, "gzip"), "01234", core::error(error_kind::transport, "cut")}
            );
        }
        const auto out = fetched(host);
        REQUIRE(std::holds_alternative<sync::fetch_failure>(out));
        CHECK(std::get<sync::fetch_failure>(out).why.kind == error_kind::transport);
        CHECK(host.ranges.size() == 4);
    }

    TEST_CASE("spool: a compressed answer that becomes far more than was announced is refused") {
        file_host host;
        one_drive d(host);
        sync::spool_file file(d.stage.root(), d.disk, "bomb");
        const std::vector<std::byte> piece(1000);
        std::size_t taken = 0;
        std::optional<core::error> refused;
        test::run_coro(d.io, [&]() -> boost::asio::awaitable<void> {
            file.expect(30'000, 50'000);
            co_await file.begin(head_of(200, "gzip"));
            while (!refused && taken < 1'000'000) {
                auto written = co_await file.write(piece);
                if (!written) {
                    refused = written.error();
                }
                taken += piece.size();
            }
            co_await file.discard();
        });
        REQUIRE(refused);
        CHECK(refused->kind == error_kind::too_large);
        CHECK(taken == 61'000);
    }
}
