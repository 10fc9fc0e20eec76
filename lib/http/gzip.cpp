#include "http/gzip.hpp"

#include <zlib.h>

#include <algorithm>

namespace m365stage::http {
namespace {

class inflater {
public:
    inflater() { ready_ = inflateInit2(&stream_, 16 + MAX_WBITS) == Z_OK; }
    ~inflater() {
        if (ready_) {
            inflateEnd(&stream_);
        }
    }
    inflater(const inflater&) = delete;
    inflater& operator=(const inflater&) = delete;

    bool ready() const { return ready_; }
    z_stream& operator*() { return stream_; }

private:
    z_stream stream_{};
    bool ready_ = false;
};

core::error damaged(const char* why) {
    return core::error(core::error_kind::protocol, std::string("the compressed answer is damaged: ") + why);
}

}  // namespace

core::result<std::string> gunzip(std::string_view packed, std::uint64_t max_bytes) {
    inflater inflate_state;
    if (!inflate_state.ready()) {
        return core::error(core::error_kind::internal, "zlib could not be started");
    }
    if (packed.size() > 0xffffffffU) {
        return core::error(core::error_kind::too_large, "the compressed answer is larger than 4 GiB");
    }
    max_bytes = std::min<std::uint64_t>(max_bytes, std::uint64_t{1} << 60);  // room for the + 1 below
    z_stream& z = *inflate_state;
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    z.avail_in = static_cast<uInt>(packed.size());
    std::string out;
    constexpr std::size_t least = 4096;
    constexpr std::size_t most = 1u << 20;
    for (;;) {
        // One byte more than allowed shows that there is too much.
        const auto room = std::clamp<std::size_t>(packed.size() * 4 + out.size(), least, most);
        const auto step = static_cast<std::size_t>(std::min<std::uint64_t>(room, max_bytes - out.size() + 1));
        const std::size_t had = out.size();
        out.resize(had + step);
        z.next_out = reinterpret_cast<Bytef*>(out.data() + had);
        z.avail_out = static_cast<uInt>(step);
        const int rc = inflate(&z, Z_NO_FLUSH);
        out.resize(had + step - z.avail_out);
        if (out.size() > max_bytes) {
            return core::error(
                core::error_kind::too_large,
                "the answer is larger than " + std::to_string(max_bytes) + " bytes after decompression"
            );
        }
        if (rc == Z_STREAM_END) {
            if (z.avail_in == 0) {
                return out;
            }
            if (inflateReset(&z) != Z_OK) {
                return damaged("it could not be continued");
            }
        } else if (rc == Z_BUF_ERROR || (rc == Z_OK && z.avail_in == 0 && z.avail_out != 0)) {
            return damaged("it ends early");
        } else if (rc != Z_OK) {
            return damaged(z.msg ? z.msg : "it is not gzip");
        }
    }
}

}  // namespace m365stage::http
