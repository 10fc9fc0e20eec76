#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "core/error.hpp"

namespace m365stage::daemon {

/// A question to the running service, for commands. The document that it answers with, always an object.
/// Errors: as api::ask_local (disk also for an answer that makes no sense), and what the service says.
core::result<nlohmann::json> ask_service(
    const std::string& socket, std::string_view method, const std::string& target, const nlohmann::json& body,
    std::chrono::milliseconds longest
);

/// Something that the running service is to note: it answers that it has, and nothing else (204).
/// Errors: as ask_service.
core::result<void> tell_service(
    const std::string& socket, std::string_view method, const std::string& target, const nlohmann::json& body,
    std::chrono::milliseconds longest
);

/// True if a service answers there.
bool service_answers(const std::string& socket);

}  // namespace m365stage::daemon
