#include "http/decoding_sink.hpp"

#include "http/text.hpp"

namespace m365stage::http {
namespace {

constexpr std::size_t buffer_bytes = 64u << 10;

bool is_gzip(std::string_view coding) {
    return equal_names(coding, "gzip") || equal_names(coding, "x-gzip");
}

}  // namespace

bool is_encoded(const header_list& fields) {
    const auto coding = fields.find("Content-Encoding").value_or("");
    return !coding.empty() && !equal_names(coding, "identity");
}

task<core::result<void>> decoding_sink::begin(const response& head) {
    packed_.reset();
    is_empty_ = true;
    if (!is_encoded(head.fields)) {
        co_return co_await next_.begin(head);
    }
    const auto coding = head.fields.find("Content-Encoding").value_or("");
    if (!is_gzip(coding)) {
        constexpr std::size_t longest = 40;
        core::error e(
            core::error_kind::protocol,
            "the content comes in a coding that was not asked for: " + std::string(coding.substr(0, longest))
        );
        e.hint = "check whether a proxy changes the answers";
        co_return e;
    }
    packed_ = std::make_unique<gzip_stream>();
    response plain = head;
    plain.fields.erase("Content-Length");
    co_return co_await next_.begin(plain);
}

task<core::result<void>> decoding_sink::write(std::span<const std::byte> bytes) {
    return packed_ ? inflate(bytes) : next_.write(bytes);
}

std::span<std::byte> decoding_sink::room() {
    return packed_ ? std::span<std::byte>() : next_.room();
}

task<core::result<void>> decoding_sink::filled(std::size_t bytes) {
    return next_.filled(bytes);
}

task<core::result<void>> decoding_sink::inflate(std::span<const std::byte> bytes) {
    is_empty_ = is_empty_ && bytes.empty();
    for (bool more = !bytes.empty(); more;) {
        auto room = next_.room();
        const bool is_own = room.empty();
        if (is_own) {
            buffer_.resize(buffer_bytes);
            room = buffer_;
        }
        const auto step = packed_->inflate(bytes, room);
        if (!step) {
            co_return step.error();
        }
        bytes = bytes.subspan(step->taken);
        more = !bytes.empty() || step->made == room.size();
        if (step->made == 0) {
            continue;
        }
        core::result<void> taken;
        if (is_own) {
            taken = co_await next_.write(room.first(step->made));
        } else {
            taken = co_await next_.filled(step->made);
        }
        if (!taken) {
            co_return taken;
        }
    }
    co_return core::result<void>();
}

core::result<void> decoding_sink::finish() const {
    if (packed_ && !is_empty_ && !packed_->is_whole()) {
        return core::error(core::error_kind::transport, "the compressed body ends early");
    }
    return {};
}

}  // namespace m365stage::http
