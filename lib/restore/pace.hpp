#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "async/task.hpp"
#include "async/timing.hpp"
#include "graph/limiter.hpp"

namespace m365stage::restore {

/// Exchange takes 150 MB of uploads from one app into one mailbox in five minutes (contract 3.3); what comes
/// beyond is refused. Threads: the network thread.
class upload_pace {
public:
    static constexpr double most_bytes = 145e6;
    static constexpr std::chrono::seconds span{300};

    explicit upload_pace(async::timing& clock = async::system_timing()) : clock_(clock) {}

    /// Returns when that much may be sent to the mailbox, and counts it. Cancel: throws operation_aborted.
    async::task<void> admit(std::string mailbox, std::uint64_t bytes);

private:
    async::timing& clock_;
    std::map<std::string, graph::sliding_count> sent_;
};

}  // namespace m365stage::restore
