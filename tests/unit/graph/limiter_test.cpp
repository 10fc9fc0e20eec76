#include "graph/limiter.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <memory>
#include <queue>
#include <string>

#include "graph/client.hpp"

using namespace m365stage::graph;
using namespace std::chrono_literals;

namespace {

using seconds_d = std::chrono::duration<double>;

steady_point at_second(double s) {
    return steady_point(std::chrono::hours(1000)) +
           std::chrono::duration_cast<std::chrono::steady_clock::duration>(seconds_d(s));
}

// The service's side: takes a call of `units` at `now`, or says how many seconds to wait.
class service_limit {
public:
    virtual ~service_limit() = default;
    virtual std::optional<double> refuse(double now, double units) = 0;
};

class fixed_window final : public service_limit {
public:
    explicit fixed_window(double limit) : limit_(limit) {}
    std::optional<double> refuse(double now, double units) override {
        if (now >= end_) {
            end_ = (std::floor(now / 60) + 1) * 60;
            used_ = 0;
        }
        used_ += units;  // throttled calls count as well
        return used_ > limit_ ? std::optional(std::ceil(end_ - now)) : std::nullopt;
    }

private:
    double limit_, used_ = 0, end_ = 0;
};

class sliding_window final : public service_limit {
public:
    explicit sliding_window(double limit) : limit_(limit) {}
    std::optional<double> refuse(double now, double units) override {
        while (!calls_.empty() && calls_.front().first <= now - 60) {
            used_ -= calls_.front().second;
            calls_.pop_front();
        }
        calls_.emplace_back(now, units);
        used_ += units;
        if (used_ <= limit_) {
            return std::nullopt;
        }
        // As SharePoint does, it names whole seconds, with something to spare.
        return 5.0;
    }

private:
    double limit_, used_ = 0;
    std::deque<std::pair<double, double>> calls_;
};

class token_bucket final : public service_limit {
public:
    explicit token_bucket(double limit) : limit_(limit), level_(limit) {}
    std::optional<double> refuse(double now, double units) override {
        level_ = std::min(limit_, level_ + (now - last_) * limit_ / 60);
        last_ = now;
        if (level_ >= units) {
            level_ -= units;
            return std::nullopt;
        }
        return 2.0;
    }

private:
    double limit_, level_, last_ = 0;
};

std::unique_ptr<service_limit> make_limit(const std::string& kind, double limit) {
    if (kind == "fixed") {
        return std::make_unique<fixed_window>(limit);
    }
    if (kind == "sliding") {
        return std::make_unique<sliding_window>(limit);
    }
    return std::make_unique<token_bucket>(limit);
}

struct outcome {
    double accepted = 0;
    double sent = 0;
    int refused = 0;
    int calls = 0;
    double final_budget = 0;
};

// A backlog without end, 32 calls at once, each answered after 200 ms, for `minutes`.
// What is spent in the first `warm_up` minutes does not count as used; refusals always count.
outcome simulate(
    service_limit& service, double published, bool learn, double minutes, double start, double warm_up
) {
    limits l;
    l.units_per_minute = published;
    l.learn = learn;
    limiter rules(l);
    struct flight {
        double back, sent;
        std::optional<double> wait;
        bool operator>(const flight& other) const { return back > other.back; }
    };
    std::priority_queue<flight, std::vector<flight>, std::greater<>> flights;
    outcome out;
    double now = start;
    const double end = start + minutes * 60;
    const unsigned costs[] = {1, 1, 1, 2, 1, 1, 5, 1};
    int turn = 0;
    while (now < end) {
        while (!flights.empty() && flights.top().back <= now) {
            flight f = flights.top();
            flights.pop();
            rules.release();
            if (f.wait) {
                rules.refused(
                    at_second(now), at_second(f.sent),
                    std::chrono::milliseconds(static_cast<int>(*f.wait * 1000)), 0.5
                );
            }
        }
        double units = costs[turn % 8];
        auto when = rules.earliest(at_second(now), units);
        if (flights.size() < 32 && when <= at_second(now)) {
            rules.take(at_second(now), units);
            ++turn;
            auto wait = service.refuse(now + 0.05, units);
            ++out.calls;
            out.sent += units;
            out.refused += wait ? 1 : 0;
            out.accepted += wait || now < start + warm_up * 60 ? 0 : units;
            flights.push(flight{now + 0.2, now, wait});
            continue;
        }
        double next = flights.size() < 32 ? seconds_d(when - at_second(0)).count() : 1e18;
        next = std::max(next, now + 0.001);
        now = flights.empty() ? next : std::min(next, std::max(flights.top().back, now));
    }
    out.final_budget = rules.units_per_minute().value();
    return out;
}

}  // namespace

