#include <memory>

#include "async/event.hpp"
#include "index/reports.hpp"
#include "sync/run/apply.hpp"
#include "sync/run/fetch.hpp"
#include "tests/unit/sync/pass_fixture.hpp"

using namespace m365stage;
using test::one_drive;

namespace {

constexpr std::string_view content = "second";

/// Serves the same content for every file, but for images, which have 8 MiB and
/// come slowly: all other files that are wanted come meanwhile, if they may.
class file_host final : public test::bare_graph {
public:
    graph::task<core::result<http::response>> download(graph::call c, http::body_sink& sink) override {
        ++downloads;
        most_at_once = std::max(most_at_once, ++at_once);
        const std::shared_ptr<void> over(nullptr, [this](void*) { --at_once; });
        async::event tick(co_await boost::asio::this_coro::executor);
        co_await tick.wait_for(std::chrono::milliseconds(1));  // others come meanwhile, if they may
        const bool large = c.target.find("image") != std::string::npos;
        if (large) {
            most_large_at_once = std::max(most_large_at_once, ++large_at_once);
            for (int patience = 2000; small_ended < small_wanted && patience > 0; --patience) {
                co_await tick.wait_for(std::chrono::milliseconds(1));
            }
            small_before_large = small_ended;
            --large_at_once;
        }
        http::response head;
        head.status = 200;
        auto begun = co_await sink.begin(head);
        if (!begun) {
            co_return begun.error();
        }
        std::string bytes(content);
        if (large) {
            bytes.assign(sync::large_file, 'x');
        }
        auto written = co_await sink.write(std::as_bytes(std::span(bytes)));
        if (!written) {
            co_return written.error();
        }
        small_ended += large ? 0 : 1;
        co_return core::result<http::response>(std::move(head));
    }
    int downloads = 0, at_once = 0, most_at_once = 0;
    int large_at_once = 0, most_large_at_once = 0;
    int small_wanted = 0, small_ended = 0, small_before_large = 0;
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

/// A drive that is to be fetched and placed, beside a spool that is as small as one large file.
struct small_spool {
    small_spool() {
        d.options.spool_max_bytes = sync::large_file;
        d.pass.enumerated = true;
    }
    void round(const std::vector<one_drive::told_file>& files) {
        d.round(files);
        d.pass.due.insert(d.row);
        d.pass.settle.insert(d.row);
    }
    void fetch_and_apply() {
        test::run_coro(d.io, [&]() -> boost::asio::awaitable<void> {
            d.begin(sync::fetch_all(d.pass));
            d.begin(sync::apply_all(d.pass));
            co_await d.others_end();
        });
    }
    const core::unix_seconds began = core::now_seconds();
    std::int64_t staged() {
        return d.store.direct().number("SELECT count(*) FROM item WHERE sha256 IS NOT NULL").value_or(0);
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

    TEST_CASE("spool limit: what is on its way counts, so that it is exceeded by two files at most") {
        full_spool s;
        s.d.options.spool_max_bytes = 100 + content.size() * 5 / 2;
        std::vector<one_drive::told_file> files{{"large", "v1", 100}};
        for (int i = 0; i < 40; ++i) {
            files.push_back({"f" + std::to_string(i), "v1", content.size()});
        }
        s.d.round(files);
        s.fetch();
        CHECK(s.host.downloads == 4);
        CHECK(s.d.pass.spooled_bytes == 100 + 4 * content.size());
    }

    TEST_CASE("spool limit: a file that is larger than all that the spool may hold comes alone") {
        full_spool s;
        s.d.options.spool_max_bytes = 101;
        s.d.round(
            {{"large", "v1", 100}, {"image a", "v1", sync::large_file}, {"image b", "v1", sync::large_file}}
        );
        s.fetch();
        CHECK(s.host.downloads == 1);
        CHECK(s.d.pass.counters.fetched == 1);
    }

    TEST_CASE("spool limit: small files don't wait for a large one that takes hours, another large one does"
    ) {
        small_spool s;
        std::vector<one_drive::told_file> files{
            {"image a", "v1", sync::large_file}, {"image b", "v1", sync::large_file}
        };
        for (int i = 0; i < 200; ++i) {
            files.push_back({"f" + std::to_string(i), "v1", content.size()});
        }
        s.host.small_wanted = 200;
        s.round(files);
        s.fetch_and_apply();
        CHECK(s.host.small_before_large == 200);
        CHECK(s.host.most_large_at_once == 1);
        CHECK(s.host.downloads == 202);
        CHECK(s.staged() == 202);
    }

    TEST_CASE("spool limit: what has no place in the tree makes room for what is due, and is owed") {
        small_spool s;
        s.round(
            {{"stuck", "v1", sync::large_file, "a folder of which nobody told"},
             {"other", "v1", content.size()}}
        );
        s.d.spool("stuck", std::string(sync::large_file, 'x'));
        s.d.pass.spooled_bytes = sync::large_file;
        s.d.pass.ready[s.d.row] = 0;
        s.fetch_and_apply();
        CHECK(s.host.downloads == 1);
        CHECK(s.staged() == 1);
        CHECK(s.d.pass.spooled_bytes == 0);
        CHECK_FALSE(s.d.stage.root().look("spool/stuck").has_value());
        CHECK(s.d.pass.counters.error_count == 1);
        const auto as_it_is = [](const std::string& name, const std::string&) { return name; };
        const auto owed = index::failing_items(s.d.store.direct(), 1, as_it_is);
        REQUIRE(owed.size() == 1);
        CHECK(owed[0].items == 1);
        CHECK(owed[0].next_try > s.began);
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
