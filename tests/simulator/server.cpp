// The only file that knows Beast: connections in, requests and responses as plain values out.
#include "server.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <chrono>
#include <csignal>
#include <stdexcept>

namespace m365stage::sim {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);
constexpr std::uint64_t body_limit = 320ULL * 1024 * 1024;
constexpr std::size_t chunk_size = 262144;

using tls_stream = beast::ssl_stream<beast::tcp_stream>;

enum class port_kind { graph, files, plain };

void to_request(http::request<http::string_body>& in, request& out, port_kind kind, bool secure) {
    out.method = std::string(in.method_string());
    out.target = std::string(in.target());
    if (out.target.starts_with(moved_prefix)) {
        out.target.erase(0, moved_prefix.size());
        out.is_moved = true;
    }
    auto question = out.target.find('?');
    out.path = out.target.substr(0, question);
    out.query = question == std::string::npos ? "" : out.target.substr(question + 1);
    out.parameters = parse_query(out.query);
    out.body = std::move(in.body());
    out.secure = secure;
    out.files = kind == port_kind::files;
    for (const auto& field : in) {
        out.headers.emplace_back(lower(field.name_string()), std::string(field.value()));
    }
    out.host = out.header("host");
}

void replace_all(std::string& text, std::string_view what, const std::string& with) {
    for (auto at = text.find(what); at != text.npos; at = text.find(what, at + with.size())) {
        text.replace(at, what.size(), with);
    }
}

std::string request_id(std::uint64_t serial) {
    return guid_of(mix(serial), mix(serial + 1));
}

/// Error bodies name the request; only here its ids are known.
void name_request(const request& r, response& out, std::uint64_t serial) {
    if (out.status < 400 || out.file) {
        return;
    }
    std::string id = request_id(serial);
    std::string client_id = r.header("client-request-id");
    replace_all(out.body, "@request-id@", id);
    replace_all(out.body, "@client-request-id@", client_id.empty() ? id : client_id);
}

std::string head_of(
    const request& r, response& out, std::uint64_t serial, bool keep_alive, std::int64_t length
) {
    std::string head = "HTTP/1.1 " + std::to_string(out.status) + " " + reason_of(out.status) + "\r\n";
    std::string id = request_id(serial);
    std::string client_id = r.header("client-request-id");
    auto field = [&](std::string_view name, std::string_view value) {
        head.append(name).append(": ").append(value).append("\r\n");
    };
    if (!out.content_type.empty()) {
        field("Content-Type", out.content_type);
    }
    for (const auto& [name, value] : out.headers) {
        field(name, value);
    }
    field("request-id", id);
    field("client-request-id", client_id.empty() ? id : client_id);
    if (!r.files) {
        field(
            "x-ms-ags-diagnostic",
            R"({"ServerInfo":{"DataCenter":"West Europe","Slice":"E","Ring":"5","ScaleUnit":"003"}})"
        );
    }
    if (!keep_alive) {
        field("Connection", "close");
    }
    if (out.chunked) {
        field("Transfer-Encoding", "chunked");
    } else if (out.status != 204 && out.status != 304) {
        field("Content-Length", std::to_string(length));
    }
    head += "\r\n";
    return head;
}

/// Bytes of the body at `at`, at most `most`.
std::string_view piece_of(response& out, std::int64_t at, std::int64_t most, std::string& buffer) {
    if (!out.file) {
        return std::string_view(out.body).substr(
            static_cast<std::size_t>(at), static_cast<std::size_t>(most)
        );
    }
    auto n = static_cast<std::size_t>(std::min<std::int64_t>(most, out.file_length - at));
    buffer.resize(n);
    n = out.file->read(static_cast<std::uint64_t>(out.file_offset + at), buffer.data(), n);
    return {buffer.data(), n};
}

asio::awaitable<void> pause(std::int64_t ms) {
    auto executor = co_await asio::this_coro::executor;
    asio::steady_timer timer(executor, std::chrono::milliseconds(ms));
    co_await timer.async_wait(token);
}

void reset_connection(beast::tcp_stream& stream) {
    error_code ignored;
    stream.socket().set_option(asio::socket_base::linger(true, 0), ignored);
    stream.socket().close(ignored);
}

/// A piece in the form of a chunked body.
std::string chunk_of(std::string_view piece, bool last) {
    std::string out;
    if (!piece.empty()) {
        char size[20];
        std::snprintf(size, sizeof size, "%zx\r\n", piece.size());
        out.append(size).append(piece).append("\r\n");
    }
    return last ? out + "0\r\n\r\n" : out;
}

