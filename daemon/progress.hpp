#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <string>

#include "async/task.hpp"
#include "graph/client.hpp"
#include "http/reach.hpp"
#include "sync/run/context.hpp"

namespace m365stage::daemon {

/// Shows what a pass is doing on stderr: a live line on a terminal, a line every five seconds otherwise.
class progress {
public:
    /// Lifetime: both outlive it.
    progress(const graph::client& graph, const http::reach_watch& reach);

    /// Runs beside the pass until it is cancelled.
    async::task<void> show();

    void watch(const sync::pass_context* pass) { pass_ = pass; }

    /// Ends the live line.
    void finish();

    /// "12,345"; "1.5 GiB"; "2 min 3 s": numbers for people.
    static std::string count(std::uint64_t n);
    static std::string number(std::int64_t n);  ///< what the index counts; never less than 0
    static std::string bytes(std::uint64_t n);
    static std::string duration(double seconds);

private:
    std::string line() const;

    const graph::client& graph_;
    const http::reach_watch& reach_;
    const sync::pass_context* pass_ = nullptr;
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
    bool terminal_;
};

}  // namespace m365stage::daemon
