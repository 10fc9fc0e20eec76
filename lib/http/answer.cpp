#include "http/answer.hpp"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

namespace m365stage::http {
namespace bhttp = boost::beast::http;
using boost::beast::string_view;
using boost::system::error_code;

/// Writes what Beast's parser finds straight into a `response`: no second copy of the fields, no body reader.
class answer_parser::impl final : public bhttp::basic_parser<false> {
public:
    explicit impl(const answer_limits& limits) : limits_(limits) {
        header_limit(max_header_bytes);
        body_limit(boost::none);  // counted here, since the bound depends on the status
        eager(true);
        skip(limits.head_only);
    }

    void set_unbounded_success(bool on) { limits_.unbounded_success = on; }
    bool is_interim() const { return head.status >= 100 && head.status < 200; }
    /// Beast doesn't see what was read past it.
    bool is_whole() const { return is_done() || (length && taken == *length); }

    response head;
    std::string body;
    std::uint64_t taken = 0;
    std::optional<std::uint64_t> length;

private:
    bool is_bounded() const {
        return !(limits_.unbounded_success && (head.status == 200 || head.status == 206));
    }

    std::size_t take(string_view bytes, error_code& ec) {
        if (is_bounded() && bytes.size() > limits_.max_body_bytes - taken) {
            ec = bhttp::error::body_limit;
            return 0;
        }
        taken += bytes.size();
        body.append(bytes.data(), bytes.size());
        return bytes.size();
    }

    void on_request_impl(bhttp::verb, string_view, string_view, int, error_code&) override {}
    void on_response_impl(int code, string_view, int, error_code&) override { head.status = code; }

    void on_field_impl(bhttp::field, string_view name, string_view value, error_code& ec) override {
        if (is_header_done()) {  // trailers of a chunked body are not wanted
            return;
        }
        // Beast's own limit is for what it has to look at in one piece, not for the sum of the fields.
        header_bytes_ += name.size() + value.size() + 4;
        if (header_bytes_ > max_header_bytes) {
            ec = bhttp::error::header_limit;
            return;
        }
        head.fields.add({name.data(), name.size()}, {value.data(), value.size()});
    }

    void on_header_impl(error_code& ec) override {
        const auto declared = content_length();
        if (!declared || basic_parser::is_done()) {
            return;
        }
        length = *declared;
        if (is_bounded() && *declared > limits_.max_body_bytes) {
            ec = bhttp::error::body_limit;
            return;
        }
        constexpr std::uint64_t piece = 256u << 10;
        body.reserve(static_cast<std::size_t>(is_bounded() ? *declared : std::min(*declared, piece)));
    }

    void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
    std::size_t on_body_impl(string_view bytes, error_code& ec) override { return take(bytes, ec); }
    void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, string_view bytes, error_code& ec) override {
        return take(bytes, ec);
    }
    void on_finish_impl(error_code&) override {}

    answer_limits limits_;
    std::size_t header_bytes_ = 0;
};

namespace {

core::error parse_failure(const error_code& ec, const answer_limits& limits) {
    using core::error_kind;
    if (ec == bhttp::error::header_limit) {
        return {
            error_kind::too_large,
            "the header of the answer exceeds " + std::to_string(max_header_bytes) + " bytes"
        };
    }
    if (ec == bhttp::error::body_limit) {
        return {
            error_kind::too_large, "the answer exceeds " + std::to_string(limits.max_body_bytes) + " bytes"
        };
    }
    return {error_kind::protocol, "the answer is not valid HTTP (" + ec.message() + ")"};
}

}  // namespace

answer_parser::answer_parser(const answer_limits& limits)
    : impl_(std::make_unique<impl>(limits)), limits_(limits) {}

answer_parser::~answer_parser() = default;

void answer_parser::set_unbounded_success(bool on) {
    limits_.unbounded_success = on;
    impl_->set_unbounded_success(on);
}

core::result<std::size_t> answer_parser::feed(std::string_view bytes) {
    std::size_t used = 0;
    while (used < bytes.size() && !is_done()) {
        error_code ec;
        used += impl_->put(boost::asio::const_buffer(bytes.data() + used, bytes.size() - used), ec);
        if (ec == bhttp::error::need_more) {
            break;
        }
        if (ec) {
            return parse_failure(ec, limits_);
        }
        if (impl_->is_done() && impl_->is_interim()) {
            if (impl_->head.status == 101) {
                return core::error(
                    core::error_kind::protocol, "the server switches to a protocol nobody asked for"
                );
            }
            if (++interim_answers_ > max_interim_answers) {
                return core::error(core::error_kind::protocol, "the server sends no end of 1xx answers");
            }
            impl_ = std::make_unique<impl>(limits_);
        }
    }
    return used;
}

core::result<void> answer_parser::finish() {
    if (is_done()) {
        return {};
    }
    if (!has_header()) {
        return core::error(core::error_kind::transport, "the connection was closed before the answer came");
    }
    error_code ec;
    impl_->put_eof(ec);
    if (!ec && is_done()) {
        return {};
    }
    const std::string of = impl_->length ? " of " + std::to_string(*impl_->length) + " bytes" : " bytes";
    return core::error(
        core::error_kind::transport, "the body ended early after " + std::to_string(impl_->taken) + of
    );
}

bool answer_parser::has_header() const {
    return impl_->is_header_done() && !impl_->is_interim();
}

bool answer_parser::is_done() const {
    return impl_->is_whole() && !impl_->is_interim();
}

bool answer_parser::can_reuse() const {
    return is_done() && impl_->keep_alive();
}

response& answer_parser::head() {
    return impl_->head;
}

std::string& answer_parser::body() {
    return impl_->body;
}

std::optional<std::uint64_t> answer_parser::content_length() const {
    return impl_->length;
}

std::uint64_t answer_parser::body_bytes() const {
    return impl_->taken;
}

std::uint64_t answer_parser::plain_rest() const {
    return has_header() && impl_->length ? *impl_->length - impl_->taken : 0;
}

void answer_parser::pass(std::size_t bytes) {
    impl_->taken += bytes;
}

}  // namespace m365stage::http
