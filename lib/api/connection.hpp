#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <chrono>
#include <list>
#include <memory>
#include <string>

#include "api/access.hpp"
#include "api/events.hpp"
#include "api/handlers.hpp"
#include "api/server.hpp"
#include "http/watchdog.hpp"

namespace m365stage::api {

using socket = boost::asio::generic::stream_protocol::socket;

class connection;

/// One listening address with its connections.
struct door {
    door(access a, bool is_local) : who(std::move(a)), local(is_local) {}
    access who;
    bool local;
    std::list<connection*> open;  ///< oldest first
};

/// What the connections of a server share. Network thread only.
struct shared_parts {
    shared_parts(boost::asio::io_context& io, service& s, const server_options& o)
        : options(o),
          dog(io),
          events(io.get_executor(), s, o.most_event_streams),
          handler(io.get_executor(), s, seen) {}
    const server_options options;
    http::watchdog dog;
    traffic seen;
    event_hub events;
    handlers handler;
    bool stopping = false;
};

/// One client: reads requests, one after the other, and answers them. Every wait has its deadline; what
/// cannot be read is answered with 400 and the end of the connection.
class connection final : http::abortable {
public:
    connection(socket s, door& at, shared_parts& parts);
    ~connection();
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    /// Returns when the connection has ended; throws nothing but the end of the world. Cancel: ends it.
    task<void> run();

    /// Waiting for a request, or for the rest of one: closing it loses nothing.
    bool is_idle() const { return idle_; }
    void close() { abort(); }

private:
    class incoming;

    void abort() noexcept override;
    task<bool> read_more();
    task<bool> one_request();
    task<std::optional<response>> read_request(incoming& in, request& r);
    task<bool> answer(request r, bool keep_alive);
    task<bool> send(const response& r, bool head_only, bool keep_alive);
    task<bool> write(std::string_view bytes);
    task<response> ask_handler(route where, request r);
    task<bool> answer_events(request r, bool keep_alive);
    task<std::monostate> stream_events(std::shared_ptr<event_hub::listener> from);
    task<void> until_gone();
    task<void> linger();
    void count(endpoint what, int status);

    socket socket_;
    door& door_;
    shared_parts& parts_;
    http::watchdog::watch watch_;
    std::list<connection*>::iterator place_;
    std::string peer_;
    std::string buffer_;  ///< read, and not yet used
    bool idle_ = true;
};

}  // namespace m365stage::api
