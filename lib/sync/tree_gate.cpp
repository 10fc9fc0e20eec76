#include "sync/tree_gate.hpp"

#include <algorithm>

namespace m365stage::sync {

async::task<tree_gate::stay> tree_gate::enter() {
    const auto ticket = ++last_ticket_;
    line_.push_back(ticket);
    stay place(*this, ticket);  // also for one who is told to stop while waiting
    while (line_.front() != ticket) {
        co_await changed_.wait();
    }
    co_return place;
}

void tree_gate::leave(std::uint64_t ticket) {
    line_.erase(std::find(line_.begin(), line_.end(), ticket));
    changed_.notify_all();
}

}  // namespace m365stage::sync
