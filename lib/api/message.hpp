#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.hpp"

/// Requests and responses as plain values: what decides about them knows no socket.
namespace m365stage::api {

/// A request as it came in, with path and parameters decoded.
struct request {
    request() = default;
    std::string method;  ///< "GET"; what the client wrote
    std::string path;    ///< as written, not decoded; without the question mark and what follows
    std::vector<std::pair<std::string, std::string>> query;
    std::string host, authorization, content_type, if_none_match;
    std::string body;
    bool local = false;    ///< over the Unix socket: who may open it may do everything
    bool trusted = false;  ///< local, or with the right token
    std::string peer;      ///< "uid 1000" or "127.0.0.1:5000", for the log
};

struct response {
    response() = default;
    int status = 200;
    std::string content_type = "application/json";
    std::string body;
    std::vector<std::pair<std::string, std::string>> fields;  ///< besides those that every answer has
};

std::string_view reason_of(int status);

/// Path and parameters of a request target ("/a/b?x=1&y=%20"). Errors: bad_request (no absolute path, a bad
/// escape, a NUL, more than 20 parameters).
core::result<void> read_target(std::string_view target, request& into);

response json_response(std::string body, int status = 200);

/// {"error": {"kind", "message", "cause", "hint"}}, with the status that belongs to the kind.
response error_response(const core::error& e);
response error_response(int status, const core::error& e);

/// The status of an answer to a request that ended with an error of this kind: 4xx if the client has to do
/// something else, 503 if it may try again later, 500 for a fault of ours.
int http_status_of(core::error_kind kind);

/// Status line and fields, with the empty line that ends them. `length`: of the body; negative: the body ends
/// with the connection.
std::string head_of(const response& r, std::int64_t length, bool keep_alive);

}  // namespace m365stage::api
