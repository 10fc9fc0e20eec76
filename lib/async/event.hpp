#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>

#include "async/task.hpp"

namespace m365stage::async {

/// Something that coroutines of one thread wait for. A notification wakes everybody who waits at that moment;
/// it is not remembered, so test the condition before waiting.
/// Cancel: at wait. Threads: the executor's thread only.
class event {
public:
    explicit event(const boost::asio::any_io_executor& ex)
        : timer_(ex, boost::asio::steady_timer::time_point::max()) {}

    void notify_all() { timer_.cancel(); }

    task<void> wait();
    /// Waits at most `longest`; the caller looks at its condition anyway.
    task<void> wait_for(std::chrono::steady_clock::duration longest);

private:
    boost::asio::steady_timer timer_;
};

}  // namespace m365stage::async
