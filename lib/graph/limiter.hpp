#pragma once

#include <algorithm>
#include <chrono>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "graph/allowance.hpp"

namespace m365stage::graph {

using steady_point = std::chrono::steady_clock::time_point;

/// How much was spent in the last `span`, in buckets of `grain`: bounded memory, never under-counts.
class sliding_count {
public:
    sliding_count(std::chrono::seconds span, std::chrono::seconds grain) : span_(span), grain_(grain) {}

    void add(steady_point now, double amount);
    double sum(steady_point now);
    /// When `amount` more fits under `limit`; `now` if it does already.
    steady_point room_at(steady_point now, double amount, double limit);
    bool empty(steady_point now) { return sum(now) <= 0; }

    /// What was spent, with the age of each bucket's end, oldest first; and the same put back, in that order.
    std::vector<std::pair<std::chrono::seconds, double>> spent(steady_point now) const;
    void put_back(steady_point now, const std::vector<std::pair<std::chrono::seconds, double>>& spent);

private:
    struct bucket {
        steady_point end;
        double amount;
    };
    void forget(steady_point now);

    std::chrono::seconds span_;
    std::chrono::seconds grain_;
    std::deque<bucket> buckets_;
    double sum_ = 0;
};

/// SharePoint's resource units a minute: paced evenly, so that no window of 60 seconds, wherever it begins,
/// exceeds the budget, and a steady backlog uses at least 95 % of it. With `learn` the budget moves: up while
/// it is used to the full and nothing is refused, down when something is.
class unit_budget {
public:
    unit_budget(double published_per_minute, bool learn);

    double per_minute() const { return budget_; }
    /// Of the budget, what was not spent in the last 60 seconds.
    double left(steady_point now) { return std::max(0.0, budget_ - minute_.sum(now)); }
    double published() const { return published_; }
    double ceiling() const { return ceiling_; }

    /// Goes on with what an earlier process had learnt.
    void remember(steady_point now, double budget, double ceiling);

    /// When a call of that many units may be sent.
    steady_point earliest(steady_point now, double units);
    void take(steady_point now, double units);

    /// A call that was sent at `sent` was refused; calls continue at `resume`, from an empty bucket.
    /// Refusals of calls that were sent before the last step down belong to that one.
    void refused(steady_point now, steady_point sent, steady_point resume);

    /// RateLimit-Remaining/-Reset: spreads what is left over the time that is left.
    void told(steady_point now, double limit, double remaining, std::chrono::seconds reset);

private:
    double rate() const;   ///< units a second
    double burst() const;  ///< units that may go at once
    void accrue(steady_point now);
    void creep(steady_point now, double elapsed_seconds);

    const double published_;
    const bool learn_;
    double budget_;
    double ceiling_ = 0;  ///< the budget at the last refusal; 0: none so far
    double level_ = 0;    ///< units that may be spent now; below zero after a costly call
    bool started_ = false;
    bool wanted_ = false;  ///< somebody waited since the last accrual
    double busy_seconds_ = 0;
    steady_point updated_{};
    steady_point stepped_{};
    bool stepped_once_ = false;
    std::optional<double> capped_rate_;
    steady_point capped_until_{};
    sliding_count minute_{std::chrono::seconds(60), std::chrono::seconds(1)};
};

struct limits {
    limits() = default;
    std::optional<double> units_per_minute;
    std::optional<double> units_per_day;
    bool learn = false;
    std::optional<double> requests_per_10min;
    unsigned concurrency = 0;  ///< 0: not limited
};

/// All rules of one throttling scope. Pure: time comes in, and what comes out is when the next call may go.
class limiter {
public:
    explicit limiter(const limits& l);

    /// What outlives the process.
    struct kept {
        kept() = default;
        double published = 0, budget = 0, ceiling = 0;                     ///< units a minute; 0: none
        std::vector<std::pair<std::chrono::seconds, double>> spent_today;  ///< age and units
    };
    kept memory(steady_point now) const;
    void remember(steady_point now, const kept& k);

    /// When the next call may be sent; `steady_point::max()`: not before a running one has ended.
    steady_point earliest(steady_point now, double units);
    void take(steady_point now, double units);
    void release() { --in_flight_; }

    /// The service refused a call that was sent at `sent`. Without Retry-After the pause doubles with each
    /// refusal in a row, from 2 s up to 300 s. Returns when the scope goes on.
    steady_point refused(
        steady_point now, steady_point sent, std::optional<std::chrono::milliseconds> retry_after,
        double chance
    );
    void answered(steady_point sent);
    void told(steady_point now, double limit, double remaining, std::chrono::seconds reset);

    /// True while a refusal's pause lasts.
    bool is_pausing(steady_point now) const { return now < pause_; }
    /// nullopt: not paused. Counts Retry-After and an exhausted day.
    std::optional<steady_point> paused_until(steady_point now);
    std::optional<double> units_per_minute() const;
    /// What the rules allow in each window, and what of it is not spent yet; windows without a rule are left
    /// out.
    std::vector<allowance> allowances(steady_point now);
    bool idle(steady_point now);

private:
    limits limits_;
    std::optional<unit_budget> units_;
    sliding_count day_{std::chrono::hours(24), std::chrono::minutes(5)};
    sliding_count window_{std::chrono::minutes(10), std::chrono::seconds(5)};
    unsigned in_flight_ = 0;
    steady_point pause_{};
    unsigned refusals_ = 0;  ///< in a row, without Retry-After
    steady_point last_sent_{};
    steady_point refused_at_{};
};

}  // namespace m365stage::graph
