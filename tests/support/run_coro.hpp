#pragma once

#include <doctest/doctest.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <utility>

namespace m365stage::test {

/// Runs a coroutine function on `io` and this thread until it ends; rethrows what it threw. A coroutine that
/// does not end within `deadline` fails the test. `f` may be a lambda with captures: it is kept alive here
/// until the end. Await first, then CHECK the value (no co_await inside a doctest macro).
template <class F>
void run_coro(
    boost::asio::io_context& io, F f, std::chrono::milliseconds deadline = std::chrono::seconds(20)
) {
    std::exception_ptr failure;
    bool done = false;
    auto finished = [&](std::exception_ptr e) {
        failure = e;
        done = true;
    };
    boost::asio::co_spawn(io, f(), finished);
    io.restart();
    const auto latest = std::chrono::steady_clock::now() + deadline;
    while (!done && std::chrono::steady_clock::now() < latest && io.run_one_until(latest) > 0) {
    }
    if (done) {
        io.poll();  // what the end of the coroutine has set in motion
    }
    if (failure) {
        std::rethrow_exception(failure);
    }
    REQUIRE_MESSAGE(done, "the coroutine did not end within ", deadline.count(), " ms");
}

/// The same on an io_context of its own.
template <class F>
void run_coro(F f, std::chrono::milliseconds deadline = std::chrono::seconds(20)) {
    boost::asio::io_context io;
    run_coro(io, std::move(f), deadline);
}

}  // namespace m365stage::test
