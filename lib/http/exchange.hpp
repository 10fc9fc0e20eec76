#pragma once

#include <vector>

#include "http/answer.hpp"
#include "http/progress.hpp"
#include "http/stream.hpp"
#include "http/watchdog.hpp"

namespace m365stage::http {

/// One request and its answer on one connected stream: writes, reads, parses, feeds the sink, minds the time.
/// Works on any `stream`, so the tests drive it without sockets.
class exchange {
public:
    exchange(stream& on, watchdog& dog, const request& r, const url_parts& at);

    /// Errors: transport, timeout, protocol, too_large, and whatever the sink returned.
    /// Cancel: throws operation_aborted; the stream is unusable then.
    task<core::result<response>> run(const std::string& head, body_sink* sink);

    bool can_reuse() const;  ///< the stream is fit for another request
    bool was_stale() const;  ///< it failed because the peer had gone, before a byte of the answer

private:
    task<core::result<void>> write(const std::string& head);
    task<core::result<std::string_view>> next_piece(std::string_view& rest);
    task<core::result<void>> read_header();
    task<core::result<void>> read_body(body_sink* sink);
    task<core::result<void>> hand_over(body_sink& sink);
    task<core::result<void>> read_more(steady::time_point deadline);
    task<core::result<void>> read_body_once(std::span<std::byte> room, steady::time_point deadline);
    core::result<void> came(boost::system::error_code ec, std::size_t n);

    core::error failed(core::error_kind kind, std::string_view why) const;
    core::error failed(const core::error& e) const { return failed(e.kind, e.cause); }
    std::string stalled() const;
    bool goes_to_sink();

    stream& stream_;
    std::vector<char>& buffer_;  ///< the stream's
    watchdog::watch watch_;
    const request& request_;
    const url_parts& at_;
    answer_parser parser_;
    std::size_t begin_ = 0;  ///< of the bytes in buffer_ that the parser has not taken
    std::size_t end_ = 0;
    std::size_t last_read_ = 0;
    bool got_bytes_ = false;
    bool peer_gone_ = false;
    bool peer_closed_ = false;  ///< orderly, after the header: ends a body without length
    bool write_failed_ = false;
};

}  // namespace m365stage::http
