#pragma once

#include <string>
#include <variant>

#include "api/message.hpp"

namespace m365stage::api {

/// Everything that the server answers.
enum class endpoint {
    page,
    healthz,
    readyz,
    metrics,
    status,
    list_passes,
    start_pass,
    containers,
    items,
    changes,
    leases,
    take_lease,
    end_lease,
    jobs,
    job_read,
    job_ended,
    guard,
    approve_guard,
    events,
};
std::string_view to_string(endpoint e);

struct route {
    route() = default;
    endpoint what = endpoint::healthz;
    std::string argument;  ///< of the path, decoded: the job id
};

/// Finds what a request asks for. HEAD goes where GET goes. The response says 404 (with what there is) or 405
/// (with Allow).
std::variant<route, response> find_route(const request& r);

}  // namespace m365stage::api
