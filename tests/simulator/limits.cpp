#include "limits.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "text.hpp"

namespace m365stage::sim {

namespace {

constexpr std::int64_t day_ms = 1000 * day_seconds;

}  // namespace

using nlohmann::json;

std::string limit_engine::configure(const json& s) {
    for (const auto& [key, value] : s.items()) {
        bool number = value.is_number() || value.is_null();
        if (key == "per_minute" && number) {
            per_window_ = value.is_null() ? 0 : value.get<std::int64_t>();
        } else if (key == "per_day" && number) {
            per_day_ = value.is_null() ? 0 : value.get<std::int64_t>();
        } else if (key == "window_seconds" && value.is_number() && value.get<double>() > 0) {
            window_ms_ = static_cast<std::int64_t>(value.get<double>() * 1000);
        } else if (key == "window" && (value == "fixed" || value == "sliding")) {
            sliding_ = value == "sliding";
        } else if (key == "ratelimit_headers" && value.is_boolean()) {
            headers_ = value.get<bool>();
        } else {
            return "limits: '" + key + "' is not a setting of that type";
        }
    }
    history_.clear();
    charges_.clear();
    sliding_used_ = 0;
    day_start_ms_ = 0;
    day_used_ = 0;
    return "";
}

void limit_engine::roll(std::int64_t now) {
    if (history_.empty() || now >= history_.back().start_ms + window_ms_) {
        window next;
        next.start_ms = now - now % window_ms_;
        history_.push_back(next);
        if (history_.size() > 1440) {
            history_.pop_front();
        }
    }
    if (now >= day_start_ms_ + day_ms) {
        day_start_ms_ = now - now % day_ms;
        day_used_ = 0;
    }
    while (!charges_.empty() && charges_.front().first + window_ms_ <= now) {
        sliding_used_ -= charges_.front().second;
        charges_.pop_front();
    }
}

std::int64_t limit_engine::charge(std::int64_t cost, std::int64_t now) {
    roll(now);
    window& w = history_.back();
    std::int64_t used = sliding_ ? sliding_used_ : w.used;
    std::int64_t wait = 0;
    if (per_window_ > 0 && used + cost > per_window_) {
        wait = sliding_ && !charges_.empty() ? charges_.front().first + window_ms_ - now
                                             : w.start_ms + window_ms_ - now;
    }
    if (per_day_ > 0 && day_used_ + cost > per_day_) {
        wait = std::max(wait, day_start_ms_ + day_ms - now);
    }
    // Refused requests count as well: that is what makes ignoring Retry-After expensive.
    w.used += cost;
    day_used_ += cost;
    if (sliding_) {
        charges_.emplace_back(now, cost);
        sliding_used_ += cost;
    }
    ++(wait > 0 ? w.refused : w.allowed);
    return wait > 0 ? std::max<std::int64_t>(wait, 1) : 0;
}

std::pair<std::int64_t, std::int64_t> limit_engine::state(std::int64_t now) const {
    std::int64_t used = sliding_ ? sliding_used_ : (history_.empty() ? 0 : history_.back().used);
    std::int64_t end = history_.empty() ? window_ms_ : history_.back().start_ms + window_ms_ - now;
    return {std::max<std::int64_t>(0, per_window_ - used), (end + 999) / 1000};
}

json limit_engine::report(std::int64_t now) const {
    json windows = json::array();
    for (const auto& w : history_) {
        windows.push_back(
            {{"start_ms", w.start_ms}, {"used", w.used}, {"allowed", w.allowed}, {"refused", w.refused}}
        );
    }
    return {
        {"per_minute", per_window_},
        {"per_day", per_day_},
        {"window_seconds", static_cast<double>(window_ms_) / 1000},
        {"window", sliding_ ? "sliding" : "fixed"},
        {"ratelimit_headers", headers_},
        {"day_used", day_used_},
        {"now_ms", now},
        {"windows", std::move(windows)}
    };
}

}  // namespace m365stage::sim
