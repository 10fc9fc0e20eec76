#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "api/service.hpp"

namespace boost::asio {
class io_context;
}

namespace m365stage::api {

struct server_options {
    server_options() = default;
    std::string socket;                  ///< path of the Unix socket; empty: none
    unsigned socket_mode = 0660;         ///< who may write to the file may do everything
    std::string listen;                  ///< loopback address and port; empty: none
    std::string token_file;              ///< for `listen`; empty: only health answers there
    std::size_t most_connections = 128;  ///< on each of the two
    std::size_t most_event_streams = 32;
    std::uint32_t longest_header = 16 * 1024;
    std::uint64_t longest_body = 64u << 10;
    std::chrono::milliseconds idle{60'000};     ///< between two requests
    std::chrono::milliseconds request{10'000};  ///< from a request's first byte to its last
    std::chrono::milliseconds write{30'000};    ///< for an answer, or an event
    std::chrono::milliseconds grace{2'000};     ///< for requests that are being answered when it ends
    std::chrono::seconds heartbeat{15};         ///< of event streams
};

/// The REST server of the running service (schema/openapi.yaml): health, metrics, the
/// status page, and /api/v1/. Threads: the io_context's thread only. Lifetime: outlived by the service;
/// destroyed after `run` has ended.
class server {
public:
    /// Opens the addresses; nothing is answered before `run`.
    /// Errors: usage (address, token file), busy (somebody else listens there), disk.
    static core::result<std::unique_ptr<server>> open(
        boost::asio::io_context& io, service& of, const server_options& options
    );
    virtual ~server() = default;

    /// Serves until `stop`, then lets requests end for `grace` and closes the rest. Cancel: stops at once.
    virtual task<void> run() = 0;
    virtual void stop() = 0;

    /// Reads the token file again. Errors: usage; the old token stays valid then.
    virtual core::result<void> reload() = 0;

    /// Of `listen`; 0 if there is none.
    virtual std::uint16_t port() const = 0;
};

}  // namespace m365stage::api
