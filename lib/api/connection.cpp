// The only file that knows Beast: a parser that is fed with what was read. Sockets are read and written as
// they are, so that one deadline can cover many reads.
#include "api/connection.hpp"

#include <sys/socket.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "api/fields.hpp"
#include "api/race.hpp"
#include "core/log.hpp"
#include "http/text.hpp"

namespace m365stage::api {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;
using core::error_kind;

namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);
using clock = std::chrono::steady_clock;

std::string peer_name(socket& s, bool local) {
    if (local) {
        ucred who{};
        socklen_t size = sizeof who;
        const bool known = ::getsockopt(s.native_handle(), SOL_SOCKET, SO_PEERCRED, &who, &size) == 0;
        return known ? "uid " + std::to_string(who.uid) : "somebody";
    }
    error_code ignored;
    asio::ip::tcp::endpoint from;
    const auto raw = s.remote_endpoint(ignored);
    if (ignored || raw.size() > from.capacity()) {
        return "somebody";
    }
    std::memcpy(from.data(), raw.data(), raw.size());
    return from.address().to_string() + ":" + std::to_string(from.port());
}

bool is_json(std::string_view content_type) {
    return http::equal_names(content_type.substr(0, content_type.find_first_of("; ")), "application/json");
}

/// A body that ends with the connection.
std::string head_of_stream() {
    response r;
    r.content_type = "text/event-stream";
    return head_of(r, -1, false);
}

/// A client that sends what is no request.
response refusal(const error_code& ec) {
    namespace h = beast::http;
    core::error e(error_kind::bad_request, "this is no HTTP request: " + ec.message());
    if (ec == h::error::body_limit) {
        e.cause = "the body is too long";
        return error_response(413, e);
    }
    if (ec == h::error::header_limit) {
        e.cause = "the header is too long";
        return error_response(431, e);
    }
    return error_response(ec == h::error::bad_version ? 505 : 400, e);
}

}  // namespace

/// A request being parsed.
class connection::incoming {
public:
    explicit incoming(const server_options& o) {
        parser_.header_limit(o.longest_header);
        parser_.body_limit(o.longest_body);
        parser_.eager(false);
    }

    /// Takes from `buffer` what belongs to the request; stops behind the header first, `go_on` to continue.
    error_code feed(std::string& buffer) {
        error_code ec;
        if (parser_.is_done() || buffer.empty()) {
            return ec;  // a parser that has all refuses more
        }
        const auto used = parser_.put(asio::buffer(buffer), ec);
        buffer.erase(0, used);
        if (ec == beast::http::error::need_more) {
            ec = {};
        }
        return ec;
    }
    void go_on() { parser_.eager(true); }
    bool has_header() const { return parser_.is_header_done(); }
    bool is_done() const { return parser_.is_done(); }
    bool keep_alive() const { return parser_.get().keep_alive(); }
    bool wants_to_be_told() const {
        return beast::iequals(parser_.get()[beast::http::field::expect], "100-continue");
    }

    core::result<void> read_header(request& r) const {
        const auto& m = parser_.get();
        auto value = [&m](beast::http::field f) { return std::string(m[f]); };
        r.method = std::string(m.method_string());
        r.host = value(beast::http::field::host);
        r.authorization = value(beast::http::field::authorization);
        r.content_type = value(beast::http::field::content_type);
        r.if_none_match = value(beast::http::field::if_none_match);
        const auto target = m.target();
        return read_target(std::string_view(target.data(), target.size()), r);
    }
    std::string take_body() { return std::move(parser_.get().body()); }

private:
    beast::http::request_parser<beast::http::string_body> parser_;
};

connection::connection(socket s, door& at, shared_parts& parts)
    : socket_(std::move(s)),
      door_(at),
      parts_(parts),
      watch_(parts.dog),
      place_(at.open.insert(at.open.end(), this)),
      peer_(peer_name(socket_, at.local)) {
    ++parts_.seen.connections;
}

connection::~connection() {
    --parts_.seen.connections;
    door_.open.erase(place_);
}

void connection::abort() noexcept {
    error_code ignored;
    socket_.close(ignored);
}

/// False at the end of the connection, whatever ended it.
task<bool> connection::read_more() {
    std::array<char, 8192> piece;
    auto [ec, n] = co_await socket_.async_read_some(asio::buffer(piece), token);
    buffer_.append(piece.data(), n);
    co_return !ec;
}

task<bool> connection::write(std::string_view bytes) {
    watch_.set(*this, clock::now() + parts_.options.write);
    auto [ec, n] = co_await asio::async_write(socket_, asio::buffer(bytes.data(), bytes.size()), token);
    watch_.stop();
    co_return !ec;
}

task<bool> connection::send(const response& r, bool head_only, bool keep_alive) {
    auto bytes = head_of(r, static_cast<std::int64_t>(r.body.size()), keep_alive);
    if (!head_only && r.status != 204 && r.status != 304) {
        bytes += r.body;
    }
    const bool sent = co_await write(bytes);
    co_return sent&& keep_alive;
}

void connection::count(endpoint what, int status) {
    ++parts_.seen.answers[{what, status}];
}

/// Ends the connection such that the client gets to read the answer: what it still sends is read and dropped,
/// or the kernel would reset the connection and throw the answer away.
task<void> connection::linger() {
    error_code ignored;
    socket_.shutdown(socket::shutdown_send, ignored);
    constexpr int most_reads = 32;
    watch_.set(*this, clock::now() + std::chrono::seconds(1));
    for (int i = 0; i < most_reads; ++i) {
        buffer_.clear();
        const bool more = co_await read_more();
        if (!more) {
            break;
        }
    }
    watch_.stop();
}

