#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "api/router.hpp"
#include "api/service.hpp"

namespace m365stage::api {

/// What the server itself has seen.
struct traffic {
    traffic() = default;
    std::map<std::pair<endpoint, int>, std::uint64_t> answers;  ///< by what was asked and the status
    std::uint64_t refused = 0;      ///< not readable, without a token, or for nothing that there is
    std::uint64_t turned_away = 0;  ///< connections refused or closed to make room
    std::size_t connections = 0, event_streams = 0;
};

/// The numbers of a scrape that the index knows. Gathered now and then, not for each scrape.
struct index_numbers {
    index_numbers() = default;
    std::int64_t generation = 0, items = 0, staged_items = 0, bytes = 0;
    double coverage_ratio = 1;  ///< 0..1
    std::int64_t spooled = 0, spooled_bytes = 0, held = 0;
    std::map<std::string, std::int64_t> owed;        ///< by reason; "waiting": not tried yet
    std::map<std::string, std::int64_t> containers;  ///< by state
    std::int64_t failing_containers = 0, uncovered_owners = 0;
    std::int64_t leases = 0;
    core::unix_seconds oldest_lease = 0;  ///< since when; 0: none
};
index_numbers gather_index_numbers(index::database& db);

/// The text format of Prometheus, version 0.0.4. `from_index` may be null: it could not be read.
std::string metrics_text(const service_state& s, const index_numbers* from_index, const traffic& t);

}  // namespace m365stage::api
