#pragma once

#include <type_traits>
#include <utility>

#include "async/turns.hpp"

namespace m365stage::async {

/// Work that many coroutines need and one does: those that ask meanwhile wait for it. It stays done until it
/// is `reset`; if it failed, or was stopped, the next one that asks does it again. Cancel: at wait, and where
/// the work allows it. Threads: the executor's thread only.
class once {
public:
    explicit once(const boost::asio::any_io_executor& ex, bool done = false) : turns_(ex), done_(done) {}

    void set_done() { done_ = true; }
    void reset() { done_ = false; }

    /// `work()` gives a task of a result without a value.
    template <class Work>
    std::invoke_result_t<Work&> run(Work work) {
        co_await turns_.wait();
        if (done_) {
            co_return typename std::invoke_result_t<Work&>::value_type();
        }
        const turn mine(turns_);
        auto outcome = co_await work();
        done_ = outcome.has_value();
        co_return outcome;
    }

private:
    turns turns_;
    bool done_;
};

}  // namespace m365stage::async