task<void> connection::run() {
    bool again = true;
    while (again && !parts_.stopping) {
        idle_ = true;
        watch_.set(*this, clock::now() + parts_.options.idle);
        bool there = !buffer_.empty();
        if (!there) {
            there = co_await read_more();
        }
        if (!there) {
            co_return;
        }
        again = co_await one_request();
    }
}

/// Reads header and body. A response: it is refused, and the connection has to end. Ends with an empty method
/// when the client is gone or too slow.
task<std::optional<response>> connection::read_request(incoming& in, request& r) {
    bool header_known = false;
    for (;;) {
        if (const auto ec = in.feed(buffer_); ec) {
            co_return refusal(ec);
        }
        if (in.has_header() && !header_known) {
            header_known = true;
            if (auto good = in.read_header(r); !good) {
                co_return error_response(good.error());
            }
            if (auto refused = check_access(door_.who, r)) {
                co_return refused;
            }
            in.go_on();
            if (!in.is_done() && in.wants_to_be_told()) {
                co_await write("HTTP/1.1 100 Continue\r\n\r\n");
            }
            continue;
        }
        if (in.is_done()) {
            r.body = in.take_body();
            co_return std::nullopt;
        }
        const bool more = co_await read_more();
        if (!more) {
            r.method.clear();
            co_return std::nullopt;
        }
    }
}

/// False: the connection ends.
task<bool> connection::one_request() {
    watch_.set(*this, clock::now() + parts_.options.request);
    request r;
    r.local = door_.local;
    r.peer = peer_;
    incoming in(parts_.options);
    auto refused = co_await read_request(in, r);
    watch_.stop();
    idle_ = false;
    if (!refused && r.method.empty()) {
        co_return false;
    }
    const bool keep_alive = in.has_header() && in.keep_alive() && !parts_.stopping;
    if (!refused) {
        co_return co_await answer(std::move(r), keep_alive);
    }
    ++parts_.seen.refused;
    // A refused request that is whole leaves the connection as good as it was.
    const bool whole = in.is_done();
    const bool again = co_await send(*refused, r.method == "HEAD", keep_alive && whole);
    if (!again) {
        co_await linger();
    }
    co_return again;
}

task<response> connection::ask_handler(route where, request r) {
    try {
        co_return co_await parts_.handler.answer(std::move(where), std::move(r));
    } catch (const core::fatal& f) {
        core::log(core::log_level::error, std::string("api: ") + f.what());
        co_return error_response(f.why());
    }
}

task<bool> connection::answer(request r, bool keep_alive) {
    const bool head_only = r.method == "HEAD";
    auto found = find_route(r);
    if (auto* refused = std::get_if<response>(&found)) {
        ++parts_.seen.refused;
        co_return co_await send(*refused, head_only, keep_alive);
    }
    auto where = std::get<route>(std::move(found));
    if (!r.body.empty() && !is_json(r.content_type)) {
        core::error e(error_kind::bad_request, "a body has to be application/json");
        e.hint = "send 'Content-Type: application/json'";
        co_return co_await send(error_response(415, e), head_only, keep_alive);
    }
    const auto what = where.what;
    if (what == endpoint::events) {
        co_return co_await answer_events(std::move(r), keep_alive);
    }
    response out;
    if (handlers::may_wait(what)) {
        auto work = ask_handler(std::move(where), std::move(r));
        auto gone = until_gone();
        auto answered = co_await run_until(std::move(work), std::move(gone));
        if (!answered) {
            co_return false;
        }
        out = std::move(*answered);
    } else {
        out = co_await ask_handler(std::move(where), std::move(r));
    }
    count(what, out.status);
    co_return co_await send(out, head_only, keep_alive && !parts_.stopping);
}

task<bool> connection::answer_events(request r, bool keep_alive) {
    const bool head_only = r.method == "HEAD";
    response out;
    if (const auto good = field_reader::of_query(r).finish(); !good) {
        out = error_response(good.error());
    } else if (auto listener = parts_.events.subscribe()) {
        count(endpoint::events, out.status);
        if (head_only) {
            co_await write(head_of_stream());
            co_return false;
        }
        ++parts_.seen.event_streams;
        const std::shared_ptr<void> counted(nullptr, [this](void*) { --parts_.seen.event_streams; });
        auto work = stream_events(std::move(listener));
        auto gone = until_gone();
        co_await run_until(std::move(work), std::move(gone));
        co_return false;
    } else {
        out = error_response(core::error(error_kind::busy, "too many listeners"));
    }
    count(endpoint::events, out.status);
    co_return co_await send(out, head_only, keep_alive);
}

task<std::monostate> connection::stream_events(std::shared_ptr<event_hub::listener> from) {
    const std::string head = head_of_stream() + "retry: 2000\n\n";
    static const std::string heartbeat = ": nothing new\n\n";
    bool alive = co_await write(head);
    while (alive && !from->is_over()) {
        const auto event = co_await from->next(parts_.options.heartbeat);
        if (!from->is_over()) {
            const std::string_view text = event ? std::string_view(*event) : std::string_view(heartbeat);
            alive = co_await write(text);
        }
    }
    co_return std::monostate();
}

/// Returns when the client has closed its side. A client that sends its next request early is not watched any
/// further: what it sent has to be kept.
task<void> connection::until_gone() {
    for (;;) {
        auto [ec] = co_await socket_.async_wait(socket::wait_read, token);
        if (ec) {
            co_return;
        }
        char byte = 0;
        const auto n = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            co_return;
        }
        if (n > 0) {
            asio::steady_timer never(socket_.get_executor(), clock::time_point::max());
            co_await never.async_wait(asio::use_awaitable);
        }
    }
}

}  // namespace m365stage::api
