#include "sync/run/apply.hpp"

#include "tests/unit/sync/pass_fixture.hpp"

using namespace m365stage;
using test::one_drive;

TEST_SUITE("sync") {
    TEST_CASE("recover: the spool is cleaned, but not while somebody writes into it who gives a lease") {
        test::bare_graph nobody;
        one_drive d(nobody);
        const auto lies_there = [&d](const char* file) { return d.stage.root().look(file).has_value(); };
        d.round({{"fetched", "v1", 3}});
        d.spool("fetched", "abc");
        d.stage.write("spool/left", "of nobody");
        bool stayed = false;
        test::run_coro(d.io, [&]() -> boost::asio::awaitable<void> {
            d.begin(sync::recover(d.pass));
            while (!d.pass.replayed) {
                co_await d.let_others_do(1);
            }
            {
                const auto inside = co_await d.gate.enter();
                d.stage.write("spool/manifest.json", "{}");
                constexpr int more_than_recovering_takes = 50;
                co_await d.let_others_do(more_than_recovering_takes);
                stayed = lies_there("spool/manifest.json") && lies_there("spool/left");
            }
            co_await d.others_end();
        });
        CHECK(stayed);
        CHECK_FALSE(lies_there("spool/manifest.json"));
        CHECK_FALSE(lies_there("spool/left"));
        CHECK(lies_there("spool/fetched"));
        CHECK(d.pass.spooled_bytes == 3);
    }
}
