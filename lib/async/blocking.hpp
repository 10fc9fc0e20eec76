#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "async/task.hpp"

namespace m365stage::async {

/// Runs `fn` on `worker` (a thread pool's executor) and resumes the caller on its own executor with the
/// result; an exception of `fn` crosses. Cancel: not possible; the call returns when `fn` has returned. Never
/// `co_spawn` onto another executor instead: asio 1.26 frees memory twice when that is cancelled.
template <class Fn>
    requires(!std::is_void_v<std::invoke_result_t<Fn&>>)
task<std::invoke_result_t<Fn&>> run_blocking(boost::asio::any_io_executor worker, Fn fn) {
    using value = std::invoke_result_t<Fn&>;
    auto initiate = [worker](auto handler, Fn work) {
        auto job = [h = std::move(handler), work = std::move(work)]() mutable {
            std::exception_ptr failure;
            std::optional<value> out;
            try {
                out.emplace(work());
            } catch (...) {
                failure = std::current_exception();
            }
            auto home = boost::asio::get_associated_executor(h);
            auto done = [h = std::move(h), failure, out = std::move(out)]() mutable {
                std::move(h)(failure, std::move(out));
            };
            boost::asio::post(home, std::move(done));
        };
        boost::asio::post(worker, std::move(job));
    };
    std::optional<value> out = co_await boost::asio::async_initiate<
        const boost::asio::use_awaitable_t<>&, void(std::exception_ptr, std::optional<value>)>(
        std::move(initiate), boost::asio::use_awaitable, std::move(fn)
    );
    co_return std::move(*out);
}

template <class Fn>
    requires std::is_void_v<std::invoke_result_t<Fn&>>
task<void> run_blocking(boost::asio::any_io_executor worker, Fn fn) {
    auto with_value = [fn = std::move(fn)]() mutable {
        fn();
        return std::monostate();
    };
    co_await run_blocking(std::move(worker), std::move(with_value));
}

}  // namespace m365stage::async
