#pragma once

#include <nlohmann/json_fwd.hpp>

#include "graph/client.hpp"
#include "restore/plan.hpp"

namespace m365stage::daemon {

/// What a restore would do, for people and as {"plan": {...}}.
void print_plan(const restore::plan& p, bool json);

/// What a restore did.
struct restore_outcome {
    restore_outcome() = default;
    std::map<std::string, restore::tally> kinds;
    std::vector<std::pair<std::string, restore::entry>>
        left;  ///< skipped, failed or open; the first `most_listed`
    std::uint64_t left_count = 0;
    bool goes_on = false;                ///< what earlier runs put there counts too
    std::optional<core::error> failure;  ///< that ended it early
    bool forbidden = false;              ///< nothing could be put back: permissions are missing
    graph::statistics service;
    std::uint64_t bytes = 0;
    double seconds = 0;

    static constexpr std::size_t most_listed = 10'000;
    /// 0 if all that was selected is back, 1 if something is missing, 3 if nothing was permitted, else what
    /// the failure says.
    core::exit_code exit() const;
};

/// The report, for people and as one JSON object.
void print_outcome(const restore_outcome& o, bool json);

}  // namespace m365stage::daemon
