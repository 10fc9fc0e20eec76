#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "content.hpp"
#include "text.hpp"

/// Requests and responses as the handlers see them; only server.cpp knows Beast.
namespace m365stage::sim {

/// In front of a path: what was redirected within a host.
inline constexpr std::string_view moved_prefix = "/moved";

struct request {
    std::string method;
    std::string target;  ///< as sent: path and query
    std::string path;    ///< percent-encoded still
    std::string query;   ///< without '?'
    std::string host;
    std::string body;
    pairs headers;  ///< names in lower case
    pairs parameters;
    bool secure = true;
    bool files = false;  ///< came to the file host's port
    bool is_batch_part = false;
    bool is_moved = false;  ///< made again where the fault `redirect` led within this host

    /// The value of a header by its lower-case name; several are joined with ", ".
    std::string header(std::string_view name) const;
    bool has_header(std::string_view name) const;
    /// The value of a query parameter, or `otherwise`.
    std::string parameter(std::string_view name, std::string_view otherwise = "") const;
    bool has_parameter(std::string_view name) const;
    std::string origin() const { return (secure ? "https://" : "http://") + host; }
};

/// How a response is spoilt on its way out.
struct spoil {
    std::int64_t reset_after = -1;      ///< bytes of body, then RST
    std::int64_t stall_after = -1;      ///< bytes of body, then silence
    std::int64_t close_after = -1;      ///< bytes of body, then an orderly close (short body)
    std::int64_t declared_length = -1;  ///< Content-Length instead of the true one
    std::int64_t trickle_bytes = 0;     ///< bytes per step
    std::int64_t trickle_ms = 0;
    std::int64_t delay_ms = 0;  ///< before the first byte
    std::int64_t stall_ms = 3600000;
};

struct response {
    int status = 200;
    pairs headers;
    std::string body;
    std::string content_type =
        "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";
    /// A file's bytes instead of `body`.
    std::shared_ptr<content_reader> file;
    std::int64_t file_offset = 0;
    std::int64_t file_length = 0;
    std::unique_ptr<spoil> damage;
    bool chunked = false;  ///< sent in chunks, without Content-Length
    /// Places in limited resources; given back when the answer has been written.
    std::vector<std::shared_ptr<void>> held;

    void set(std::string name, std::string value) { headers.emplace_back(std::move(name), std::move(value)); }
    spoil& spoilt() {
        if (!damage) {
            damage = std::make_unique<spoil>();
        }
        return *damage;
    }
};

/// A Graph error body (contract, section 2.3).
response graph_error(
    int status, std::string_view code, std::string_view message, std::string_view inner = ""
);
/// 404 for an item of a drive that is not there.
response not_found();
/// Compact text; what is no UTF-8 is replaced.
std::string dump(const nlohmann::json& j);
response json_response(int status, std::string body);
/// The admin API: an answer with a line end, and what was asked. Throws std::runtime_error if that is no JSON
/// object.
response admin_answer(const nlohmann::json& body);
/// A file of JSON lines as the answer of the admin API. The file is gone when this returns.
response admin_lines(const std::string& path);
nlohmann::json admin_body(const request& r);
response empty_response(int status);
const char* reason_of(int status);

}  // namespace m365stage::sim
