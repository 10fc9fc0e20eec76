#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "core/error.hpp"

namespace m365stage::daemon {

/// A question to the running service, for commands. The answer's document; null if it has none.
/// Errors: as api::ask_local, and what the service says.
core::result<nlohmann::json> ask_service(
    const std::string& socket, std::string_view method, const std::string& target, const nlohmann::json& body,
    std::chrono::milliseconds longest
);

/// True if a service answers there.
bool service_answers(const std::string& socket);

}  // namespace m365stage::daemon
