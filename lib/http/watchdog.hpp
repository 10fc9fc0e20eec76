#pragma once

#include <boost/asio/steady_timer.hpp>
#include <memory>

#include "http/progress.hpp"

namespace m365stage::http {

/// Something that a deadline can end. `abort` makes the pending operation complete with an error.
class abortable {
public:
    virtual void abort() noexcept = 0;

protected:
    ~abortable() = default;
};

/// One timer for the deadlines of all calls of a client. Moving a deadline is a store, not a timer operation,
/// so the timer costs next to nothing per read. While no call is under way nothing is pending. Threads: the
/// io_context's thread only.
class watchdog {
    struct state;

public:
    explicit watchdog(boost::asio::io_context& io);
    ~watchdog();
    watchdog(const watchdog&) = delete;
    watchdog& operator=(const watchdog&) = delete;

    /// The deadline of one call. Starts without one.
    class watch {
    public:
        explicit watch(watchdog& owner);
        ~watch();
        watch(const watch&) = delete;
        watch& operator=(const watch&) = delete;

        /// From now on `target` is aborted at `deadline`; replaces what was set before. `target` must live
        /// until `stop` or the end of the watch.
        void set(abortable& target, steady::time_point deadline);
        void stop();
        bool has_expired() const { return expired_; }

    private:
        friend watchdog;
        friend state;
        std::shared_ptr<state> state_;
        abortable* target_ = nullptr;
        steady::time_point deadline_ = steady::time_point::max();
        std::size_t index_ = 0;
        bool expired_ = false;
    };

private:
    std::shared_ptr<state> state_;
};

}  // namespace m365stage::http
