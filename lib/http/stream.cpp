#include "http/stream.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <vector>

#include "http/answer.hpp"
#include "http/plain_stream.hpp"
#include "http/tls.hpp"
#include "http/tls_stream.hpp"
#include "http/wire.hpp"

namespace m365stage::http {
namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using core::error_kind;

namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);

using stream_result = core::result<std::unique_ptr<stream>>;

/// A name look-up that can be given up: getaddrinfo can't be cancelled, so it may outlive the wait for it.
struct look_up {
    explicit look_up(asio::io_context& io) : resolver(io), done(io) {}
    tcp::resolver resolver;
    asio::steady_timer done;
    std::vector<tcp::endpoint> found;
    error_code error = asio::error::would_block;
};

class tcp_connector final : public connector {
public:
    tcp_connector(asio::io_context& io, asio::ssl::context tls, bool ipv4_only)
        : io_(io), tls_(std::move(tls)), ipv4_only_(ipv4_only) {}

    task<stream_result> open(const route& to, std::chrono::milliseconds limit, watchdog& dog) override;

private:
    using endpoints = std::vector<tcp::endpoint>;
    task<core::result<endpoints>> resolve(std::string host, std::string port, steady::time_point deadline);
    task<core::result<void>> connect(
        plain_stream& s, endpoints all, watchdog::watch& watch, steady::time_point deadline
    );
    task<core::result<void>> tunnel(plain_stream& s, const route& to, watchdog::watch& watch);
    task<stream_result> encrypt(
        plain_stream& s, const route& to, watchdog::watch& watch, steady::time_point deadline
    );

    asio::io_context& io_;
    asio::ssl::context tls_;
    bool ipv4_only_;
    bool ipv6_failed_ = false;  ///< then IPv4 addresses are tried first
};

std::vector<tcp::endpoint> ipv4_first(const std::vector<tcp::endpoint>& all) {
    std::vector<tcp::endpoint> out;
    for (const bool v4 : {true, false}) {
        std::copy_if(all.begin(), all.end(), std::back_inserter(out), [&](const auto& e) {
            return e.address().is_v4() == v4;
        });
    }
    return out;
}

core::error late(std::string_view what) {
    return core::error(error_kind::timeout, std::string(what) + " took too long");
}

task<core::result<std::vector<tcp::endpoint>>> tcp_connector::resolve(
    std::string host, std::string port, steady::time_point deadline
) {
    error_code bad;
    const auto literal = asio::ip::make_address(host, bad);
    if (!bad) {
        co_return endpoints(1, tcp::endpoint(literal, static_cast<std::uint16_t>(std::stoi(port))));
    }
    auto work = std::make_shared<look_up>(io_);
    work->done.expires_at(deadline);
    auto finished = [work](const error_code& ec, const tcp::resolver::results_type& results) {
        work->error = ec;
        for (const auto& entry : results) {
            work->found.push_back(entry.endpoint());
        }
        work->done.cancel();
    };
    work->resolver.async_resolve(host, port, std::move(finished));
    auto [ec] = co_await work->done.async_wait(token);
    if (!ec) {
        co_return late("looking up the name " + host);
    }
    if (work->error == asio::error::would_block) {
        throw_aborted();
    }
    if (work->error) {
        co_return core::error(
            error_kind::transport, "the name " + host + " can't be resolved: " + reason_of(work->error)
        );
    }
    endpoints out = std::move(work->found);
    if (ipv4_only_) {
        std::erase_if(out, [](const tcp::endpoint& e) { return !e.address().is_v4(); });
    } else if (ipv6_failed_) {
        out = ipv4_first(out);
    }
    if (out.empty()) {
        co_return core::error(error_kind::transport, "the name " + host + " has no usable address");
    }
    co_return out;
}

task<core::result<void>> tcp_connector::connect(
    plain_stream& s, endpoints all, watchdog::watch& watch, steady::time_point deadline
) {
    error_code last;
    bool timed_out = false;
    for (std::size_t i = 0; i < all.size(); ++i) {
        // Each address gets its share of what is left, so that one that swallows packets can't use up all.
        const auto now = steady::now();
        const auto share = (deadline - now) / static_cast<long>(all.size() - i);
        error_code ec;
        s.socket().close(ec);
        s.socket().open(all[i].protocol(), ec);
        if (!ec) {
            watch.set(s, now + share);
            auto [failed] = co_await s.socket().async_connect(all[i], token);
            ec = failed;
        }
        watch.stop();
        timed_out = watch.has_expired();
        if (!ec && !timed_out) {
            s.socket().set_option(tcp::no_delay(true), ec);
            co_return core::result<void>();
        }
        if (is_aborted(ec) && !timed_out) {
            throw_aborted();
        }
        last = ec;
        ipv6_failed_ = ipv6_failed_ || all[i].address().is_v6();
    }
    if (timed_out) {
        co_return late("connecting");
    }
    co_return core::error(error_kind::transport, "the connection failed: " + reason_of(last));
}

