#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <functional>
#include <optional>
#include <set>
#include <stdexcept>
#include <utility>
#include <vector>

#include "async/timing.hpp"

namespace m365stage::test {

/// A clock that stands still until the driver moves it. `drive` runs what is ready and, when nothing is,
/// jumps to the next moment that somebody waits for: hours pass in milliseconds and nothing really waits.
class fake_timing final : public async::timing {
public:
    using steady = std::chrono::steady_clock::time_point;

    explicit fake_timing(boost::asio::io_context& io) : io_(io) {}

    steady now() const override { return now_; }
    std::chrono::system_clock::time_point wall() const override {
        return wall_start_ + wall_set_by + (now_ - start_);
    }
    std::unique_ptr<async::alarm> make_alarm() override { return std::make_unique<fake_alarm>(*this); }
    double random() override { return chance; }

    double chance = 0.5;                  ///< what random() says
    std::chrono::seconds wall_set_by{0};  ///< somebody set the clock

    double seconds_passed() const { return std::chrono::duration<double>(now_ - start_).count(); }
    void advance(std::chrono::steady_clock::duration by) { move_to(now_ + by); }

    /// Until nothing is ready and nobody waits for a moment (or until `limit` of fake time has passed).
    void drive(std::chrono::seconds limit = std::chrono::hours(48)) {
        steady last = now_ + limit;
        while (true) {
            io_.restart();
            io_.poll();
            if (waiting_.empty() || waiting_.begin()->first > last) {
                return;
            }
            move_to(waiting_.begin()->first);
        }
    }

    /// Runs one coroutine to its end, in fake time. Throws what it throws; a coroutine that never ends is an
    /// error.
    template <class T>
    T run(boost::asio::awaitable<T> work) {
        std::optional<T> out;
        std::exception_ptr failure;
        auto done = [&](std::exception_ptr e, T value) {
            failure = e;
            out.emplace(std::move(value));
        };
        boost::asio::co_spawn(io_, std::move(work), done);
        drive();
        if (failure) {
            std::rethrow_exception(failure);
        }
        if (!out) {
            throw std::runtime_error("the coroutine never ended");
        }
        return std::move(*out);
    }

private:
    class fake_alarm final : public async::alarm {
    public:
        explicit fake_alarm(fake_timing& clock) : clock_(clock), timer_(clock.io_) {}
        ~fake_alarm() override { leave(); }
        fake_alarm(const fake_alarm&) = delete;
        fake_alarm& operator=(const fake_alarm&) = delete;

        boost::asio::awaitable<void> wait_until(time_point when) override {
            if (!rung_ && when > clock_.now_) {
                timer_.expires_at(time_point::max());
                if (when != time_point::max()) {
                    clock_.waiting_.insert({when, this});
                    enrolled_ = when;
                }
                boost::system::error_code ignored;
                co_await timer_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
                leave();
                auto state = co_await boost::asio::this_coro::cancellation_state;
                if (state.cancelled() != boost::asio::cancellation_type::none) {
                    throw boost::system::system_error(boost::asio::error::operation_aborted);
                }
            }
            rung_ = false;
        }

        void ring() override {
            rung_ = true;
            timer_.cancel();
        }

    private:
        void leave() {
            if (enrolled_) {
                clock_.waiting_.erase({*enrolled_, this});
                enrolled_.reset();
            }
        }

        fake_timing& clock_;
        boost::asio::steady_timer timer_;
        std::optional<time_point> enrolled_;
        bool rung_ = false;
    };

    void move_to(steady when) {
        now_ = std::max(now_, when);
        std::vector<fake_alarm*> due;
        for (const auto& [at, alarm] : waiting_) {
            if (at <= now_) {
                due.push_back(alarm);
            }
        }
        for (fake_alarm* alarm : due) {
            alarm->ring();
        }
        std::erase_if(waiting_, [this](const auto& entry) { return entry.first <= now_; });
    }

    boost::asio::io_context& io_;
    const steady start_{std::chrono::hours(1000)};
    const std::chrono::system_clock::time_point wall_start_{std::chrono::seconds(1'795'000'000)};
    steady now_ = start_;
    std::set<std::pair<steady, fake_alarm*>> waiting_;
};

}  // namespace m365stage::test
