#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "async/task.hpp"
#include "core/error.hpp"

namespace boost::asio {
class io_context;
}

namespace m365stage::http {

using async::task;

enum class method { get, head, post, put, patch, del };

/// Header fields in order; names compare without regard to case.
class header_list {
public:
    header_list() = default;
    void set(std::string_view name, std::string_view value);  ///< replaces every field of that name
    void add(std::string_view name, std::string_view value);
    void erase(std::string_view name);
    std::optional<std::string_view> find(std::string_view name) const;  ///< the first one
    const std::vector<std::pair<std::string, std::string>>& all() const { return fields_; }

private:
    std::vector<std::pair<std::string, std::string>> fields_;
};

/// Separate limits for the phases of a call. `idle` is the longest pause between two reads that brought
/// something; besides, a body slower than `min_bytes_per_second` over any whole `idle` window counts as
/// stalled (a trickle is not progress).
struct timeouts {
    timeouts() = default;
    std::chrono::milliseconds connect{15'000};  ///< name look-up, TCP, proxy CONNECT, TLS handshake together
    std::chrono::milliseconds first_byte{120'000
    };  ///< from the last byte of the request to the answer's header
    std::chrono::milliseconds idle{60'000};
    std::uint64_t min_bytes_per_second = 256;
};

/// A request's body that is read while it is sent, for what is too large to be held in memory.
class body_source {
public:
    virtual ~body_source() = default;
    virtual std::uint64_t size() const = 0;
    /// From the start again: a request may have to be sent more than once.
    virtual void rewind() = 0;
    /// The next piece, valid until the next call; empty at the end, and only there. An error ends the request
    /// with it.
    virtual task<core::result<std::span<const std::byte>>> read() = 0;
};

struct request {
    request() = default;
    method verb = method::get;
    std::string url;  ///< absolute, http or https; sent as it is, never re-encoded (contract 2.8)
    header_list fields;
    std::string body;                     ///< held in memory: tokens, JSON
    std::shared_ptr<body_source> source;  ///< in place of `body`; shared, since a call may be sent again
    timeouts limits;
    std::uint64_t max_body_bytes =
        16u << 20;  ///< of an answer that is kept in memory (`send`, errors of `download`)
    /// False: not sent a second time where the first may have arrived, not even if a connection that was kept
    /// turns out to be closed.
    bool repeatable = true;
    /// Asked when there is a connection, right before the first byte: until then a pause may have begun,
    /// since others may be waited for and a handshake takes time. False: nothing is sent, see
    /// `was_held_back`.
    std::function<bool()> may_send;
};

/// The error of a request that `may_send` kept from being sent.
core::error held_back();
bool was_held_back(const core::error& e);

struct response {
    response() = default;
    int status = 0;
    header_list fields;
    std::string body;  ///< decoded (gzip); empty after a `download` that succeeded
};

/// Takes the body of a successful download piece by piece.
/// The client reads on only after the awaited call returned: a slow sink slows the sender, nothing piles up.
class body_sink {
public:
    virtual ~body_sink() = default;
    /// Once, before the first byte, with status (200 or 206) and fields. An error ends the download with it.
    virtual task<core::result<void>> begin(const response& head) = 0;
    /// `bytes` is valid until the awaited call returns.
    virtual task<core::result<void>> write(std::span<const std::byte> bytes) = 0;

    /// A place for the next bytes, which saves a copy of each: they are put there and `filled` says how many.
    /// Empty if there is none, then `write` gets them; who gave room once gives it to the end of the answer.
    /// Valid until the next call of any other function of the sink.
    virtual std::span<std::byte> room() { return {}; }
    virtual task<core::result<void>> filled(std::size_t) { co_return core::result<void>(); }
};

/// Sends requests; what the modules above see of HTTP. Implemented by `make_client` and by the tests' fakes.
/// Redirects are answers like others: see `redirect_policy`.
/// Errors:  transport, timeout, protocol, too_large, cancelled. An HTTP status, whatever it is, is a response
/// and
///          not an error. Errors name method and origin, never path or query (these may hold secrets).
/// Cancel:  at any await; the connection is closed. Retry: one silent repeat if a pooled connection turned
/// out
///          to be stale before any byte of an answer came.
/// Threads: the io_context's thread only. Lifetime: the transport outlives the call.
class transport {
public:
    virtual ~transport() = default;
    virtual task<core::result<response>> send(request r) = 0;

    /// Like send, but the body of a 200 or 206 goes to `sink`, decoded (gzip), never held; for any other
    /// status the body is in the response. A body shorter than its Content-Length is the error `transport`.
    virtual task<core::result<response>> download(request r, body_sink& sink) = 0;
};

struct client_options {
    client_options() = default;
    std::string ca_file;     ///< PEM bundle; empty: the system's default store
    std::string proxy;       ///< "http://host:port" (CONNECT for https); empty: none
    std::string user_agent;  ///< added when the request has none
    std::size_t max_connections_per_origin = 64;
    std::size_t max_connections = 256;
    std::chrono::seconds keep_idle{55};  ///< a pooled connection older than this is closed, not used
    bool ipv4_only = false;
};

/// The HTTPS client: TLS 1.2 or newer, chain and host name verified, connections pooled per origin.
/// Errors: `usage` if ca_file can't be read or proxy isn't understood.
core::result<std::unique_ptr<transport>> make_client(boost::asio::io_context& io, client_options options);

/// scheme, host (lower case, no brackets), port and the rest of an absolute http(s) URL.
struct url_parts {
    url_parts() = default;
    std::string scheme, host, port, target;
    std::string origin() const { return scheme + "://" + host + ":" + port; }
};

/// Takes an absolute http or https URL apart. Errors: `protocol` with no part of the query in the text.
core::result<url_parts> parse_url(std::string_view url);

/// Percent-encodes everything but unreserved characters (RFC 3986), for one path segment or query value.
std::string percent_encode(std::string_view text);

/// "a%20b" -> "a b". nullopt: a bad escape or a NUL.
std::optional<std::string> percent_decode(std::string_view text);

}  // namespace m365stage::http
