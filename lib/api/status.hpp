#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "index/containers.hpp"
#include "index/leases.hpp"
#include "index/reports.hpp"

namespace m365stage::api {

/// What the index says about the state of the whole, as `status` tells it.
struct status_report {
    status_report() = default;
    core::unix_seconds now = core::now_seconds();
    std::optional<std::int64_t> running;  ///< process that holds stage.root
    bool pass_runs = false;               ///< the newest pass that has not ended is being worked on
    std::int64_t generation = 0;
    std::vector<index::pass_row> passes;
    index::container_totals containers;
    index::backlog work;
    index::staged_count count;
    std::vector<index::failing_group> failing;
    std::vector<index::uncovered> uncovered;
    std::vector<index::lease_row> leases;
    std::vector<index::held_container> held;

    /// complete | degraded | failed | running | interrupted
    std::string outcome_of(const index::pass_row& p) const;
};

/// Reads it from the index. `pass_runs` and `running` are the caller's to know.
status_report gather_status(index::database& db);

/// How much of a status report is written.
struct status_extent {
    status_extent() = default;
    bool all_containers = false;                              ///< not only those with something to say
    std::size_t longest_list = static_cast<std::size_t>(-1);  ///< of containers and of what is not covered
};

/// The passes of the report, newest first.
nlohmann::json passes_document(const status_report& s);

/// The document of `status --json` and of GET /api/v1/status. The list of containers comes from `db`.
/// `service` is what only the running service knows (`service_document`), null otherwise.
nlohmann::json status_document(
    index::database& db, const status_report& s, const status_extent& extent, nlohmann::json service
);

}  // namespace m365stage::api
