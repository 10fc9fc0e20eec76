#include "async/group.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <list>

#include "async/event.hpp"

namespace m365stage::async {

struct group::state {
    explicit state(boost::asio::any_io_executor e) : executor(e), changed(e) {}
    boost::asio::any_io_executor executor;
    event changed;
    std::list<boost::asio::cancellation_signal> children;
    std::exception_ptr failure;
    bool stopping = false;

    void stop_all() {
        stopping = true;
        for (auto& child : children) {
            child.emit(boost::asio::cancellation_type::terminal);
        }
    }

    void ended(std::list<boost::asio::cancellation_signal>::iterator child, std::exception_ptr e) {
        children.erase(child);
        if (e && !failure && !(stopping && is_abort(e))) {
            failure = e;
            // Not from inside the child's completion: its siblings may be erased while they are told.
            boost::asio::post(executor, [self = self_reference.lock()] {
                if (self) {
                    self->stop_all();
                }
            });
        }
        changed.notify_all();
    }

    static bool is_abort(const std::exception_ptr& e) {
        try {
            std::rethrow_exception(e);
        } catch (const boost::system::system_error& error) {
            return error.code() == boost::asio::error::operation_aborted;
        } catch (...) {
            return false;
        }
    }

    std::weak_ptr<state> self_reference;
};

group::group(boost::asio::any_io_executor ex) : state_(std::make_shared<state>(std::move(ex))) {
    state_->self_reference = state_;
}

group::~group() = default;

void group::spawn(task<void> work) {
    auto child = state_->children.emplace(state_->children.end());
    auto done = [s = state_, child](std::exception_ptr e) { s->ended(child, e); };
    boost::asio::co_spawn(
        state_->executor, std::move(work), boost::asio::bind_cancellation_slot(child->slot(), std::move(done))
    );
}

std::size_t group::running() const {
    return state_->children.size();
}

void group::stop() {
    boost::asio::post(state_->executor, [s = state_] { s->stop_all(); });
}

task<void> group::join() {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    bool stopped = false;
    while (!state_->children.empty()) {
        const auto cancelled = co_await boost::asio::this_coro::cancellation_state;
        if (cancelled.cancelled() != boost::asio::cancellation_type::none && !stopped) {
            stopped = true;
            state_->stop_all();
            co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
            continue;
        }
        auto s = state_;
        try {
            co_await s->changed.wait();
        } catch (const boost::system::system_error&) {
            // told to stop: the loop passes it on to the children
        }
    }
    if (state_->failure) {
        std::rethrow_exception(std::exchange(state_->failure, nullptr));
    }
    if (stopped) {
        throw boost::system::system_error(boost::asio::error::operation_aborted);
    }
}

task<void> run_all(boost::asio::any_io_executor ex, std::vector<task<void>> children) {
    // Nothing is awaited between here and `join`, so nothing can throw while children run.
    group all(std::move(ex));
    for (auto& child : children) {
        all.spawn(std::move(child));
    }
    children.clear();
    co_await all.join();
}

}  // namespace m365stage::async
