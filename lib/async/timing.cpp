#include "async/timing.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>
#include <random>

namespace m365stage::async {
namespace asio = boost::asio;
namespace {

asio::awaitable<void> rethrow_if_stopped() {
    auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) {
        throw boost::system::system_error(asio::error::operation_aborted);
    }
}

class timer_alarm final : public alarm {
public:
    asio::awaitable<void> wait_until(time_point when) override {
        if (!rung_) {
            co_await rethrow_if_stopped();  // a stop that came before the wait would not end it
            auto executor = co_await asio::this_coro::executor;
            timer_.emplace(executor, when);
            boost::system::error_code ignored;
            co_await timer_->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
            co_await rethrow_if_stopped();
        }
        rung_ = false;
    }

    void ring() override {
        rung_ = true;
        if (timer_) {
            timer_->cancel();
        }
    }

private:
    std::optional<asio::steady_timer> timer_;
    bool rung_ = false;
};

class real_timing final : public timing {
public:
    std::chrono::steady_clock::time_point now() const override { return std::chrono::steady_clock::now(); }
    std::chrono::system_clock::time_point wall() const override { return std::chrono::system_clock::now(); }
    std::unique_ptr<alarm> make_alarm() override { return std::make_unique<timer_alarm>(); }

    double random() override {
        thread_local std::mt19937_64 engine{std::random_device{}()};
        return std::uniform_real_distribution<double>(0.0, 1.0)(engine);
    }
};

}  // namespace

asio::awaitable<void> timing::sleep_until(std::chrono::steady_clock::time_point when) {
    std::unique_ptr<alarm> clock = make_alarm();
    while (now() < when) {
        co_await clock->wait_until(when);
    }
}

timing& system_timing() {
    static real_timing instance;
    return instance;
}

}  // namespace m365stage::async
