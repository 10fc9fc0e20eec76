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
    int downloads = 0;
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
}
