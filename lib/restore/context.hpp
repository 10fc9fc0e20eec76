#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "async/worker.hpp"
#include "graph/client.hpp"
#include "restore/journal.hpp"
#include "restore/pace.hpp"
#include "restore/request.hpp"
#include "restore/source_tree.hpp"

namespace m365stage::restore {

/// Numbers of a run, for the progress line. Network thread only.
struct counters {
    std::uint64_t objects = 0, bytes = 0;            ///< planned
    std::uint64_t objects_done = 0, bytes_done = 0;  ///< handled, whatever came of it; sent
    std::uint64_t failed = 0, requests_repeated = 0;
    const char* phase = "planning";
    std::vector<graph::scope> scopes;  ///< whose pauses hold the run up
};

/// Tells a service that is away from one that fails with some objects: with those it answers something else
/// in between. Network thread only.
class outage_watch {
public:
    using time_point = std::chrono::steady_clock::time_point;
    // One fault strikes all the objects that are under way, and may pass before others are tried.
    static constexpr int most_failures = 8;
    static constexpr std::chrono::seconds longest{30};

    /// An object failed with this error, and all tries are spent; `answered`: what the service has answered
    /// so far (`graph::statistics`). True: it is away, and the next objects would fare no better.
    bool is_away(const core::error& why, std::uint64_t answered, time_point now);

private:
    std::uint64_t answered_ = 0;
    int failures_ = 0;  ///< in a row
    time_point since_;  ///< the first of them
};

/// What every part of a restore uses. Lifetime: all of it outlives the run.
struct context {
    context(
        boost::asio::any_io_executor e, graph::client& g, const source_tree& t, journal& j, async::worker& d,
        const request& r, counters& n
    )
        : executor(std::move(e)), graph(g), tree(t), log(j), disk(d), asked(r), count(n) {}
    boost::asio::any_io_executor executor;
    graph::client& graph;
    const source_tree& tree;
    journal& log;
    async::worker& disk;
    const request& asked;
    counters& count;
    outage_watch outage;
    upload_pace pace;  ///< of all kinds together: a mailbox has one limit
};

}  // namespace m365stage::restore