TEST_SUITE("graph") {
    TEST_CASE("limiter: the published budget is used to 95 % or more and next to nothing is refused") {
        for (std::string kind : {"fixed", "sliding", "bucket"}) {
            for (double share : {1.0, 0.9, 1.2}) {
                for (bool learn : {true, false}) {
                    if (!learn && share != 1.0) {
                        continue;
                    }
                    for (double start : {0.0, 17.0, 51.0}) {
                        auto service = make_limit(kind, 1250 * share);
                        // More than is published has to be found out first; that takes some minutes.
                        double warm_up = share > 1 ? 5 : 0;
                        outcome got = simulate(*service, 1250, learn, 10 + warm_up, start, warm_up);
                        double used = got.accepted / (1250 * share * 10);
                        double refused = static_cast<double>(got.refused) / got.calls;
                        CAPTURE(kind);
                        CAPTURE(share);
                        CAPTURE(learn);
                        CAPTURE(start);
                        CAPTURE(got.final_budget);
                        CAPTURE(got.refused);
                        CHECK(used >= 0.95);
                        CHECK(refused < 0.01);
                    }
                }
            }
        }
    }

    TEST_CASE("limiter: no window of 60 seconds exceeds the budget, wherever it begins") {
        for (double budget : {100.0, 1250.0, 6250.0}) {
            limits l;
            l.units_per_minute = budget;
            limiter rules(l);
            std::vector<double> sent;
            double now = 0;
            while (now < 300) {
                auto when = rules.earliest(at_second(now), 1);
                if (when <= at_second(now)) {
                    rules.take(at_second(now), 1);
                    rules.release();
                    sent.push_back(now);
                } else {
                    now = std::max(now + 1e-6, seconds_d(when - at_second(0)).count());
                }
                // Idle for a while: what was not used must not come as a burst.
                if (sent.size() == static_cast<std::size_t>(budget)) {
                    now += 45;
                    sent.push_back(-1);
                }
            }
            std::erase(sent, -1);
            std::size_t first = 0;
            std::size_t most = 0;
            for (std::size_t i = 0; i < sent.size(); ++i) {
                while (sent[first] <= sent[i] - 60) {
                    ++first;
                }
                most = std::max(most, i - first + 1);
            }
            CHECK(static_cast<double>(most) <= budget);
        }
    }

    TEST_CASE("limiter: a pause holds all, and afterwards calls go one by one") {
        limiter rules{limits()};
        rules.take(at_second(0), 1);
        rules.refused(at_second(1), at_second(0), 120s, 0.5);
        CHECK(rules.earliest(at_second(2), 1) == at_second(121));
        CHECK(rules.paused_until(at_second(2)) == at_second(121));
        rules.refused(at_second(3), at_second(0), 1s, 0.5);
        CHECK(rules.earliest(at_second(3), 1) == at_second(121));
        rules.take(at_second(121), 1);
        CHECK(rules.earliest(at_second(121), 1) == at_second(121.05));
        CHECK_FALSE(rules.paused_until(at_second(121)).has_value());
    }

    TEST_CASE("limiter: without Retry-After the pause grows, once for calls that were in flight together") {
        limiter rules{limits()};
        CHECK(rules.refused(at_second(1), at_second(0), std::nullopt, 1.0) == at_second(3));
        CHECK(rules.refused(at_second(1), at_second(0), std::nullopt, 1.0) == at_second(3));
        CHECK(rules.refused(at_second(10), at_second(5), std::nullopt, 1.0) == at_second(14));
        CHECK(rules.refused(at_second(20), at_second(15), std::nullopt, 1.0) == at_second(28));
        rules.answered(at_second(30));
        CHECK(rules.refused(at_second(40), at_second(35), std::nullopt, 1.0) == at_second(42));
    }

    TEST_CASE("limiter: an exhausted day waits and shows") {
        limits l;
        l.units_per_minute = 100'000;
        l.units_per_day = 1000;
        limiter rules(l);
        double now = 0;
        int sent = 0;
        while (sent < 1000) {
            REQUIRE(now < 60);
            if (rules.earliest(at_second(now), 1) <= at_second(now)) {
                rules.take(at_second(now), 1);
                ++sent;
            } else {
                now += 0.01;
            }
        }
        auto until = rules.paused_until(at_second(now));
        REQUIRE(until.has_value());
        CHECK(*until >= at_second(86'400));
        CHECK(*until <= at_second(86'400 + 400));
        CHECK(rules.earliest(at_second(now), 1) == *until);
        CHECK_FALSE(rules.paused_until(*until).has_value());
    }

    TEST_CASE("limiter: RateLimit headers spread what is left") {
        limits l;
        l.units_per_minute = 1200;
        limiter rules(l);
        rules.take(at_second(0), 1);
        rules.told(at_second(0), 1200, 10, 20s);
        double now = 0;
        int sent = 0;
        while (now < 20) {
            if (rules.earliest(at_second(now), 1) <= at_second(now)) {
                rules.take(at_second(now), 1);
                ++sent;
            } else {
                now += 0.05;
            }
        }
        CHECK(sent <= 21);
        CHECK(rules.earliest(at_second(21), 1) <= at_second(21.1));
    }

    TEST_CASE("limiter: a mailbox has its concurrency and its ten minutes") {
        limits l;
        l.concurrency = 4;
        l.requests_per_10min = 100;
        limiter rules(l);
        for (int i = 0; i < 4; ++i) {
            CHECK(rules.earliest(at_second(0), 1) == at_second(0));
            rules.take(at_second(0), 1);
        }
        CHECK(rules.earliest(at_second(0), 1) == steady_point::max());
        rules.release();
        CHECK(rules.earliest(at_second(0), 1) == at_second(0));
        for (int i = 0; i < 96; ++i) {
            rules.take(at_second(1), 1);
            rules.release();
        }
        CHECK(rules.earliest(at_second(2), 1) >= at_second(600));
        CHECK(rules.earliest(at_second(2), 1) <= at_second(606));
        CHECK_FALSE(rules.idle(at_second(500)));
        for (int i = 0; i < 3; ++i) {
            rules.release();
        }
        CHECK(rules.idle(at_second(700)));
    }

    TEST_CASE("limiter: what is left of each window, and nothing of those that are unlimited") {
        CHECK(limiter(limits()).allowances(at_second(0)).empty());
        limits l;
        l.units_per_minute = 600;
        l.units_per_day = 10'000;
        limiter rules(l);
        rules.take(at_second(0), 45);
        rules.take(at_second(30), 5);
        const auto told = rules.allowances(at_second(31));
        REQUIRE(told.size() == 2);
        CHECK(told[0].window == "minute");
        CHECK(told[0].allowed == 600);
        CHECK(told[0].left == 550);
        CHECK(told[1].window == "day");
        CHECK(told[1].left == 9950);
        CHECK(rules.allowances(at_second(70))[0].left == 595);
        limits mailbox;
        mailbox.requests_per_10min = 100;
        limiter other(mailbox);
        other.take(at_second(0), 1);
        CHECK(other.allowances(at_second(1))[0].left == 99);
    }

    TEST_CASE("limiter: the published budget by licences") {
        CHECK(published_budget(0).per_minute == 1250);
        CHECK(published_budget(1000).per_minute == 1250);
        CHECK(published_budget(1001).per_minute == 2500);
        CHECK(published_budget(15'000).per_minute == 3750);
        CHECK(published_budget(50'000).per_day == 4'800'000);
        CHECK(published_budget(50'001).per_minute == 6250);
    }
}
