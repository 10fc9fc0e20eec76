#include "http/gzip.hpp"

#include <zlib.h>

#include <algorithm>

namespace m365stage::http {
namespace {

core::error damaged(const char* why) {
    return core::error(core::error_kind::protocol, std::string("the compressed answer is damaged: ") + why);
}

}  // namespace

struct gzip_stream::state {
    z_stream z{};
    bool is_ready = false;
    bool is_whole = false;
};

gzip_stream::gzip_stream() : state_(std::make_unique<state>()) {
    state_->is_ready = inflateInit2(&state_->z, 16 + MAX_WBITS) == Z_OK;
}

gzip_stream::~gzip_stream() {
    if (state_->is_ready) {
        inflateEnd(&state_->z);
    }
}

bool gzip_stream::is_whole() const {
    return state_->is_whole;
}

core::result<gzip_stream::step> gzip_stream::inflate(
    std::span<const std::byte> packed, std::span<std::byte> room
) {
    step out;
    if (!state_->is_ready) {
        return core::error(core::error_kind::internal, "zlib could not be started");
    }
    z_stream& z = state_->z;
    if (state_->is_whole && !packed.empty()) {
        if (inflateReset(&z) != Z_OK) {
            return damaged("it could not be continued");
        }
        state_->is_whole = false;
    }
    if (state_->is_whole || room.empty()) {
        return out;
    }
    constexpr std::size_t most = 1u << 30;
    const auto in = std::min(packed.size(), most);
    const auto space = std::min(room.size(), most);
    z.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data()));
    z.avail_in = static_cast<uInt>(in);
    z.next_out = reinterpret_cast<Bytef*>(room.data());
    z.avail_out = static_cast<uInt>(space);
    const int rc = ::inflate(&z, Z_NO_FLUSH);
    out.taken = in - z.avail_in;
    out.made = space - z.avail_out;
    if (rc == Z_STREAM_END) {
        state_->is_whole = true;
    } else if (rc != Z_OK && rc != Z_BUF_ERROR) {  // the latter: there is nothing more to be had of this
        return damaged(z.msg ? z.msg : "it is not gzip");
    }
    return out;
}

core::result<std::string> gunzip(std::string_view packed, std::uint64_t max_bytes) {
    gzip_stream stream;
    max_bytes = std::min<std::uint64_t>(max_bytes, std::uint64_t{1} << 60);  // room for the + 1 below
    auto rest = std::as_bytes(std::span(packed.data(), packed.size()));
    std::string out;
    constexpr std::size_t least = 4096;
    constexpr std::size_t most = 1u << 20;
    for (;;) {
        // One byte more than allowed shows that there is too much.
        const auto room = std::clamp<std::size_t>(rest.size() * 4 + out.size(), least, most);
        const auto space =
            static_cast<std::size_t>(std::min<std::uint64_t>(room, max_bytes - out.size() + 1));
        const std::size_t had = out.size();
        out.resize(had + space);
        const auto made = stream.inflate(rest, std::as_writable_bytes(std::span(out).subspan(had)));
        if (!made) {
            return made.error();
        }
        out.resize(had + made->made);
        rest = rest.subspan(made->taken);
        if (out.size() > max_bytes) {
            return core::error(
                core::error_kind::too_large,
                "the answer is larger than " + std::to_string(max_bytes) + " bytes after decompression"
            );
        }
        if (rest.empty() && made->made < space) {
            break;
        }
    }
    if (!stream.is_whole()) {
        return damaged("it ends early");
    }
    return out;
}

}  // namespace m365stage::http