/// Writes head and body as the damage wants it. False: the connection is over.
template <typename Stream>
asio::awaitable<bool> write_response(
    Stream& stream, const request& r, response& out, std::uint64_t serial, bool keep_alive
) {
    name_request(r, out, serial);
    std::int64_t size = out.file ? out.file_length : static_cast<std::int64_t>(out.body.size());
    static const spoil harmless;
    const spoil& damage = out.damage ? *out.damage : harmless;
    out.chunked = out.chunked && damage.declared_length < 0;
    std::string data =
        head_of(r, out, serial, keep_alive, damage.declared_length >= 0 ? damage.declared_length : size);
    if (damage.delay_ms > 0) {
        co_await pause(damage.delay_ms);
    }
    std::int64_t end = r.method == "HEAD" ? 0 : size;
    for (std::int64_t cut : {damage.reset_after, damage.stall_after, damage.close_after}) {
        end = cut >= 0 ? std::min(end, cut) : end;
    }
    std::string buffer;
    std::int64_t at = 0;
    do {
        std::int64_t most =
            damage.trickle_bytes > 0 ? damage.trickle_bytes : static_cast<std::int64_t>(chunk_size);
        std::string_view piece = piece_of(out, at, std::min(most, end - at), buffer);
        at += static_cast<std::int64_t>(piece.size());
        bool short_of = piece.empty() && at < end;
        if (out.chunked) {
            data += chunk_of(piece, at == size);
            piece = {};
        }
        if (at >= end) {
            // The client may answer before it is known here that the last bytes have gone: the places are
            // free now.
            out.held.clear();
        }
        // A small answer goes out together with its head: one TLS record, one packet.
        if (data.empty()) {
            auto [error, n] = co_await asio::async_write(stream, asio::buffer(piece), token);
            if (error) {
                co_return false;
            }
        } else {
            data += piece;
            auto [error, n] = co_await asio::async_write(stream, asio::buffer(data), token);
            if (error) {
                co_return false;
            }
            data.clear();
        }
        if (short_of) {
            co_return false;
        }
        if (damage.trickle_bytes > 0 && at < end) {
            co_await pause(damage.trickle_ms);
        }
    } while (at < end);
    if (damage.reset_after >= 0) {
        reset_connection(beast::get_lowest_layer(stream));
        co_return false;
    }
    if (damage.stall_after >= 0) {
        co_await pause(damage.stall_ms);
        co_return false;
    }
    bool lied = damage.declared_length >= 0 && damage.declared_length != size;
    co_return damage.close_after < 0 && !lied;
}

}  // namespace

struct server::impl {
    impl(world& w, const options& o)
        : world_(w),
          tls_(asio::ssl::context::tls_server),
          graph_(io_),
          files_(io_),
          plain_(io_),
          signals_(io_) {
        tls_.use_certificate_chain_file(w.auth.files().server_file);
        tls_.use_private_key_file(w.auth.files().server_file, asio::ssl::context::pem);
        SSL_CTX_set_session_cache_mode(tls_.native_handle(), SSL_SESS_CACHE_SERVER);
        SSL_CTX_set_session_id_context(
            tls_.native_handle(), reinterpret_cast<const unsigned char*>("m365sim"), 7
        );
        open(graph_, o.listen, o.port);
        open(files_, o.listen, o.files_port);
        open(plain_, o.listen, 0);
        signals_.add(SIGTERM);
        signals_.add(SIGINT);
    }

    static void open(tcp::acceptor& a, const std::string& address, std::uint16_t port) {
        try {
            tcp::endpoint where(asio::ip::make_address(address), port);
            a.open(where.protocol());
            a.set_option(asio::socket_base::reuse_address(true));
            a.bind(where);
            a.listen(1024);
        } catch (const boost::system::system_error& e) {
            throw std::runtime_error(
                "m365sim: cannot listen on " + address + ":" + std::to_string(port) + ": " + e.what()
            );
        }
    }

    asio::awaitable<void> accept(tcp::acceptor& acceptor, port_kind kind) {
        for (;;) {
            auto [error, socket] = co_await acceptor.async_accept(token);
            if (error == asio::error::operation_aborted) {
                co_return;
            }
            if (error) {
                co_await pause(50);  // out of descriptors: let some connections end
                continue;
            }
            error_code ignored;
            socket.set_option(tcp::no_delay(true), ignored);
            asio::co_spawn(io_, connection(std::move(socket), kind), [](std::exception_ptr) {});
        }
    }

    asio::awaitable<void> connection(tcp::socket socket, port_kind kind) {
        if (kind == port_kind::plain) {
            beast::tcp_stream stream(std::move(socket));
            co_await converse(stream, kind, false);
            co_return;
        }
        beast::tcp_stream stream(std::move(socket));
        co_await secure(std::move(stream), kind);
    }

