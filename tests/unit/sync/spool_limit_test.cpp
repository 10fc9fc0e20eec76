#include <memory>

#include "async/event.hpp"
#include "sync/run/fetch.hpp"
#include "tests/unit/sync/pass_fixture.hpp"

using namespace m365stage;
using test::one_drive;

namespace {

constexpr std::string_view content = "second";

/// Serves the same content for every file.
class file_host final : public test::bare_graph {
public:
    graph::task<core::result<http::response>> download(graph::call, http::body_sink& sink) override {
        ++downloads;
        most_at_once = std::max(most_at_once, ++at_once);
        const std::shared_ptr<void> over(nullptr, [this](void*) { --at_once; });
        async::event tick(co_await boost::asio::this_coro::executor);
        co_await tick.wait_for(std::chrono::milliseconds(1));  // others come meanwhile, if they may
        http::response head;
        head.status = 200;
        auto begun = co_await sink.begin(head);
        if (!begun) {
            co_return begun.error();
        }
        auto written = co_await sink.write(std::as_bytes(std::span(content)));
        if (!written) {
            co_return written.error();
        }
        co_return core::result<http::response>(std::move(head));
    }
    int downloads = 0, at_once = 0, most_at_once = 0;
};

/// A file waits in the spool, which is full with it, while a lease is held.
struct full_spool {
    full_spool() {
        d.options.spool_max_bytes = 100;
        d.round({{"large", "v1", 100}});
        d.spool("large", std::string(100, 'x'));
        d.pass.spooled_bytes = 100;
        d.pass.held = true;
        d.pass.enumerated = true;
        d.pass.due.insert(d.row);
    }
    void fetch() {
        test::run_coro(d.io, [&] { return sync::fetch_all(d.pass); });
    }
    file_host host;
    one_drive d{host};
};

}  // namespace

TEST_SUITE("sync") {
    TEST_CASE("spool limit: a spool that is full takes nothing more") {
        full_spool s;
        s.d.round({{"large", "v1", 100}, {"other", "v1", content.size()}});
        s.fetch();
        CHECK(s.host.downloads == 0);
        CHECK(s.d.pass.spooled_bytes == 100);
    }

    TEST_CASE("spool limit: what a page replaced while it waited in the spool takes no room any more") {
        full_spool s;
        s.d.round({{"large", "v2", content.size()}});
        s.fetch();
        CHECK(s.host.downloads == 1);
        CHECK(s.d.pass.counters.fetched == 1);
        CHECK(s.d.pass.spooled_bytes == content.size());
    }

    TEST_CASE("spool limit: what is on its way counts, so that it is exceeded by one file at most") {
        full_spool s;
        s.d.options.spool_max_bytes = 100 + content.size() * 5 / 2;
        std::vector<one_drive::told_file> files{{"large", "v1", 100}};
        for (int i = 0; i < 40; ++i) {
            files.push_back({"f" + std::to_string(i), "v1", content.size()});
        }
        s.d.round(files);
        s.fetch();
        CHECK(s.host.downloads == 3);
        CHECK(s.d.pass.spooled_bytes == 100 + 3 * content.size());
    }

    TEST_CASE("spool limit: a file that is larger than all that the spool may hold comes alone") {
        full_spool s;
        s.d.options.spool_max_bytes = 101;
        s.d.round({{"large", "v1", 100}, {"a", "v1", content.size()}, {"b", "v1", content.size()}});
        s.fetch();
        CHECK(s.host.downloads == 1);
        CHECK(s.d.pass.counters.fetched == 1);
    }

    TEST_CASE("spool limit: a usual spool does not hold anything up") {
        full_spool s;
        s.d.options.spool_max_bytes = std::uint64_t{10} << 30;
        std::vector<one_drive::told_file> files{{"large", "v1", 100}};
        for (int i = 0; i < 200; ++i) {
            files.push_back({"f" + std::to_string(i), "v1", content.size()});
        }
        s.d.round(files);
        s.fetch();
        CHECK(s.host.downloads == 200);
        CHECK(s.host.most_at_once == static_cast<int>(s.d.options.concurrency));
    }
}
