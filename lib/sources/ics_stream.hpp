#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "async/task.hpp"
#include "core/hash.hpp"
#include "http/http.hpp"

namespace m365stage::sources {

using async::task;

/// Text on its way into a file, with a count of what went before. Threads: the network thread.
class ics_stream {
public:
    explicit ics_stream(http::body_sink& out) : out_(out) {}

    task<core::result<void>> put(std::string text);
    std::int64_t written() const { return written_; }

private:
    http::body_sink& out_;
    std::int64_t written_ = 0;
};

/// "NAME;PARAMETER=...:" folded at 75 bytes between whole characters (RFC 5545, 3.1), without a line break at
/// its end.
std::string folded(std::string_view line);

/// Takes an attachment's bytes and writes them as base64 in lines that go on with a blank, or joined by
/// something else. Memory: a piece of
/// 48 KiB. When the bytes come again from the start (`begin`), those written already are passed over.
class base64_lines : public http::body_sink {
public:
    explicit base64_lines(ics_stream& out, std::string joint = "\r\n ")
        : out_(out), joint_(std::move(joint)) {}

    task<core::result<void>> begin(const http::response& head) override;
    task<core::result<void>> write(std::span<const std::byte> bytes) override;
    /// Writes the rest. `write` is not called any more.
    task<core::result<void>> finish();

    std::int64_t bytes() const { return taken_; }
    const std::string& sha256() const { return sha256_; }  ///< hex; known when it is finished

private:
    task<core::result<void>> flush(std::size_t size);

    ics_stream& out_;
    std::string joint_;
    std::string buffer_;  ///< bytes that are not written yet
    std::int64_t taken_ = 0;
    std::int64_t to_skip_ = 0;
    core::sha256 sum_;
    std::string sha256_;
    bool first_line_ = true;
};

/// The same behind some text, which is written once the service begins to send.
class base64_after final : public base64_lines {
public:
    using introduction = std::function<std::string(const http::response& head)>;
    base64_after(ics_stream& out, std::string joint, introduction text)
        : base64_lines(out, std::move(joint)), out_(out), text_(std::move(text)) {}

    task<core::result<void>> begin(const http::response& head) override;
    bool begun() const { return begun_; }

private:
    ics_stream& out_;
    introduction text_;
    bool begun_ = false;
};

}  // namespace m365stage::sources
