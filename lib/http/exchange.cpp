#include "http/exchange.hpp"

#include <algorithm>
#include <cstring>

#include "http/wire.hpp"

namespace m365stage::http {
namespace {

// A whole TLS record fits. Grown at need to room for the longest header that is accepted and a record behind
// it.
constexpr std::size_t usual_buffer_bytes = 17u << 10;
constexpr std::size_t most_buffer_bytes = max_header_bytes + usual_buffer_bytes;
constexpr std::size_t sink_piece_bytes = 256u << 10;
constexpr std::size_t joined_body_bytes = 64u << 10;
constexpr std::size_t write_piece_bytes = 64u << 10;
// An answer that was sent before the request was all read (413, 401) is waited for this long after a failed
// write.
constexpr std::chrono::milliseconds early_answer_wait{2000};

answer_limits limits_for(const request& r) {
    answer_limits out;
    out.head_only = r.verb == method::head;
    out.max_body_bytes = r.max_body_bytes;
    return out;
}

}  // namespace

exchange::exchange(stream& on, watchdog& dog, const request& r, const url_parts& at)
    : stream_(on), buffer_(on.read_buffer), watch_(dog), request_(r), at_(at), parser_(limits_for(r)) {}

bool exchange::can_reuse() const {
    return !peer_closed_ && !write_failed_ && begin_ == end_ && parser_.can_reuse();
}

bool exchange::was_stale() const {
    return peer_gone_ && !got_bytes_;
}

core::error exchange::failed(core::error_kind kind, std::string_view why) const {
    return failure(kind, request_.verb, at_, why);
}

task<core::result<response>> exchange::run(const std::string& head, body_sink* sink) {
    parser_.set_unbounded_success(sink != nullptr);
    auto written = co_await write(head);
    if (!written) {
        co_return std::move(written).error();
    }
    auto begun = co_await read_header();
    if (!begun) {
        co_return std::move(begun).error();
    }
    auto ended = co_await read_body(sink);
    if (!ended) {
        co_return std::move(ended).error();
    }
    response out = std::move(parser_.head());
    out.body = std::move(parser_.body());
    co_return out;
}

/// The next piece of the body to be sent; empty at the end. `rest` is what is left of a body in memory.
task<core::result<std::string_view>> exchange::next_piece(std::string_view& rest) {
    if (!request_.source) {
        const auto piece = rest.substr(0, write_piece_bytes);
        rest.remove_prefix(piece.size());
        co_return piece;
    }
    watch_.stop();
    auto bytes = co_await request_.source->read();
    if (!bytes) {
        co_return bytes.error();
    }
    co_return std::string_view(reinterpret_cast<const char*>(bytes->data()), bytes->size());
}

/// Small requests leave in one write. Longer bodies go in pieces, so that progress can be seen.
task<core::result<void>> exchange::write(const std::string& head) {
    std::string_view rest = request_.body;
    std::string joined;
    std::string_view piece = head;
    if (request_.source) {
        request_.source->rewind();
    } else if (!rest.empty() && rest.size() <= joined_body_bytes) {
        joined = head + request_.body;
        piece = joined;
        rest = {};
    }
    progress pace(request_.limits.idle, request_.limits.min_bytes_per_second, steady::now());
    for (;;) {
        watch_.set(stream_, pace.deadline());
        auto [ec, n] = co_await stream_.write_all(piece);
        if (watch_.has_expired()) {
            co_return failed(
                core::error_kind::timeout,
                "the request could not be sent: nothing moved for " + in_words(request_.limits.idle)
            );
        }
        if (is_aborted(ec)) {
            throw_aborted();
        }
        if (ec) {
            write_failed_ = true;  // an answer may have come all the same
            break;
        }
        const auto written = steady::now();
        if (!pace.moved(n, written)) {
            co_return failed(core::error_kind::timeout, "the request is taken too slowly");
        }
        auto next = co_await next_piece(rest);
        if (!next) {
            co_return next.error();
        }
        if (next->empty()) {
            break;
        }
        pace.excuse(steady::now() - written);
        piece = *next;
    }
    co_return core::result<void>();
}

/// Reads once and gives the parser what is there. At the peer's end `peer_closed_` is set instead.
task<core::result<void>> exchange::read_more(steady::time_point deadline) {
    if (begin_ == end_) {
        begin_ = end_ = 0;
    } else if (begin_ > 0) {
        std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    if (end_ == most_buffer_bytes) {
        co_return failed(core::error_kind::protocol, "the answer holds a line that is too long");
    }
    if (end_ == buffer_.size()) {
        buffer_.resize(most_buffer_bytes);
    }
    watch_.set(stream_, deadline);
    auto [ec, n] = co_await stream_.read_some(buffer_.data() + end_, buffer_.size() - end_);
    auto state = came(ec, n);
    if (!state || n == 0) {
        co_return state;
    }
    end_ += n;
    auto used = parser_.feed({buffer_.data() + begin_, end_ - begin_});
    if (!used) {
        co_return failed(used.error());
    }
    begin_ += *used;
    co_return core::result<void>();
}

/// What a read came back with. At the peer's end `peer_closed_` is set, and the answer must be whole.
core::result<void> exchange::came(boost::system::error_code ec, std::size_t n) {
    last_read_ = n;
    if (watch_.has_expired()) {
        return failed(core::error_kind::timeout, "");
    }
    if (is_aborted(ec)) {
        throw_aborted();
    }
    if (ec && !is_end_of_stream(ec)) {
        peer_gone_ = true;
        return failed(core::error_kind::transport, reason_of(ec));
    }
    if (ec) {
        peer_gone_ = peer_closed_ = true;
        auto whole = parser_.finish();
        return whole ? core::result<void>() : failed(whole.error());
    }
    got_bytes_ = true;
    return {};
}

/// Past the parser, straight to where the sink wants it, if there is room.
task<core::result<void>> exchange::read_body_once(std::span<std::byte> room, steady::time_point deadline) {
    if (room.empty()) {
        co_return co_await read_more(deadline);
    }
    const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(room.size(), parser_.plain_rest()));
    watch_.set(stream_, deadline);
    auto [ec, n] = co_await stream_.read_some(reinterpret_cast<char*>(room.data()), most);
    auto state = came(ec, n);
    parser_.pass(n);
    co_return state;
}

task<core::result<void>> exchange::read_header() {
    if (buffer_.size() != usual_buffer_bytes) {  // new, or grown for a long header
        buffer_ = std::vector<char>(usual_buffer_bytes);
    }
    const auto limit =
        write_failed_ ? std::min(early_answer_wait, request_.limits.first_byte) : request_.limits.first_byte;
    const auto deadline = steady::now() + limit;
    while (!parser_.has_header()) {
        auto more = co_await read_more(deadline);
        if (more) {
            continue;
        }
        if (more.error().kind == core::error_kind::timeout) {
            co_return failed(core::error_kind::timeout, "no answer within " + in_words(limit));
        }
        co_return more;
    }
    co_return core::result<void>();
}

bool exchange::goes_to_sink() {
    const int status = parser_.head().status;
    return status == 200 || status == 206;
}

task<core::result<void>> exchange::hand_over(body_sink& sink) {
    auto& body = parser_.body();
    if (body.empty()) {
        co_return core::result<void>();
    }
    watch_.stop();
    const std::span<const char> bytes(body.data(), body.size());
    auto taken = co_await sink.write(std::as_bytes(bytes));
    body.clear();
    co_return taken;
}

task<core::result<void>> exchange::read_body(body_sink* sink) {
    if (sink && !goes_to_sink()) {
        sink = nullptr;
    }
    if (sink) {
        watch_.stop();
        auto begun = co_await sink->begin(parser_.head());
        if (!begun) {
            co_return begun;
        }
    }
    core::result<void> state;
    progress pace(request_.limits.idle, request_.limits.min_bytes_per_second, steady::now());
    while (!parser_.is_done() && state) {
        const bool plain = sink && begin_ == end_ && parser_.plain_rest() > 0;
        if (plain || (sink && parser_.body().size() >= sink_piece_bytes)) {
            const auto before = steady::now();
            auto taken = co_await hand_over(*sink);
            if (!taken) {
                co_return taken;
            }
            pace.excuse(steady::now() - before);
        }
        const auto room = plain ? sink->room() : std::span<std::byte>();
        auto more = co_await read_body_once(room, pace.deadline());
        const auto now = steady::now();
        const bool fast_enough = pace.moved(last_read_, now);
        if (!more) {
            const bool late = more.error().kind == core::error_kind::timeout;
            state = late ? failed(core::error_kind::timeout, stalled()) : more.error();
        } else if (!fast_enough && !parser_.is_done()) {
            state = failed(core::error_kind::timeout, stalled());
        }
        if (!room.empty() && last_read_ > 0) {
            watch_.stop();
            auto taken = co_await sink->filled(last_read_);
            if (!taken) {
                co_return taken;
            }
            pace.excuse(steady::now() - now);
        }
    }
    if (sink) {
        // Also what came before a failure: the caller goes on from there.
        auto taken = co_await hand_over(*sink);
        if (!taken) {
            co_return taken;
        }
    }
    co_return state;
}

std::string exchange::stalled() const {
    std::string out = "the body stalled after " + std::to_string(parser_.body_bytes());
    if (const auto length = parser_.content_length()) {
        out += " of " + std::to_string(*length);
    }
    return out + " bytes";
}

}  // namespace m365stage::http
