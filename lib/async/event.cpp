#include "async/event.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>

namespace m365stage::async {
namespace {

constexpr auto quiet = boost::asio::as_tuple(boost::asio::use_awaitable);

/// A stop of the waiting coroutine must not look like a notification; one that came before the wait would not
/// end it, and asio does not throw for it any more once the coroutine has joined a group.
task<void> rethrow_if_stopped() {
    const auto state = co_await boost::asio::this_coro::cancellation_state;
    if (state.cancelled() != boost::asio::cancellation_type::none) {
        throw boost::system::system_error(boost::asio::error::operation_aborted);
    }
}

}  // namespace

task<void> event::wait() {
    co_await rethrow_if_stopped();
    co_await timer_.async_wait(quiet);
    co_await rethrow_if_stopped();
}

task<void> event::wait_for(std::chrono::steady_clock::duration longest) {
    co_await rethrow_if_stopped();
    boost::asio::steady_timer limit(timer_.get_executor(), longest);
    auto both = boost::asio::experimental::make_parallel_group(
        timer_.async_wait(boost::asio::deferred), limit.async_wait(boost::asio::deferred)
    );
    co_await both.async_wait(boost::asio::experimental::wait_for_one(), quiet);
    co_await rethrow_if_stopped();
}

}  // namespace m365stage::async
