#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <exception>
#include <memory>
#include <vector>

#include "async/task.hpp"

namespace m365stage::async {

/// Coroutines of one thread that belong together: the first failure stops the others, `join` waits for all of
/// them and rethrows it. Nothing is left running when `join` has returned. Threads: the executor's thread
/// only. Lifetime: join before destruction.
class group {
public:
    explicit group(boost::asio::any_io_executor ex);
    ~group();
    group(const group&) = delete;
    group& operator=(const group&) = delete;

    void spawn(task<void> work);
    std::size_t running() const;

    /// Asks every child to stop; `join` then throws nothing for those that did.
    void stop();

    /// Cancel: stops the children, waits for them, then throws operation_aborted.
    task<void> join();

private:
    struct state;
    std::shared_ptr<state> state_;  // shared with the completion handlers of the children
};

/// Runs `children` side by side and returns when all of them have ended, as a group would. For children that
/// refer to what the caller holds: a caller that was told to stop before it got here throws without having
/// begun any, where `spawn` followed by `co_await join()` would throw between the two and leave them running.
task<void> run_all(boost::asio::any_io_executor ex, std::vector<task<void>> children);

}  // namespace m365stage::async
