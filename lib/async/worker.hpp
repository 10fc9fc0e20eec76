#pragma once

#include <boost/asio/thread_pool.hpp>

#include "async/blocking.hpp"

namespace m365stage::async {

/// Threads for blocking work (SQLite, files) behind an awaitable call.
class worker {
public:
    explicit worker(std::size_t threads) : pool_(threads) {}
    ~worker() { pool_.join(); }

    template <class Fn>
    task<std::invoke_result_t<Fn&>> run(Fn fn) {
        return run_blocking(boost::asio::any_io_executor(pool_.get_executor()), std::move(fn));
    }

private:
    boost::asio::thread_pool pool_;
};

}  // namespace m365stage::async
