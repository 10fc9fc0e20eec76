#include "async/event.hpp"

#include <doctest/doctest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>

#include "async/group.hpp"
#include "async/timing.hpp"
#include "async/worker.hpp"

using namespace m365stage;

namespace {

enum class kind { event, event_for_long, alarm };

/// Is told to stop by the work that it waits for, which nothing can stop, has joined a group before, and
/// waits then.
async::task<void> stopped_before_it_waits(
    boost::asio::any_io_executor ex, boost::asio::cancellation_signal& stop, kind what
) {
    async::group children(ex);
    co_await children.join();
    auto raise = [ex, &stop](auto done) {
        auto later = [ex, &stop, done = std::move(done)]() mutable {
            stop.emit(boost::asio::cancellation_type::terminal);
            std::move(done)();
        };
        boost::asio::post(ex, std::move(later));
    };
    co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>&, void()>(
        std::move(raise), boost::asio::use_awaitable
    );
    async::event e(ex);
    if (what == kind::event) {
        co_await e.wait();
    } else if (what == kind::event_for_long) {
        co_await e.wait_for(std::chrono::hours(1));
    } else {
        const auto bell = async::system_timing().make_alarm();
        co_await bell->wait_until(std::chrono::steady_clock::now() + std::chrono::hours(1));
    }
}

}  // namespace

TEST_SUITE("async") {
    TEST_CASE("event: a wait that begins after the stop does not begin") {
        for (const auto what : {kind::event, kind::event_for_long, kind::alarm}) {
            CAPTURE(static_cast<int>(what));
            boost::asio::io_context io(1);
            boost::asio::cancellation_signal stop;
            bool stopped = false;
            auto ended = [&stopped](std::exception_ptr e) { stopped = e != nullptr; };
            boost::asio::co_spawn(
                io, stopped_before_it_waits(io.get_executor(), stop, what),
                boost::asio::bind_cancellation_slot(stop.slot(), ended)
            );
            io.run_for(std::chrono::seconds(10));
            CHECK(stopped);
            CHECK(io.stopped());
        }
    }
}
