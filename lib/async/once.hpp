#pragma once

#include <type_traits>
#include <utility>

#include "async/event.hpp"

namespace m365stage::async {

/// Work that many coroutines need and one does: those that ask meanwhile wait for it. It stays done until it
/// is `reset`; if it failed, or was stopped, the next one that asks does it again. Cancel: at wait, and where
/// the work allows it. Threads: the executor's thread only.
class once {
public:
    explicit once(const boost::asio::any_io_executor& ex, bool done = false) : changed_(ex), done_(done) {}

    void set_done() { done_ = true; }
    void reset() { done_ = false; }

    /// `work()` gives a task of a result without a value.
    template <class Work>
    std::invoke_result_t<Work&> run(Work work) {
        while (running_) {
            co_await changed_.wait();
        }
        if (done_) {
            co_return typename std::invoke_result_t<Work&>::value_type();
        }
        const turn mine(*this);
        auto outcome = co_await work();
        done_ = outcome.has_value();
        co_return outcome;
    }

private:
    class turn {
    public:
        explicit turn(once& of) : of_(of) { of_.running_ = true; }
        ~turn() {
            of_.running_ = false;
            of_.changed_.notify_all();
        }
        turn(const turn&) = delete;
        turn& operator=(const turn&) = delete;

    private:
        once& of_;
    };

    event changed_;
    bool running_ = false;
    bool done_;
};

}  // namespace m365stage::async
