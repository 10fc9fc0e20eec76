#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sync/run/apply.hpp"
#include "sync/run/enumerate.hpp"
#include "tests/unit/sync/pass_fixture.hpp"

using namespace m365stage;
using test::one_drive;

namespace {

/// Notes which container was being settled when a page was asked for, and has none.
class watched_feed final : public test::bare_graph {
public:
    graph::task<core::result<graph::page>> get_page(graph::call) override {
        settled_meanwhile.push_back(pass->settling);
        co_return core::error(core::error_kind::transport, "nobody answers");
    }
    const sync::pass_context* pass = nullptr;
    std::vector<std::int64_t> settled_meanwhile;
};

/// A drive whose last round waits to be settled.
struct waiting_drive {
    waiting_drive() {
        feed.pass = &d.pass;
        d.round({{"a", "v1", 3}});
        d.pass.settle.insert(d.row);
    }
    bool asks_to_be_settled() { return index::find_container(d.store.direct(), d.id)->settle; }
    watched_feed feed;
    one_drive d{feed};
};

}  // namespace

TEST_SUITE("sync") {
    TEST_CASE("settling: nobody enumerates a container that is being settled just then") {
        waiting_drive w;
        auto& pass = w.d.pass;
        bool was_settling = false, at_once = false;
        test::run_coro(w.d.io, [&]() -> boost::asio::awaitable<void> {
            w.d.begin(sync::apply_waiting(pass));
            for (bool begun = false; w.d.running > 0;) {
                const bool settling = pass.settling == w.d.row;
                was_settling = was_settling || settling;
                at_once = at_once || (settling && pass.enumerating.contains(w.d.row));
                if (settling && !begun) {
                    w.d.begin(sync::enumerate(pass, w.d.id));
                    begun = true;
                }
                co_await boost::asio::post(w.d.executor(), boost::asio::use_awaitable);
            }
            co_await w.d.others_end();
        });
        CHECK(was_settling);
        CHECK_FALSE(at_once);
        REQUIRE(!w.feed.settled_meanwhile.empty());
        CHECK(w.feed.settled_meanwhile[0] == 0);
        CHECK_FALSE(w.asks_to_be_settled());
    }

    TEST_CASE("settling: a container that is being enumerated is not settled before its round has ended") {
        waiting_drive w;
        const auto apply = [&w] { test::run_coro(w.d.io, [&] { return sync::apply_waiting(w.d.pass); }); };
        w.d.pass.enumerating.insert(w.d.row);
        apply();
        CHECK(w.asks_to_be_settled());
        w.d.pass.enumerating.clear();
        apply();
        CHECK_FALSE(w.asks_to_be_settled());
    }
}
