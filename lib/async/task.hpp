#pragma once

#include <boost/asio/awaitable.hpp>

namespace m365stage::async {

/// A coroutine of this program. Other modules say `using async::task;`.
template <class T>
using task = boost::asio::awaitable<T>;

}  // namespace m365stage::async
