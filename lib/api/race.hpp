#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <optional>

#include "async/task.hpp"

namespace m365stage::api {

/// Runs `work` until it ends, or until `end` does: then `work` is cancelled and there is no result, unless it
/// came all the same. Returns when both have ended. Cancel: cancels both. T has a default constructor.
template <class T>
async::task<std::optional<T>> run_until(async::task<T> work, async::task<void> end) {
    namespace asio = boost::asio;
    const auto executor = co_await asio::this_coro::executor;
    auto both = asio::experimental::make_parallel_group(
        asio::co_spawn(executor, std::move(work), asio::deferred),
        asio::co_spawn(executor, std::move(end), asio::deferred)
    );
    auto [order, failure, value, end_failure] =
        co_await both.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
    if (!failure) {
        co_return std::move(value);
    }
    if (order[0] == 1 && !end_failure) {
        co_return std::nullopt;
    }
    std::rethrow_exception(failure);
}

}  // namespace m365stage::api
