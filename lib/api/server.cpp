#include "api/server.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <vector>

#include "api/connection.hpp"
#include "api/listener.hpp"
#include "core/log.hpp"

namespace m365stage::api {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using acceptor = asio::basic_socket_acceptor<asio::generic::stream_protocol>;

constexpr auto accept_token = asio::as_tuple(asio::use_awaitable);

/// A door with what listens at it.
struct open_door {
    open_door(asio::io_context& io, listener l, access who)
        : file(std::move(l)), place(std::move(who), file.family() == AF_UNIX), accepting(io) {
        accepting.assign(asio::generic::stream_protocol(file.family(), 0), file.release());
    }
    listener file;
    door place;
    acceptor accepting;
};

class running_server final : public server {
public:
    running_server(asio::io_context& io, service& of, const server_options& options)
        : io_(io), parts_(io, of, options), changed_(io.get_executor()), connections_(io.get_executor()) {}

    core::result<void> listen(const server_options& o);
    task<void> run() override;
    void stop() override;
    core::result<void> reload() override;
    std::uint16_t port() const override;

private:
    task<void> accept(open_door& d);
    task<void> serve(socket s, door& d);
    bool make_room(door& d);
    void turn_away(socket s);
    void close_doors();

    asio::io_context& io_;
    shared_parts parts_;
    async::event changed_;  // stop was called, or a connection ended
    std::vector<std::unique_ptr<open_door>> doors_;
    async::group connections_;
};

core::result<void> running_server::listen(const server_options& o) {
    if (!o.socket.empty()) {
        auto file = listener::on_file(o.socket, o.socket_mode);
        if (!file) {
            return file.error();
        }
        doors_.push_back(std::make_unique<open_door>(io_, std::move(*file), access(0, "")));
    }
    if (!o.listen.empty()) {
        auto at = listener::on_port(o.listen);
        if (!at) {
            return at.error();
        }
        access who(at->port(), o.token_file);
        if (auto read = who.reload(); !read) {
            return read;
        }
        doors_.push_back(std::make_unique<open_door>(io_, std::move(*at), std::move(who)));
    }
    return {};
}

std::uint16_t running_server::port() const {
    for (const auto& d : doors_) {
        if (!d->place.local) {
            return d->file.port();
        }
    }
    return 0;
}

core::result<void> running_server::reload() {
    for (const auto& d : doors_) {
        if (auto read = d->place.who.reload(); !read) {
            return read;
        }
    }
    return {};
}

void running_server::close_doors() {
    for (const auto& d : doors_) {
        error_code ignored;
        d->accepting.close(ignored);
        for (auto* c : d->place.open) {
            if (c->is_idle()) {
                c->close();
            }
        }
    }
}

void running_server::stop() {
    parts_.stopping = true;
    changed_.notify_all();
}

/// The connection that has waited longest for a request makes room; false if none is idle.
bool running_server::make_room(door& d) {
    if (d.open.size() < parts_.options.most_connections) {
        return true;
    }
    for (auto* c : d.open) {
        if (c->is_idle()) {
            c->close();
            ++parts_.seen.turned_away;
            return true;
        }
    }
    return false;
}

void running_server::turn_away(socket s) {
    ++parts_.seen.turned_away;
    core::error e(core::error_kind::busy, "too many connections");
    const auto r = error_response(e);
    const auto text = head_of(r, static_cast<std::int64_t>(r.body.size()), false) + r.body;
    error_code ignored;
    s.non_blocking(true, ignored);
    s.write_some(asio::buffer(text), ignored);
    s.shutdown(socket::shutdown_send, ignored);
}

task<void> running_server::serve(socket s, door& d) {
    connection c(std::move(s), d, parts_);
    try {
        co_await c.run();
    } catch (const boost::system::system_error&) {
        // cancelled: the server ends
    } catch (const std::exception& e) {
        core::log(core::log_level::error, std::string("api: a connection failed: ") + e.what());
    }
}

task<void> running_server::accept(open_door& d) {
    while (!parts_.stopping) {
        auto [ec, s] = co_await d.accepting.async_accept(accept_token);
        if (ec == asio::error::operation_aborted || ec == asio::error::bad_descriptor) {
            co_return;
        }
        if (ec) {
            core::log(core::log_level::warning, "api: a connection can't be accepted: " + ec.message());
            asio::steady_timer pause(io_, std::chrono::milliseconds(100));
            co_await pause.async_wait(accept_token);
            continue;
        }
        if (!d.place.local) {
            s.set_option(asio::ip::tcp::no_delay(true), ec);
        }
        if (make_room(d.place)) {
            connections_.spawn(serve(std::move(s), d.place));
        } else {
            turn_away(std::move(s));
        }
    }
}

task<void> running_server::run() {
    for (const auto& d : doors_) {
        connections_.spawn(accept(*d));
    }
    while (!parts_.stopping) {
        co_await changed_.wait();
    }
    close_doors();
    parts_.events.close();
    const auto latest = std::chrono::steady_clock::now() + parts_.options.grace;
    while (connections_.running() > 0 && std::chrono::steady_clock::now() < latest) {
        co_await changed_.wait_for(std::chrono::milliseconds(50));
    }
    connections_.stop();
    co_await connections_.join();
    co_await parts_.handler.end();
}

}  // namespace

core::result<std::unique_ptr<server>> server::open(
    asio::io_context& io, service& of, const server_options& options
) {
    auto out = std::make_unique<running_server>(io, of, options);
    if (auto listening = out->listen(options); !listening) {
        return listening.error();
    }
    return std::unique_ptr<server>(std::move(out));
}

}  // namespace m365stage::api
