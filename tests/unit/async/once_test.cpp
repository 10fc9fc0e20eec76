#include "async/once.hpp"

#include <doctest/doctest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <vector>

#include "core/error.hpp"

using namespace m365stage;
using async::task;
using outcome = core::result<void>;

namespace {

/// Work that waits until it is told how it ends.
struct bench {
    boost::asio::io_context io;
    async::once once{io.get_executor()};
    async::event told{io.get_executor()};
    outcome next;
    int begun = 0;
    std::vector<bool> answers;

    task<outcome> work() {
        ++begun;
        co_await told.wait();
        co_return next;
    }
    task<void> ask() {
        const auto mine = [this] { return work(); };
        const auto got = co_await once.run(mine);
        answers.push_back(got.has_value());
    }
    void let_it_end(outcome how) {
        next = std::move(how);
        told.notify_all();
        io.restart();
        io.run();
    }
};

core::error reason() {
    return core::error(core::error_kind::server, "told so");
}

}  // namespace

TEST_SUITE("async") {
    TEST_CASE("once: one does the work, the others wait for it") {
        bench b;
        for (int i = 0; i < 3; ++i) {
            boost::asio::co_spawn(b.io, b.ask(), boost::asio::detached);
        }
        b.io.poll();
        CHECK(b.begun == 1);
        CHECK(b.answers.empty());
        b.let_it_end(outcome());
        CHECK(b.answers == std::vector{true, true, true});
        CHECK(b.begun == 1);

        b.once.reset();
        boost::asio::co_spawn(b.io, b.ask(), boost::asio::detached);
        b.io.restart();
        b.io.poll();
        CHECK(b.begun == 2);
        b.let_it_end(outcome());
    }

    TEST_CASE("once: after a failure the next one tries") {
        bench b;
        boost::asio::co_spawn(b.io, b.ask(), boost::asio::detached);
        boost::asio::co_spawn(b.io, b.ask(), boost::asio::detached);
        b.io.poll();
        b.next = reason();
        b.told.notify_all();
        b.io.restart();
        b.io.poll();
        CHECK(b.answers == std::vector{false});
        CHECK(b.begun == 2);
        b.let_it_end(outcome());
        CHECK(b.answers == std::vector{false, true});
    }

    TEST_CASE("once: work that is stopped leaves its turn to the next one") {
        bench b;
        boost::asio::cancellation_signal stop;
        bool stopped = false;
        boost::asio::co_spawn(
            b.io, b.ask(),
            boost::asio::bind_cancellation_slot(
                stop.slot(), [&](std::exception_ptr e) { stopped = e != nullptr; }
            )
        );
        boost::asio::co_spawn(b.io, b.ask(), boost::asio::detached);
        b.io.poll();
        stop.emit(boost::asio::cancellation_type::terminal);
        b.io.restart();
        b.io.poll();
        CHECK(stopped);
        CHECK(b.begun == 2);
        b.let_it_end(outcome());
        CHECK(b.answers == std::vector{true});
    }
}
