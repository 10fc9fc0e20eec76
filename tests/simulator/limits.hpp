#pragma once

#include <cstdint>
#include <deque>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>

/// SharePoint's budget of resource units per app and tenant (contract, section 3.2). Off by default.
namespace m365stage::sim {

class limit_engine {
public:
    /// Sets limits:
    /// {"per_minute":1250,"per_day":1200000,"window":"fixed"|"sliding","window_seconds":60,"ratelimit_headers":false}.
    /// 0 or null switches a limit off. Returns what is wrong, or an empty string.
    std::string configure(const nlohmann::json& settings);
    bool on() const { return per_window_ > 0 || per_day_ > 0; }
    /// Charges a request that starts at `now_ms`. 0: allowed; else the milliseconds until it may come again.
    std::int64_t charge(std::int64_t cost, std::int64_t now_ms);
    nlohmann::json report(std::int64_t now_ms) const;
    bool wants_headers() const { return headers_; }
    /// limit, remaining, seconds to the reset.
    std::pair<std::int64_t, std::int64_t> state(std::int64_t now_ms) const;
    std::int64_t limit() const { return per_window_; }

private:
    struct window {
        std::int64_t start_ms = 0;
        std::int64_t used = 0;
        std::int64_t allowed = 0;
        std::int64_t refused = 0;
    };
    void roll(std::int64_t now_ms);
    std::int64_t per_window_ = 0;
    std::int64_t per_day_ = 0;
    std::int64_t window_ms_ = 60000;
    bool sliding_ = false;
    bool headers_ = false;
    std::deque<window> history_;
    std::deque<std::pair<std::int64_t, std::int64_t>> charges_;  ///< of a sliding window: time, cost
    std::int64_t sliding_used_ = 0;
    std::int64_t day_start_ms_ = 0;
    std::int64_t day_used_ = 0;
};

}  // namespace m365stage::sim
