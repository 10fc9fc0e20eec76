// Any bytes as a link that the service sends, and as the headers by which it rations: a token goes to Graph's
// host alone, and a budget never ends the work for good.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "core/time.hpp"
#include "graph/errors.hpp"
#include "graph/limiter.hpp"
#include "graph/links.hpp"
#include "http/http.hpp"
#include "http/redirect.hpp"

namespace {

using namespace m365stage;

void require(bool good) {
    if (!good) {
        std::abort();
    }
}

void check_link(std::string_view text) {
    static const graph::link_rules rules("https://graph.microsoft.com", {"sharepoint.com"});
    if (rules.is_graph(text)) {
        const auto parts = http::parse_url(text);
        require(parts && parts->host == "graph.microsoft.com" && parts->scheme == "https");
    }
    if (rules.check_download(text)) {
        const auto parts = http::parse_url(text);
        require(parts && parts->scheme == "https");
        const auto& host = parts->host;
        require(
            host == "graph.microsoft.com" || host == "sharepoint.com" || host.ends_with(".sharepoint.com")
        );
    }
    const auto from = http::parse_url("https://graph.microsoft.com/v1.0/me");
    if (const auto next = http::resolve_location(*from, text); next && http::parse_url(*next)) {
        require(next->find_first_of("\r\n ") == std::string::npos);
    }
}

void check_dates(std::string_view text) {
    const auto now = std::chrono::system_clock::from_time_t(1'795'000'000);
    if (const auto pause = graph::parse_retry_after(text, now)) {
        require(pause->count() >= 0);
    }
    if (const auto t = core::parse_timestamp(text)) {
        require(core::clamp_mtime(*t) >= 0 && core::clamp_mtime(*t) <= 4'102'444'800);
    }
}

void check_budget(const std::uint8_t* data, std::size_t size) {
    graph::limits l;
    l.units_per_minute = 1200;
    l.learn = true;
    graph::limiter limiter(l);
    graph::steady_point now{};
    for (std::size_t at = 0; at + 4 <= size && at < 400; at += 4) {
        const auto at_once = limiter.earliest(now, 1 + data[at] % 5);
        require(at_once < now + std::chrono::hours(24 * 3660));
        now = std::max(now, at_once);
        limiter.take(now, 1 + data[at] % 5);
        if ((data[at] & 0x80) != 0) {
            // As the header says it: below 10^9 each.
            limiter.told(
                now, data[at + 1] * 1e6, data[at + 2] * 3e6, std::chrono::seconds(data[at + 3] % 120)
            );
        } else if ((data[at] & 0x40) != 0) {
            limiter.refused(now, now, std::chrono::milliseconds(data[at + 1] * 10), 0.5);
        } else {
            limiter.answered(now);
        }
        limiter.release();
        now += std::chrono::milliseconds(data[at + 1]);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    check_link(text);
    check_dates(text);
    check_budget(data, size);
    return 0;
}
