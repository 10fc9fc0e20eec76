#include "async/group.hpp"

#include <doctest/doctest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <future>
#include <stdexcept>

#include "async/blocking.hpp"
#include "async/event.hpp"

using namespace m365stage;
using async::task;

namespace {

struct counts {
    int begun = 0, ended = 0;
};

/// Stands for what children of a coroutine refer to.
struct owner {
    explicit owner(counts& c, boost::asio::any_io_executor ex) : seen(c), never(std::move(ex)) {}
    ~owner() { gone = true; }

    task<void> child() {
        ++seen.begun;
        try {
            co_await never.wait();
        } catch (const boost::system::system_error&) {
            CHECK_FALSE(gone);
        }
        ++seen.ended;
    }

    counts& seen;
    async::event never;
    bool gone = false;
};

std::vector<task<void>> three_children(owner& o) {
    std::vector<task<void>> out;
    for (int i = 0; i < 3; ++i) {
        out.push_back(o.child());
    }
    return out;
}

/// Can't be told to stop in its first step, as all work of the index and the disk threads can't.
task<void> parent(
    counts& c, boost::asio::any_io_executor ex, boost::asio::any_io_executor elsewhere,
    std::shared_future<void> go
) {
    owner o(c, ex);
    auto wait = [go] { go.wait(); };
    co_await async::run_blocking(elsewhere, std::move(wait));
    auto children = three_children(o);
    co_await async::run_all(ex, std::move(children));
}

task<void> fails() {
    throw std::runtime_error("a sibling failed");
    co_return;
}

/// A sibling fails while the parent is in its first step; only then may that step end.
task<void> family(
    counts& c, boost::asio::any_io_executor ex, boost::asio::any_io_executor elsewhere, bool early
) {
    std::promise<void> go;
    async::group both(ex);
    both.spawn(parent(c, ex, elsewhere, go.get_future().share()));
    if (!early) {
        go.set_value();
        while (c.begun < 3) {
            co_await boost::asio::post(ex, boost::asio::use_awaitable);
        }
    }
    both.spawn(fails());
    // The failure is told to the siblings by what is posted here before this.
    for (int turn = 0; turn < 3; ++turn) {
        co_await boost::asio::post(ex, boost::asio::use_awaitable);
    }
    if (early) {
        go.set_value();
    }
    co_await both.join();
}

counts outcome(bool early) {
    counts c;
    boost::asio::io_context io;
    boost::asio::thread_pool elsewhere(1);
    std::exception_ptr failure;
    auto done = [&failure](std::exception_ptr e) { failure = e; };
    boost::asio::co_spawn(io, family(c, io.get_executor(), elsewhere.get_executor(), early), std::move(done));
    io.run();
    CHECK_THROWS_AS(std::rethrow_exception(failure), std::runtime_error);
    return c;
}

}  // namespace

TEST_SUITE("async") {
    TEST_CASE("run_all: a caller that was told to stop before it begins children begins none") {
        const auto c = outcome(true);
        CHECK(c.begun == 0);
    }

    TEST_CASE("run_all: children that run are told to stop, and waited for, before the caller goes") {
        const auto c = outcome(false);
        CHECK(c.begun == 3);
        CHECK(c.ended == 3);
    }
}
