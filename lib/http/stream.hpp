#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/system/error_code.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "http/http.hpp"
#include "http/watchdog.hpp"

namespace m365stage::http {

using io_result = std::tuple<boost::system::error_code, std::size_t>;

/// A connected byte stream, plain or TLS. Operations complete with an error_code and never throw but when the
/// awaiting coroutine was cancelled before.
class stream : public abortable {
public:
    virtual ~stream() = default;
    virtual task<io_result> read_some(char* to, std::size_t size) = 0;
    virtual task<io_result> write_all(std::string_view bytes) = 0;
    void abort() noexcept override =
        0;  ///< closes at once; pending operations complete with operation_aborted
    virtual bool looks_dead(
    ) = 0;  ///< of an idle stream: the peer has closed it or has sent something unasked

    std::vector<char> read_buffer;  ///< kept from one exchange to the next; holds nothing between them
};

/// The last TLS session of an origin, offered at the next handshake to save a round trip and the signature.
struct session_slot {
    std::shared_ptr<void> session;
};

/// Where a stream goes.
struct route {
    route() = default;
    url_parts origin;
    std::string proxy_host, proxy_port;  ///< empty: direct
    bool tunnel = false;                 ///< CONNECT through the proxy
    std::string user_agent;
    std::shared_ptr<session_slot> session;
};

/// Makes streams. Owns the TLS context.
class connector {
public:
    virtual ~connector() = default;

    /// Looks up, connects (all addresses in turn), tunnels and shakes hands, all within `limit`.
    /// Errors: transport, timeout, protocol (a cause without method and origin: the caller adds these).
    /// Cancel: at any await; throws operation_aborted.
    virtual task<core::result<std::unique_ptr<stream>>> open(
        const route& to, std::chrono::milliseconds limit, watchdog& dog
    ) = 0;
};

/// Errors: usage if the CA file can't be read.
core::result<std::unique_ptr<connector>> make_connector(
    boost::asio::io_context& io, const std::string& ca_file, bool ipv4_only
);

/// True if the peer just closed (with or without TLS's close_notify).
bool is_end_of_stream(const boost::system::error_code& ec);

/// True for the code of an operation that was cancelled or whose stream was closed by us.
bool is_aborted(const boost::system::error_code& ec);

/// A reason in words for a person.
std::string reason_of(const boost::system::error_code& ec);

/// Ends a cancelled coroutine.
[[noreturn]] void throw_aborted();

}  // namespace m365stage::http
