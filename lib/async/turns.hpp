#pragma once

#include "async/event.hpp"

namespace m365stage::async {

/// Lets coroutines do something one after the other:
///
///     co_await turns.wait();
///     const async::turn mine(turns);  // no co_await between the two
///
/// Cancel: at wait. Threads: the executor's thread only. Lifetime: outlives whoever waits or has a turn.
class turns {
public:
    explicit turns(const boost::asio::any_io_executor& ex) : changed_(ex) {}

    /// Returns as soon as nobody has a turn.
    task<void> wait() {
        while (taken_) {
            co_await changed_.wait();
        }
    }

private:
    friend class turn;
    event changed_;
    bool taken_ = false;
};

/// Somebody's turn, as long as it lives, also where an exception or a cancellation ends it.
class turn {
public:
    explicit turn(turns& of) : of_(of) { of_.taken_ = true; }
    ~turn() {
        of_.taken_ = false;
        of_.changed_.notify_all();
    }
    turn(const turn&) = delete;
    turn& operator=(const turn&) = delete;

private:
    turns& of_;
};

}  // namespace m365stage::async
