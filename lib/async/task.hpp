#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace m365stage::async {

template <class T>
using task = boost::asio::awaitable<T>;

/// Runs `fn` on `worker` (a thread pool's executor) and resumes the caller on its own executor with the
/// result; an exception of `fn` crosses. `fn` returns a value (use `std::monostate` for none). Cancel: not
/// possible; the call returns when `fn` has returned. Never `co_spawn` onto another executor instead:
/// asio 1.26 frees memory twice when that is cancelled (style guide, 4.2).
template <class Fn>
task<std::invoke_result_t<Fn&>> run_blocking(boost::asio::any_io_executor worker, Fn fn) {
    using value = std::invoke_result_t<Fn&>;
    static_assert(!std::is_void_v<value>, "return std::monostate");
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

}  // namespace m365stage::async
