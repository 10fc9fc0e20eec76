#include "graph/retry.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/http_date.hpp"

namespace m365stage::graph {

using std::chrono::milliseconds;

milliseconds jittered_pause(unsigned failed, double chance) {
    constexpr double base_ms = 1000;
    constexpr double cap_ms = 60'000;
    double ceiling = std::min(cap_ms, base_ms * std::pow(2.0, std::min(failed, 20u) - 1.0));
    return milliseconds(static_cast<std::int64_t>(ceiling * chance));
}

retry_state::step retry_state::after_sign_in(const verdict& failed) {
    constexpr unsigned most = 6;
    unsigned allowed = failed.retry == retry_class::sign_in_again ? most - 1 : 1;
    step out;
    if (sign_ins_ < allowed) {
        // "Expired" may be said for seconds after a renewal (contract 1.6); the first renewal needs no pause.
        out.what = action::sign_in;
        out.pause = sign_ins_ == 0 ? milliseconds(0) : milliseconds(3000);
        ++sign_ins_;
    }
    return out;
}

retry_state::step retry_state::wait_after(const verdict& failed, unsigned failures, double chance) {
    step out;
    out.what = action::wait;
    out.pause = jittered_pause(failures, chance);
    if (failed.why.retry_after) {
        out.pause = std::max(out.pause, *failed.why.retry_after);
    }
    return out;
}

retry_state::step retry_state::next(const verdict& failed, double chance) {
    constexpr unsigned most_brief = 3;
    // A 503 with Retry-After may be said of one item for ever (OneNote), so it can't go on without end.
    constexpr unsigned most_unavailable = 20;
    step out;
    switch (failed.retry) {
        case retry_class::never:
            return out;
        case retry_class::sign_in:
        case retry_class::sign_in_again:
            return after_sign_in(failed);
        case retry_class::throttled:
            if (failed.why.http_status == 503 && ++unavailable_ >= most_unavailable) {
                return out;
            }
            out.what = action::throttle;
            return out;
        case retry_class::brief:
            // With a count of their own: who resumes downloads by itself allows one attempt only, and could
            // not tell a hiccup from a refusal that lasts.
            if (++brief_ > most_brief || !repeatable_) {
                return out;
            }
            return wait_after(failed, brief_, chance);
        case retry_class::transient:
            break;
    }
    ++attempts_;
    if (!repeatable_ || attempts_ >= max_attempts_) {
        return out;
    }
    return wait_after(failed, attempts_, chance);
}

std::optional<milliseconds> parse_retry_after(
    std::string_view text, std::chrono::system_clock::time_point now
) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
        text.remove_prefix(1);
    }
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
        text.remove_suffix(1);
    }
    double seconds = 0;
    auto [end, failed] =
        std::from_chars(text.data(), text.data() + text.size(), seconds, std::chars_format::fixed);
    // Beyond ten years a number is no pause but nonsense.
    constexpr double longest = 10 * 366 * 86'400.0;
    if (failed == std::errc() && end == text.data() + text.size()) {
        if (!(seconds >= 0) || seconds > longest) {
            return std::nullopt;
        }
        return milliseconds(static_cast<std::int64_t>(std::ceil(seconds * 1000)));
    }
    const auto date = core::parse_http_date(text);
    if (!date) {
        return std::nullopt;
    }
    const auto at = std::chrono::system_clock::from_time_t(*date);
    return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(at - now));
}

}  // namespace m365stage::graph
