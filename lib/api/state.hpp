#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>

#include "api/service.hpp"

namespace m365stage::api {

/// What only the running service knows, as it stands in GET /api/v1/status (`service`) and in every event.
nlohmann::json service_document(const service_state& s);

/// {"ready", "reasons"}. Without `details` a reason is its kind alone: somebody without a token asks.
nlohmann::json readiness_document(const service_state& s, bool details);
bool is_ready(const service_state& s);

nlohmann::json grant_document(const lease_grant& g);

/// As documents and metrics tell a time that was spent.
double seconds_of(std::chrono::nanoseconds t);

}  // namespace m365stage::api
