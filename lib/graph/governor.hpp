#pragma once

#include <boost/asio/awaitable.hpp>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "async/timing.hpp"
#include "graph/client.hpp"
#include "graph/limiter.hpp"

namespace m365stage::graph {

/// One throttling scope: its rules and who waits, in order of arrival.
struct lane {
    explicit lane(const limits& l) : rules(l) {}
    limiter rules;
    std::list<async::alarm*> queue;
};

/// Leave to send one request now. Ends with the request: the place of a concurrent request is free again
/// then.
class permit {
public:
    permit() = default;
    permit(std::shared_ptr<lane> l, steady_point at) : lane_(std::move(l)), sent_(at) {}
    permit(permit&& other) noexcept : lane_(std::move(other.lane_)), sent_(other.sent_) {}
    permit& operator=(permit&& other) noexcept;
    ~permit() { end(); }

    void end();
    lane* where() const { return lane_.get(); }
    steady_point sent() const { return sent_; }

private:
    std::shared_ptr<lane> lane_;
    steady_point sent_{};
};

/// Keeps all requests of a throttling scope within its budget and its pauses (contract 3): fair, in order of
/// arrival. Threads: the io_context's thread only. Lifetime: outlives its waiters.
class governor {
public:
    governor(async::timing& clock, const client_options& options);

    /// Returns when a request of that scope may be sent. Whoever waits again before it is sent, for a
    /// connection, asks `still_holds` then. Cancel: at any time.
    task<permit> admit(scope where, unsigned units);

    /// False if a pause has begun since leave was given: it is no leave any more.
    bool still_holds(const permit& p) const;

    /// The answer to a permitted request said to slow down.
    void refused(const permit& p, std::optional<std::chrono::milliseconds> retry_after);
    /// Any other answer; reads RateLimit headers.
    void answered(const permit& p, const http::header_list& fields);

    std::optional<steady_point> paused_until(const scope& where) const;
    std::optional<double> sharepoint_budget() const;
    /// SharePoint's windows, and those of the mailbox that has least left.
    std::vector<allowance> allowances() const;
    std::string memory() const;              ///< see client::budget_memory
    void remember(std::string_view memory);  ///< see client::remember_budget
    std::size_t mailboxes() const { return mailboxes_.size(); }

private:
    std::shared_ptr<lane> lane_of(const scope& where);
    void forget_idle();

    async::timing& clock_;
    limits mailbox_limits_;
    std::shared_ptr<lane> directory_;
    std::shared_ptr<lane> sharepoint_;
    std::map<std::string, std::shared_ptr<lane>, std::less<>> mailboxes_;
    std::size_t sweep_at_ = 64;
    bool remembered_ = false;
};

}  // namespace m365stage::graph
