#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>

namespace m365stage::async {

/// One waiter's clock: sleeps until a moment, or until somebody rings.
class alarm {
public:
    using time_point = std::chrono::steady_clock::time_point;

    virtual ~alarm() = default;

    /// Returns at `when`, or as soon as ring() was called (also before this call: a ring is kept until it is
    /// heard). `time_point::max()` waits for a ring alone. One waiter at a time. Cancel: throws
    /// operation_aborted.
    virtual boost::asio::awaitable<void> wait_until(time_point when) = 0;
    virtual void ring() = 0;
};

/// Clocks, sleep and chance: what retry, pacing and token renewal need of the world, so that tests can bring
/// their own and never wait. Threads: the io_context's thread only. Lifetime: outlives its alarms.
class timing {
public:
    virtual ~timing() = default;
    virtual std::chrono::steady_clock::time_point now() const = 0;
    virtual std::chrono::system_clock::time_point wall() const = 0;
    virtual std::unique_ptr<alarm> make_alarm() = 0;
    virtual double random() = 0;  ///< evenly from [0, 1)

    /// Cancel: throws operation_aborted.
    boost::asio::awaitable<void> sleep_until(std::chrono::steady_clock::time_point when);
};

/// The real clocks; waits on timers of the awaiting coroutine's executor.
timing& system_timing();

}  // namespace m365stage::async
