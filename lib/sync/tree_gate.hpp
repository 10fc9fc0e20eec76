#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <deque>
#include <utility>

#include "async/event.hpp"
#include "sync/lease_clock.hpp"

namespace m365stage::sync {

/// Lets one at a time into tree/: a step of a pass (a settled container, a batch of files, cursors.json), or
/// the giving of a lease. So a lease is never given in the middle of a step, and no step begins that did not
/// see the lease. In the order of asking. Threads: the executor's thread only. Lifetime: outlives who is in
/// it.
class tree_gate {
public:
    explicit tree_gate(const boost::asio::any_io_executor& ex) : changed_(ex) {}
    tree_gate(const tree_gate&) = delete;
    tree_gate& operator=(const tree_gate&) = delete;

    /// Being inside; leaves when it goes out of scope.
    class stay {
    public:
        explicit stay(tree_gate& gate, std::uint64_t ticket) : gate_(&gate), ticket_(ticket) {}
        stay(stay&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)), ticket_(other.ticket_) {}
        stay& operator=(stay&&) = delete;
        ~stay() {
            if (gate_ != nullptr) {
                gate_->leave(ticket_);
            }
        }

    private:
        tree_gate* gate_;
        std::uint64_t ticket_;
    };

    /// Waits until nobody else is inside. Cancel: at the wait.
    async::task<stay> enter();

    /// By which all who come in judge leases.
    lease_clock clock;

private:
    void leave(std::uint64_t ticket);

    async::event changed_;
    std::deque<std::uint64_t> line_;  ///< who is inside, and behind them who waits
    std::uint64_t last_ticket_ = 0;
};

}  // namespace m365stage::sync
