#include "sources/ics_stream.hpp"

#include <algorithm>

#include "core/utf8.hpp"

namespace m365stage::sources {
namespace {

// 54 bytes are 72 characters: with the blank that a line begins with and CRLF it stays below 75.
constexpr std::size_t bytes_a_line = 54;
constexpr std::size_t bytes_a_piece = bytes_a_line * 900;

}  // namespace

task<core::result<void>> ics_stream::put(std::string text) {
    written_ += static_cast<std::int64_t>(text.size());
    const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
    co_return co_await out_.write(bytes);
}

std::string folded(std::string_view line) {
    constexpr std::size_t longest = 74;
    std::string out;
    std::size_t column = 0;
    for (std::size_t i = 0; i < line.size();) {
        const auto length = std::max<std::size_t>(core::character_length(line, i), 1);
        if (column + length > longest) {
            out += "\r\n ";
            column = 1;
        }
        out += line.substr(i, length);
        column += length;
        i += length;
    }
    return out;
}

task<core::result<void>> base64_lines::begin(const http::response&) {
    to_skip_ = taken_;
    co_return core::result<void>();
}

task<core::result<void>> base64_after::begin(const http::response& head) {
    if (!begun_) {
        begun_ = true;
        auto put = co_await out_.put(text_(head));
        if (!put) {
            co_return put.error();
        }
    }
    co_return co_await base64_lines::begin(head);
}

task<core::result<void>> base64_lines::write(std::span<const std::byte> bytes) {
    const auto known = std::min<std::int64_t>(to_skip_, static_cast<std::int64_t>(bytes.size()));
    to_skip_ -= known;
    bytes = bytes.subspan(static_cast<std::size_t>(known));
    taken_ += static_cast<std::int64_t>(bytes.size());
    sum_.update(bytes);
    buffer_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    while (buffer_.size() >= bytes_a_piece) {
        auto put = co_await flush(bytes_a_piece);
        if (!put) {
            co_return put.error();
        }
    }
    co_return core::result<void>();
}

task<core::result<void>> base64_lines::finish() {
    const auto digest = sum_.finish();
    sha256_ = core::to_hex(digest);
    co_return co_await flush(buffer_.size());
}

task<core::result<void>> base64_lines::flush(std::size_t size) {
    std::string lines;
    lines.reserve(size * 3 / 2);
    const auto* data = reinterpret_cast<const std::uint8_t*>(buffer_.data());
    for (std::size_t at = 0; at < size; at += bytes_a_line) {
        if (!first_line_) {
            lines += joint_;
        }
        first_line_ = false;
        lines += core::base64({data + at, std::min(bytes_a_line, size - at)});
    }
    buffer_.erase(0, size);
    co_return co_await out_.put(std::move(lines));
}

}  // namespace m365stage::sources