task<core::result<void>> tcp_connector::tunnel(plain_stream& s, const route& to, watchdog::watch& watch) {
    const std::string proxy = "the proxy " + to.proxy_host + ":" + to.proxy_port;
    const std::string head = make_connect_head(to.origin, to.user_agent);
    auto [write_ec, written] = co_await s.write_all(head);
    answer_limits limits;
    limits.head_only = true;
    answer_parser parser(limits);
    std::string bytes;
    error_code ec = write_ec;
    while (!ec && !parser.is_done()) {
        char piece[4096];
        auto [read_ec, n] = co_await s.read_some(piece, sizeof piece);
        ec = read_ec;
        bytes.append(piece, n);
        auto used = parser.feed(bytes);
        if (!used) {
            co_return core::error(error_kind::protocol, proxy + ": " + used.error().cause);
        }
        bytes.erase(0, *used);
    }
    if (ec) {
        if (watch.has_expired()) {
            co_return late("waiting for " + proxy);
        }
        if (is_aborted(ec)) {
            throw_aborted();
        }
        co_return core::error(error_kind::transport, proxy + " closed the connection: " + reason_of(ec));
    }
    const int status = parser.head().status;
    if (status / 100 != 2) {
        core::error refused(
            error_kind::transport, proxy + " refused the connection: HTTP " + std::to_string(status)
        );
        refused.hint = status == 407
                           ? "the proxy wants a login, which is not supported; allow this host without one"
                           : "look at the proxy's configuration and log";
        co_return refused;
    }
    if (!bytes.empty()) {
        co_return core::error(error_kind::protocol, proxy + " sent data ahead of the server");
    }
    co_return core::result<void>();
}

task<stream_result> tcp_connector::encrypt(
    plain_stream& s, const route& to, watchdog::watch& watch, steady::time_point deadline
) {
    auto out = std::make_unique<tls_stream>(std::move(s.socket()), tls_.native_handle());
    SSL* ssl = out->native_handle();
    if (!prepare_tls(ssl, to.origin.host, to.session)) {
        co_return core::error(error_kind::internal, "TLS could not be set up for " + to.origin.host);
    }
    watch.set(*out, deadline);
    const auto ec = co_await out->handshake();
    watch.stop();
    if (watch.has_expired()) {
        co_return late("the TLS handshake");
    }
    if (is_aborted(ec)) {
        throw_aborted();
    }
    if (ec) {
        to.session->session.reset();  // should the old session be the reason, the next try goes without it
        co_return handshake_failure(ssl, to.origin.host, reason_of(ec));
    }
    co_return stream_result(std::move(out));
}

task<stream_result> tcp_connector::open(const route& to, std::chrono::milliseconds limit, watchdog& dog) {
    const auto deadline = steady::now() + limit;
    const bool direct = to.proxy_host.empty();
    const std::string host = direct ? to.origin.host : to.proxy_host;
    const std::string port = direct ? to.origin.port : to.proxy_port;
    auto found = co_await resolve(host, port, deadline);
    if (!found) {
        co_return found.error();
    }
    auto plain = std::make_unique<plain_stream>(tcp::socket(io_));
    watchdog::watch watch(dog);
    auto connected = co_await connect(*plain, std::move(*found), watch, deadline);
    if (!connected) {
        co_return connected.error();
    }
    if (to.tunnel) {
        watch.set(*plain, deadline);
        auto tunnelled = co_await tunnel(*plain, to, watch);
        watch.stop();
        if (!tunnelled) {
            co_return tunnelled.error();
        }
    }
    if (to.origin.scheme == "https") {
        auto encrypted = co_await encrypt(*plain, to, watch, deadline);
        co_return encrypted;
    }
    co_return stream_result(std::move(plain));
}

}  // namespace

core::result<std::unique_ptr<connector>> make_connector(
    asio::io_context& io, const std::string& ca_file, bool ipv4_only
) {
    asio::ssl::context tls(asio::ssl::context::tls_client);
    if (auto ready = prepare_context(tls.native_handle(), ca_file); !ready) {
        return ready.error();
    }
    return std::unique_ptr<connector>(std::make_unique<tcp_connector>(io, std::move(tls), ipv4_only));
}

bool is_end_of_stream(const error_code& ec) {
    return ec == asio::error::eof || ec == asio::ssl::error::stream_truncated;
}

bool is_aborted(const error_code& ec) {
    return ec == asio::error::operation_aborted || ec == asio::error::bad_descriptor;
}

std::string reason_of(const error_code& ec) {
    return is_end_of_stream(ec) ? "the connection was closed by the peer" : ec.message();
}

void throw_aborted() {
    throw boost::system::system_error(asio::error::operation_aborted);
}

}  // namespace m365stage::http