    asio::awaitable<void> secure(beast::tcp_stream plain, port_kind kind) {
        tls_stream stream(std::move(plain), tls_);
        auto [error] = co_await stream.async_handshake(asio::ssl::stream_base::server, token);
        if (error) {
            co_return;
        }
        bool closing = co_await converse(stream, kind, true);
        if (closing) {
            beast::get_lowest_layer(stream).expires_after(std::chrono::seconds(2));
            co_await stream.async_shutdown(token);
        }
    }

    /// Serves requests until the connection ends. True: end it in an orderly way.
    template <typename Stream>
    asio::awaitable<bool> converse(Stream& stream, port_kind kind, bool is_secure) {
        beast::flat_buffer buffer;
        buffer.reserve(65536);
        for (;;) {
            http::request_parser<http::string_body> parser;
            parser.body_limit(body_limit);
            parser.header_limit(65536);
            auto [head_error, head_size] = co_await http::async_read_header(stream, buffer, parser, token);
            if (head_error) {
                co_return head_error == http::error::end_of_stream;
            }
            if (parser.get().method() == http::verb::connect) {
                if constexpr (std::is_same_v<Stream, beast::tcp_stream>) {
                    co_await tunnel(stream, std::string(parser.get().target()));
                }
                co_return false;
            }
            if (beast::iequals(parser.get()[http::field::expect], "100-continue")) {
                static const std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";
                co_await asio::async_write(stream, asio::buffer(go_on), token);
            }
            auto [error, size] = co_await http::async_read(stream, buffer, parser, token);
            if (error) {
                co_return false;
            }
            bool keep_alive = parser.get().keep_alive();
            request r;
            auto message = parser.release();
            to_request(message, r, kind, is_secure);
            bool again = co_await answer(stream, r, keep_alive);
            if (!again) {
                co_return !keep_alive;
            }
        }
    }

    template <typename Stream>
    asio::awaitable<bool> answer(Stream& stream, const request& r, bool keep_alive) {
        request_kind kind = classify(r);
        world_.manners.arrived(r, kind, now_ms());
        response out;
        try {
            out = serve(world_, r);
        } catch (const std::exception& e) {
            out =
                graph_error(400, "invalidRequest", std::string("m365sim could not serve this: ") + e.what());
        }
        out.set("Date", http_date(world_.directory.now()));
        world_.manners.answered(r, kind, out, now_ms());
        bool again = co_await write_response(stream, r, out, ++world_.serial, keep_alive);
        world_.manners.finished(kind);
        co_return again&& keep_alive;
    }

    /// The plain port is a proxy as well: CONNECT leads to this server, whatever known name was asked for.
    asio::awaitable<void> tunnel(beast::tcp_stream& stream, std::string target) {
        std::string host = target.substr(0, target.rfind(':'));
        bool local = host == "localhost" || host == "127.0.0.1";
        bool known = local || host == "graph.microsoft.com" || host == "login.microsoftonline.com";
        std::string reply = known ? "HTTP/1.1 200 Connection established\r\n\r\n"
                                  : "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
        auto [error, n] = co_await asio::async_write(stream, asio::buffer(reply), token);
        if (error || !known) {
            co_return;
        }
        bool files = local && target.ends_with(":" + std::to_string(files_.local_endpoint().port()));
        const auto kind = files ? port_kind::files : port_kind::graph;
        co_await secure(std::move(stream), kind);
    }

    world& world_;
    asio::io_context io_{1};
    asio::ssl::context tls_;
    tcp::acceptor graph_;
    tcp::acceptor files_;
    tcp::acceptor plain_;
    asio::signal_set signals_;
};

server::server(world& w, const options& o) : impl_(std::make_unique<impl>(w, o)) {
    w.graph_origin = "https://localhost:" + std::to_string(graph_port());
    w.files_origin = "https://localhost:" + std::to_string(files_port());
}

server::~server() = default;

std::uint16_t server::graph_port() const {
    return impl_->graph_.local_endpoint().port();
}
std::uint16_t server::files_port() const {
    return impl_->files_.local_endpoint().port();
}
std::uint16_t server::plain_port() const {
    return impl_->plain_.local_endpoint().port();
}

void server::run() {
    auto& i = *impl_;
    auto ignore = [](std::exception_ptr) {};
    asio::co_spawn(i.io_, i.accept(i.graph_, port_kind::graph), ignore);
    asio::co_spawn(i.io_, i.accept(i.files_, port_kind::files), ignore);
    asio::co_spawn(i.io_, i.accept(i.plain_, port_kind::plain), ignore);
    i.signals_.async_wait([&i](error_code error, int) {
        if (!error) {
            i.io_.stop();
        }
    });
    i.io_.run();
}

void server::stop() {
    impl_->io_.stop();
}

}  // namespace m365stage::sim
