#include "http/reach.hpp"

#include "core/http_date.hpp"
#include "core/log.hpp"

namespace m365stage::http {

reach_watch::reach_watch(std::unique_ptr<transport> next, async::timing& clock)
    : next_(std::move(next)), clock_(clock) {}

task<core::result<response>> reach_watch::send(request r) {
    auto answer = co_await next_->send(std::move(r));
    note(answer);
    co_return answer;
}

task<core::result<response>> reach_watch::download(request r, body_sink& sink) {
    auto answer = co_await next_->download(std::move(r), sink);
    note(answer);
    co_return answer;
}

void reach_watch::note(const core::result<response>& answer) {
    const auto now = clock_.now();
    if (answer) {
        answered_ = now;
        if (const auto there = core::parse_http_date(answer->fields.find("Date").value_or(""))) {
            clock_lead_ = std::chrono::floor<std::chrono::seconds>(
                clock_.wall() - std::chrono::system_clock::from_time_t(*there)
            );
        }
        if (trouble_) {
            trouble_.reset();
            core::log(core::log_level::info, "Microsoft 365 answers again");
        }
        return;
    }
    const auto kind = answer.error().kind;
    if (kind != core::error_kind::transport && kind != core::error_kind::timeout) {
        return;  // nonsense is an answer too, and a full disk is no matter of the network
    }
    if (trouble_) {
        trouble_->why = answer.error();
        return;
    }
    // With many requests in flight some fail while others are answered.
    constexpr std::chrono::seconds silence(5);
    if (answered_ && now - *answered_ < silence) {
        return;
    }
    trouble_.emplace();
    trouble_->since = clock_.wall();
    trouble_->why = answer.error();
    core::log(core::log_level::warning, "no answer, trying again: " + core::describe(trouble_->why));
}

}  // namespace m365stage::http
