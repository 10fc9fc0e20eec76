#include "graph/limiter.hpp"

#include <algorithm>
#include <cmath>

#include "graph/client.hpp"

namespace m365stage::graph {
namespace {

using std::chrono::duration;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

steady_clock::duration in_seconds(double s) {
    return std::chrono::ceil<std::chrono::microseconds>(duration<double>(s));
}

// burst + 60 s * rate stays below the budget by a margin for calls that bunch on the way.
constexpr double used_share = 0.985;
constexpr double burst_share = 0.02;

// Learning. Until the first refusal the budget is searched for; after it, changed with care.
constexpr double search_per_minute = 0.15;
constexpr double creep_per_minute = 0.01;
constexpr double probe_per_minute = 0.004;
constexpr double step_down = 0.95;
constexpr double lowest_share = 0.05;
constexpr double highest_share = 4.0;

}  // namespace

void sliding_count::add(steady_point now, double amount) {
    forget(now);
    if (buckets_.empty() || buckets_.back().end <= now) {
        buckets_.push_back(bucket{now + grain_, 0});
    }
    buckets_.back().amount += amount;
    sum_ += amount;
}

double sliding_count::sum(steady_point now) {
    forget(now);
    return sum_;
}

void sliding_count::forget(steady_point now) {
    while (!buckets_.empty() && buckets_.front().end + span_ <= now) {
        sum_ -= buckets_.front().amount;
        buckets_.pop_front();
    }
    if (buckets_.empty()) {
        sum_ = 0;
    }
}

std::vector<std::pair<seconds, double>> sliding_count::spent(steady_point now) const {
    std::vector<std::pair<seconds, double>> out;
    out.reserve(buckets_.size());
    for (const bucket& b : buckets_) {
        out.emplace_back(std::chrono::floor<seconds>(now - b.end), b.amount);
    }
    return out;
}

void sliding_count::put_back(steady_point now, const std::vector<std::pair<seconds, double>>& spent) {
    for (const auto& [age, amount] : spent) {
        const auto end = now - age;
        const bool in_order = buckets_.empty() || buckets_.back().end <= end;
        if (in_order && end + span_ > now && end <= now + grain_ && amount > 0) {
            buckets_.push_back(bucket{end, amount});
            sum_ += amount;
        }
    }
}

steady_point sliding_count::room_at(steady_point now, double amount, double limit) {
    forget(now);
    double left = sum_;
    steady_point at = now;
    for (const bucket& b : buckets_) {
        if (left + std::min(amount, limit) <= limit) {
            break;
        }
        left -= b.amount;
        at = b.end + span_;
    }
    return at;
}

unit_budget::unit_budget(double published_per_minute, bool learn)
    : published_(std::max(published_per_minute, 1.0)), learn_(learn), budget_(published_) {}

void unit_budget::remember(steady_point now, double budget, double ceiling) {
    if (!learn_ || !(budget > 0)) {
        return;
    }
    budget_ = std::clamp(budget, lowest_share * published_, highest_share * published_);
    ceiling_ = std::clamp(ceiling, 0.0, highest_share * published_);
    stepped_once_ = ceiling_ > 0;
    stepped_ = now - seconds(60);
}

double unit_budget::burst() const {
    return std::max(1.0, burst_share * budget_);
}

double unit_budget::rate() const {
    double even = std::max(used_share * budget_ - burst(), 0.5 * budget_) / 60.0;
    return capped_rate_ ? std::min(even, *capped_rate_) : even;
}

void unit_budget::creep(steady_point now, double elapsed_seconds) {
    // Time that nobody waited proves nothing about the limit.
    if (!learn_ || !wanted_) {
        return;
    }
    busy_seconds_ += elapsed_seconds;
    constexpr double first_minute = 60;
    if (busy_seconds_ < first_minute) {
        return;
    }
    double per_minute = search_per_minute;
    if (stepped_once_) {
        bool below = budget_ < 0.97 * ceiling_;
        per_minute = below ? creep_per_minute : probe_per_minute;
        if (now - stepped_ < seconds(60)) {
            per_minute = 0;
        }
    }
    budget_ = std::min(budget_ * (1 + per_minute * elapsed_seconds / 60), highest_share * published_);
}

void unit_budget::accrue(steady_point now) {
    if (!started_) {
        started_ = true;
        updated_ = now;
        level_ = burst();
    }
    if (capped_rate_ && now >= capped_until_) {
        capped_rate_.reset();
    }
    if (now <= updated_) {
        return;
    }
    double elapsed = duration<double>(now - updated_).count();
    creep(now, std::min(elapsed, 10.0));
    level_ = std::min(burst(), level_ + elapsed * rate());
    updated_ = now;
    wanted_ = false;
}

steady_point unit_budget::earliest(steady_point now, double units) {
    accrue(now);
    double needed = std::min(units, burst());
    constexpr double rounding = 1e-6;
    if (level_ + rounding >= needed && now >= updated_) {
        return now;
    }
    wanted_ = true;
    return std::max(now, updated_) + in_seconds((needed - level_) / rate());
}

void unit_budget::take(steady_point now, double units) {
    accrue(now);
    level_ -= units;
    minute_.add(now, units);
    wanted_ = wanted_ || level_ < units;
}

void unit_budget::refused(steady_point now, steady_point sent, steady_point resume) {
    accrue(now);
    level_ = std::min(level_, 0.0);
    updated_ = std::max(updated_, resume);
    if (!learn_ || (stepped_once_ && sent <= stepped_)) {
        return;
    }
    ceiling_ = budget_;
    double lower = budget_ * step_down;
    // A limit that counts a window has just been met exactly: what went in the last minute is what it allows.
    if (busy_seconds_ >= 50) {
        double seen = minute_.sum(now) * 0.99 / (used_share - burst_share);
        lower = std::min(lower, std::max(seen, budget_ * 0.85));
    }
    budget_ = std::max(lower, lowest_share * published_);
    stepped_ = now;
    stepped_once_ = true;
}

void unit_budget::told(steady_point now, double limit, double remaining, seconds reset) {
    accrue(now);
    double seconds_left = std::max<double>(1, static_cast<double>(reset.count()));
    constexpr double small_share = 0.2;
    if (limit > 0 && remaining < small_share * limit && reset <= std::chrono::minutes(10)) {
        capped_rate_ = std::max(remaining, 0.1) / seconds_left;
        capped_until_ = now + reset;
        level_ = std::min(level_, std::max(remaining, 0.0));
    } else {
        capped_rate_.reset();
    }
}

limiter::limiter(const limits& l) : limits_(l) {
    if (l.units_per_minute) {
        units_.emplace(*l.units_per_minute, l.learn);
    }
}

limiter::kept limiter::memory(steady_point now) const {
    kept out;
    if (units_) {
        out.published = units_->published();
        out.budget = units_->per_minute();
        out.ceiling = units_->ceiling();
    }
    out.spent_today = day_.spent(now);
    return out;
}

void limiter::remember(steady_point now, const kept& k) {
    day_.put_back(now, k.spent_today);
    if (units_ && units_->published() == k.published) {
        units_->remember(now, k.budget, k.ceiling);
    }
}

steady_point limiter::earliest(steady_point now, double units) {
    if (limits_.concurrency != 0 && in_flight_ >= limits_.concurrency) {
        return steady_point::max();
    }
    if (now < pause_) {
        return pause_;
    }
    steady_point at = now;
    // After a pause the calls that piled up go one by one, not all at once.
    constexpr milliseconds spacing{50};
    constexpr seconds smooth{5};
    if (pause_ != steady_point{} && now < pause_ + smooth && last_sent_ >= pause_) {
        at = std::max(at, last_sent_ + spacing);
    }
    if (units_) {
        at = std::max(at, units_->earliest(now, units));
    }
    if (limits_.units_per_day) {
        at = std::max(at, day_.room_at(now, units, *limits_.units_per_day));
    }
    if (limits_.requests_per_10min) {
        at = std::max(at, window_.room_at(now, 1, *limits_.requests_per_10min));
    }
    return at;
}

void limiter::take(steady_point now, double units) {
    ++in_flight_;
    last_sent_ = now;
    if (units_) {
        units_->take(now, units);
    }
    if (limits_.units_per_day) {
        day_.add(now, units);
    }
    if (limits_.requests_per_10min) {
        window_.add(now, 1);
    }
}

steady_point limiter::refused(
    steady_point now, steady_point sent, std::optional<milliseconds> retry_after, double chance
) {
    steady_clock::duration pause{};
    if (retry_after) {
        pause = *retry_after;
    } else {
        // Calls that were in flight together are one refusal.
        if (refusals_ == 0 || sent > refused_at_) {
            ++refusals_;
            refused_at_ = now;
        }
        double ceiling = std::min(300.0, 2.0 * std::pow(2.0, std::min(refusals_, 10u) - 1.0));
        pause = in_seconds(ceiling * (0.5 + chance / 2));
    }
    pause_ = std::max(pause_, now + pause);
    if (units_) {
        units_->refused(now, sent, pause_);
    }
    return pause_;
}

void limiter::answered(steady_point sent) {
    if (sent > refused_at_) {
        refusals_ = 0;
    }
}

void limiter::told(steady_point now, double limit, double remaining, seconds reset) {
    if (units_) {
        units_->told(now, limit, remaining, reset);
    }
}

std::optional<steady_point> limiter::paused_until(steady_point now) {
    steady_point at = std::max(now, pause_);
    if (limits_.units_per_day) {
        at = std::max(at, day_.room_at(now, 1, *limits_.units_per_day));
    }
    return at > now ? std::optional(at) : std::nullopt;
}

std::optional<double> limiter::units_per_minute() const {
    return units_ ? std::optional(units_->per_minute()) : std::nullopt;
}

std::vector<allowance> limiter::allowances(steady_point now) {
    std::vector<allowance> out;
    if (units_) {
        out.emplace_back("minute", units_->per_minute(), units_->left(now));
    }
    if (limits_.units_per_day) {
        out.emplace_back(
            "day", *limits_.units_per_day, std::max(0.0, *limits_.units_per_day - day_.sum(now))
        );
    }
    if (limits_.requests_per_10min) {
        const double all = *limits_.requests_per_10min;
        out.emplace_back("10min", all, std::max(0.0, all - window_.sum(now)));
    }
    return out;
}

bool limiter::idle(steady_point now) {
    bool calm = refusals_ == 0 || now > refused_at_ + std::chrono::minutes(10);
    return in_flight_ == 0 && now >= pause_ && calm && window_.empty(now) && !units_;
}

sharepoint_budget published_budget(unsigned licences) {
    if (licences <= 1'000) {
        return sharepoint_budget{1'250, 1'200'000};
    }
    if (licences <= 5'000) {
        return sharepoint_budget{2'500, 2'400'000};
    }
    if (licences <= 15'000) {
        return sharepoint_budget{3'750, 3'600'000};
    }
    if (licences <= 50'000) {
        return sharepoint_budget{5'000, 4'800'000};
    }
    return sharepoint_budget{6'250, 6'000'000};
}

}  // namespace m365stage::graph
