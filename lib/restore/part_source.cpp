#include "restore/part_source.hpp"

#include <vector>

#include "core/hash.hpp"

namespace m365stage::restore {
namespace {

// A multiple of 3, so that pieces of base64 follow each other without padding.
constexpr std::size_t encoded_piece = 3u << 16;

void append_base64(std::string& out, std::span<const std::byte> bytes) {
    out += core::base64({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

/// Reads until the buffer is full or the part ends.
core::result<std::size_t> fill(part_reader& in, std::span<std::byte> to) {
    std::size_t have = 0;
    while (have < to.size()) {
        auto n = in.read(to.subspan(have));
        if (!n) {
            return n.error();
        }
        if (*n == 0) {
            break;
        }
        have += *n;
    }
    return have;
}

core::error ended_early() {
    return core::error(core::error_kind::disk, "a part of the message ended early: it was changed meanwhile");
}

class stretch_source final : public http::body_source {
public:
    stretch_source(
        async::worker& disk, std::shared_ptr<mime_file> mime, std::size_t number, std::int64_t begin,
        std::int64_t size
    )
        : disk_(disk), mime_(std::move(mime)), number_(number), begin_(begin), size_(size) {}

    std::uint64_t size() const override { return static_cast<std::uint64_t>(size_); }
    void rewind() override {
        in_.reset();
        sent_ = 0;
    }

    async::task<core::result<std::span<const std::byte>>> read() override {
        auto work = [this] { return next(); };
        auto got = co_await disk_.run(std::move(work));
        if (!got) {
            co_return got.error();
        }
        co_return std::span<const std::byte>(buffer_.data(), *got);
    }

private:
    core::result<std::size_t> next() {
        buffer_.resize(encoded_piece);
        if (!in_) {
            in_ = mime_->read_part(number_);
            for (std::int64_t left = begin_; left > 0;) {
                const auto wanted = std::min<std::int64_t>(left, std::ssize(buffer_));
                auto n = fill(*in_, std::span(buffer_).first(static_cast<std::size_t>(wanted)));
                if (!n || *n == 0) {
                    return n ? ended_early() : n.error();
                }
                left -= static_cast<std::int64_t>(*n);
            }
        }
        const auto wanted =
            static_cast<std::size_t>(std::min<std::int64_t>(size_ - sent_, std::ssize(buffer_)));
        auto n = fill(*in_, std::span(buffer_).first(wanted));
        if (n && *n < wanted) {
            return ended_early();
        }
        sent_ += n ? static_cast<std::int64_t>(*n) : 0;
        return n;
    }

    async::worker& disk_;
    std::shared_ptr<mime_file> mime_;
    std::size_t number_;
    std::int64_t begin_, size_, sent_ = 0;
    std::unique_ptr<part_reader> in_;
    std::vector<std::byte> buffer_;
};

class json_source final : public http::body_source {
public:
    json_source(
        async::worker& disk, std::shared_ptr<mime_file> mime, std::size_t number, std::string before,
        std::string after
    )
        : disk_(disk),
          mime_(std::move(mime)),
          number_(number),
          before_(std::move(before)),
          after_(std::move(after)) {}

    std::uint64_t size() const override {
        const auto bytes = static_cast<std::uint64_t>(mime_->parts()[number_].size);
        return before_.size() + (bytes + 2) / 3 * 4 + after_.size();
    }
    void rewind() override {
        in_.reset();
        ended_ = false;
    }

    async::task<core::result<std::span<const std::byte>>> read() override {
        auto work = [this] { return next(); };
        auto got = co_await disk_.run(std::move(work));
        if (!got) {
            co_return got.error();
        }
        co_return std::as_bytes(std::span(text_));
    }

private:
    core::result<int> next() {
        text_.clear();
        if (ended_) {
            return 0;
        }
        if (!in_) {
            in_ = mime_->read_part(number_);
            text_ = before_;
        }
        buffer_.resize(encoded_piece);
        auto n = fill(*in_, buffer_);
        if (!n) {
            return n.error();
        }
        append_base64(text_, std::span(buffer_).first(*n));
        if (*n < buffer_.size()) {
            text_ += after_;
            ended_ = true;
        }
        return 0;
    }

    async::worker& disk_;
    std::shared_ptr<mime_file> mime_;
    std::size_t number_;
    std::string before_, after_, text_;
    std::unique_ptr<part_reader> in_;
    std::vector<std::byte> buffer_;
    bool ended_ = false;
};

}  // namespace

std::shared_ptr<http::body_source> stretch_of_part(
    async::worker& disk, std::shared_ptr<mime_file> mime, std::size_t number, std::int64_t begin,
    std::int64_t size
) {
    return std::make_shared<stretch_source>(disk, std::move(mime), number, begin, size);
}

std::shared_ptr<http::body_source> part_in_json(
    async::worker& disk, std::shared_ptr<mime_file> mime, std::size_t number, std::string before,
    std::string after
) {
    return std::make_shared<json_source>(disk, std::move(mime), number, std::move(before), std::move(after));
}

core::result<std::string> part_as_base64(mime_file& mime, std::size_t number) {
    auto in = mime.read_part(number);
    std::vector<std::byte> buffer(encoded_piece);
    std::string out;
    for (;;) {
        auto n = fill(*in, buffer);
        if (!n) {
            return n.error();
        }
        append_base64(out, std::span(buffer).first(*n));
        if (*n < buffer.size()) {
            return out;
        }
    }
}

}  // namespace m365stage::restore
