// Any bytes as what a server sends, in pieces of any size: an answer within its limits, or an error; cut
// differently, the same answer.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "http/answer.hpp"

namespace {

using namespace m365stage;

constexpr std::uint64_t most = 4096;

struct outcome {
    bool good = false, done = false;
    int status = 0;
    std::string body;
    bool operator==(const outcome&) const = default;
};

outcome parse(std::string_view all, std::size_t piece, bool head_only) {
    http::answer_limits limits;
    limits.max_body_bytes = most;
    limits.head_only = head_only;
    http::answer_parser parser(limits);
    outcome out;
    std::string waiting;
    for (std::size_t at = 0; at < all.size() && !parser.is_done(); at += piece) {
        waiting += all.substr(at, piece);
        while (!waiting.empty() && !parser.is_done()) {
            const auto used = parser.feed(waiting);
            if (!used) {
                return out;
            }
            if (*used > waiting.size()) {
                std::abort();
            }
            if (*used == 0) {
                break;  // it wants more
            }
            waiting.erase(0, *used);
        }
        if (waiting.size() > 2 * http::max_header_bytes) {
            std::abort();  // it holds on to more than its limit
        }
    }
    out.good = parser.is_done() || parser.finish().has_value();
    out.done = parser.is_done();
    if (out.good && parser.has_header()) {
        out.status = parser.head().status;
        out.body = parser.body();
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) {
        return 0;
    }
    const std::string_view text(reinterpret_cast<const char*>(data + 2), size - 2);
    const bool head_only = (data[0] & 1) != 0;
    const auto whole = parse(text, std::max<std::size_t>(1, text.size()), head_only);
    if (whole.body.size() > most) {
        std::abort();
    }
    const auto pieces = parse(text, 1 + data[1], head_only);
    if (whole.good && pieces.good && whole != pieces) {
        std::abort();
    }
    return 0;
}
