#include "graph/governor.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

namespace m365stage::graph {
namespace {

void wake_next(lane& l) {
    if (!l.queue.empty()) {
        l.queue.front()->ring();
    }
}

// A place in the queue; given up also when the waiting coroutine is cancelled.
class place {
public:
    place(std::shared_ptr<lane> l, async::alarm* bell)
        : lane_(std::move(l)), at_(lane_->queue.insert(lane_->queue.end(), bell)) {}
    place(const place&) = delete;
    place& operator=(const place&) = delete;
    ~place() {
        bool first = is_first();
        lane_->queue.erase(at_);
        if (first) {
            wake_next(*lane_);
        }
    }
    bool is_first() const { return at_ == lane_->queue.begin(); }

private:
    std::shared_ptr<lane> lane_;
    std::list<async::alarm*>::iterator at_;
};

std::optional<double> number(const http::header_list& fields, std::string_view name) {
    auto text = fields.find(name);
    if (!text) {
        return std::nullopt;
    }
    double out = 0;
    auto [end, failed] = std::from_chars(text->data(), text->data() + text->size(), out);
    bool whole = failed == std::errc() && end == text->data() + text->size();
    return whole && out >= 0 && out < 1e9 ? std::optional(out) : std::nullopt;
}

}  // namespace

permit& permit::operator=(permit&& other) noexcept {
    if (this != &other) {
        end();
        lane_ = std::move(other.lane_);
        sent_ = other.sent_;
    }
    return *this;
}

void permit::end() {
    if (std::shared_ptr<lane> l = std::move(lane_)) {
        l->rules.release();
        wake_next(*l);
    }
}

governor::governor(async::timing& clock, const client_options& options) : clock_(clock) {
    limits sharepoint;
    sharepoint.units_per_minute = options.sharepoint_units_per_minute;
    sharepoint.units_per_day = options.sharepoint_units_per_day;
    sharepoint.learn = options.learn;
    sharepoint_ = std::make_shared<lane>(sharepoint);
    directory_ = std::make_shared<lane>(limits());
    mailbox_limits_.concurrency = options.mailbox_concurrency;
    mailbox_limits_.requests_per_10min = options.mailbox_requests_per_10min;
}

std::shared_ptr<lane> governor::lane_of(const scope& where) {
    switch (where.svc) {
        case service::sharepoint:
            return sharepoint_;
        case service::outlook:
            break;
        case service::directory:
            return directory_;
    }
    if (auto at = mailboxes_.find(where.key); at != mailboxes_.end()) {
        return at->second;
    }
    if (mailboxes_.size() >= sweep_at_) {
        forget_idle();
    }
    auto fresh = std::make_shared<lane>(mailbox_limits_);
    mailboxes_.emplace(where.key, fresh);
    return fresh;
}

void governor::forget_idle() {
    auto now = clock_.now();
    std::erase_if(mailboxes_, [&](auto& entry) {
        lane& l = *entry.second;
        return l.queue.empty() && entry.second.use_count() == 1 && l.rules.idle(now);
    });
    // The next sweep is due when the map has doubled: its cost stays in proportion.
    sweep_at_ = std::max<std::size_t>(64, 2 * mailboxes_.size());
}

task<permit> governor::admit(scope where, unsigned units) {
    std::shared_ptr<lane> l = lane_of(where);
    std::unique_ptr<async::alarm> bell = clock_.make_alarm();
    place mine(l, bell.get());
    while (true) {
        steady_point at = steady_point::max();
        if (mine.is_first()) {
            auto now = clock_.now();
            at = l->rules.earliest(now, units);
            if (at <= now) {
                l->rules.take(now, units);
                co_return permit(l, now);
            }
        }
        co_await bell->wait_until(at);
    }
}

bool governor::still_holds(const permit& p) const {
    return !p.where()->rules.is_pausing(clock_.now());
}

void governor::refused(const permit& p, std::optional<std::chrono::milliseconds> retry_after) {
    p.where()->rules.refused(clock_.now(), p.sent(), retry_after, clock_.random());
}

void governor::answered(const permit& p, const http::header_list& fields) {
    limiter& rules = p.where()->rules;
    rules.answered(p.sent());
    auto limit = number(fields, "RateLimit-Limit");
    auto remaining = number(fields, "RateLimit-Remaining");
    auto reset = number(fields, "RateLimit-Reset");
    if (limit && remaining && reset) {
        rules.told(clock_.now(), *limit, *remaining, std::chrono::seconds(static_cast<std::int64_t>(*reset)));
    }
}

std::optional<steady_point> governor::paused_until(const scope& where) const {
    auto now = clock_.now();
    switch (where.svc) {
        case service::sharepoint:
            return sharepoint_->rules.paused_until(now);
        case service::outlook:
            break;
        case service::directory:
            return directory_->rules.paused_until(now);
    }
    auto at = mailboxes_.find(where.key);
    return at == mailboxes_.end() ? std::nullopt : at->second->rules.paused_until(now);
}

std::vector<allowance> governor::allowances() const {
    const auto now = clock_.now();
    auto out = sharepoint_->rules.allowances(now);
    auto tightest = limiter(mailbox_limits_).allowances(now);
    for (const auto& [key, l] : mailboxes_) {
        auto those = l->rules.allowances(now);
        for (std::size_t i = 0; i < those.size(); ++i) {
            tightest[i].left = std::min(tightest[i].left, those[i].left);
        }
    }
    for (auto& a : out) {
        a.scope = "sharepoint";
    }
    for (auto& a : tightest) {
        a.scope = "mailbox";
        out.push_back(a);
    }
    return out;
}

std::optional<double> governor::sharepoint_budget() const {
    return sharepoint_->rules.units_per_minute();
}

std::string governor::memory() const {
    const auto kept = sharepoint_->rules.memory(clock_.now());
    nlohmann::json spent = nlohmann::json::array();
    for (const auto& [age, units] : kept.spent_today) {
        spent.push_back(nlohmann::json::array({age.count(), units}));
    }
    const auto at = std::chrono::duration_cast<std::chrono::seconds>(clock_.wall().time_since_epoch());
    const nlohmann::json out{
        {"at", at.count()},
        {"published", kept.published},
        {"budget", kept.budget},
        {"ceiling", kept.ceiling},
        {"spent", std::move(spent)}
    };
    return out.dump();
}

void governor::remember(std::string_view memory) {
    using std::chrono::seconds;
    const auto j = nlohmann::json::parse(memory, nullptr, false);
    if (std::exchange(remembered_, true) || !j.is_object()) {
        return;
    }
    auto number_of = [&j](const char* key) {
        const auto at = j.find(key);
        return at != j.end() && at->is_number() ? at->get<double>() : 0.0;
    };
    limiter::kept kept;
    kept.published = number_of("published");
    kept.budget = number_of("budget");
    kept.ceiling = number_of("ceiling");
    const auto now = std::chrono::duration_cast<seconds>(clock_.wall().time_since_epoch());
    // A clock that was set back makes nothing younger than it is.
    const auto away = std::max(seconds(0), now - seconds(static_cast<std::int64_t>(number_of("at"))));
    constexpr std::size_t most = 1000;
    const auto spent = j.find("spent");
    for (std::size_t i = 0; spent != j.end() && spent->is_array() && i < std::min(most, spent->size()); ++i) {
        const auto& e = (*spent)[i];
        if (e.is_array() && e.size() == 2 && e[0].is_number_integer() && e[1].is_number()) {
            kept.spent_today.emplace_back(seconds(e[0].get<std::int64_t>()) + away, e[1].get<double>());
        }
    }
    sharepoint_->rules.remember(clock_.now(), kept);
}

}  // namespace m365stage::graph
