#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace m365stage::api {

struct local_answer {
    local_answer() = default;
    int status = 0;
    std::string body;
};

/// The cause that ask_local tells when nobody is at the socket.
inline constexpr std::string_view service_not_running = "the service does not run";

/// Asks the running service over its Unix socket and waits for the answer. For commands: blocks, and needs
/// nothing that runs. `body`: JSON, or empty. `longest`: for all of it.
/// Errors: usage (the path is too long for a socket), disk (no service there, no permission, it went away
/// before the answer was whole, or the answer is no HTTP), busy (no answer in time). A whole answer of any
/// status from 200 to 599 is no error.
core::result<local_answer> ask_local(
    const std::string& socket, std::string_view method, const std::string& target, const std::string& body,
    std::chrono::milliseconds longest
);

}  // namespace m365stage::api
