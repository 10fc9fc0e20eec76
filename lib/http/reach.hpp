#pragma once

#include <memory>
#include <optional>

#include "async/timing.hpp"
#include "http/http.hpp"

namespace m365stage::http {

/// Nobody answers: since when, and the last thing that failed.
struct no_answer {
    no_answer() = default;
    std::chrono::system_clock::time_point since;
    core::error why;
};

/// Passes every request on and knows whether anybody answers at all. Those who ask try again for a while
/// before they give up; meanwhile this says what is wrong: in the log, once at the beginning and once at the
/// end, and to whom asks. Their dates tell besides how wrong the clock here is. Any status is an answer. A
/// single failure among answers is nothing to talk about. Threads: the io_context's thread only. Lifetime:
/// `clock` outlives it.
class reach_watch final : public transport {
public:
    explicit reach_watch(std::unique_ptr<transport> next, async::timing& clock = async::system_timing());

    task<core::result<response>> send(request r) override;
    task<core::result<response>> download(request r, body_sink& sink) override;

    /// nullopt: the last that was heard is an answer, or nothing was asked yet.
    const std::optional<no_answer>& trouble() const { return trouble_; }

    /// How far the clock here is ahead of theirs (behind: below 0), by the last answer that told its date;
    /// nullopt: none did.
    std::optional<std::chrono::seconds> clock_lead() const { return clock_lead_; }

private:
    void note(const core::result<response>& answer);

    std::unique_ptr<transport> next_;
    async::timing& clock_;
    std::optional<std::chrono::steady_clock::time_point> answered_;
    std::optional<no_answer> trouble_;
    std::optional<std::chrono::seconds> clock_lead_;
};

}  // namespace m365stage::http
