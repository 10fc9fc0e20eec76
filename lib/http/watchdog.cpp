#include "http/watchdog.hpp"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <vector>

namespace m365stage::http {

struct watchdog::state : std::enable_shared_from_this<watchdog::state> {
    explicit state(boost::asio::io_context& io) : timer(io) {}

    void need(steady::time_point when) {
        if (!armed || when < armed_for) {
            arm(when);
        }
    }

    void arm(steady::time_point when) {
        armed = true;
        armed_for = when;
        timer.expires_at(when);
        timer.async_wait([self = shared_from_this()](const boost::system::error_code& ec) {
            if (!ec) {
                self->fire();
            }
        });
    }

    void fire() {
        armed = false;
        const auto now = steady::now();
        auto next = steady::time_point::max();
        for (watch* w : watches) {
            if (w->deadline_ <= now) {
                w->expired_ = true;
                w->deadline_ = steady::time_point::max();
                w->target_->abort();
            }
            next = std::min(next, w->deadline_);
        }
        if (next != steady::time_point::max()) {
            arm(next);
        }
    }

    boost::asio::steady_timer timer;
    std::vector<watch*> watches;
    steady::time_point armed_for;
    bool armed = false;
};

watchdog::watchdog(boost::asio::io_context& io) : state_(std::make_shared<state>(io)) {}

watchdog::~watchdog() {
    state_->timer.cancel();
}

watchdog::watch::watch(watchdog& owner) : state_(owner.state_), index_(state_->watches.size()) {
    state_->watches.push_back(this);
}

watchdog::watch::~watch() {
    auto& all = state_->watches;
    all[index_] = all.back();
    all[index_]->index_ = index_;
    all.pop_back();
    if (all.empty() && state_->armed) {
        state_->armed = false;
        state_->timer.cancel();
    }
}

void watchdog::watch::set(abortable& target, steady::time_point deadline) {
    target_ = &target;
    deadline_ = deadline;
    expired_ = false;
    state_->need(deadline);
}

void watchdog::watch::stop() {
    deadline_ = steady::time_point::max();
}

}  // namespace m365stage::http
