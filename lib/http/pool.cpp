#include "http/pool.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace m365stage::http {
namespace {

/// A connection that was used a moment ago is not worth a system call to look at.
constexpr std::chrono::seconds trusted_for{1};
constexpr std::chrono::seconds sweep_every{5};

/// Leaves the queue, or gives the slot back, if the coroutine ends before it has taken over its slot.
class queued {
public:
    queued(slot_table& table, slot_table::waiter& w) : table_(table), waiter_(w) { table_.enqueue(waiter_); }
    ~queued() {
        if (!taken_) {
            table_.leave(waiter_);
        }
    }
    queued(const queued&) = delete;
    queued& operator=(const queued&) = delete;
    void take_over() { taken_ = true; }

private:
    slot_table& table_;
    slot_table::waiter& waiter_;
    bool taken_ = false;
};

}  // namespace

pool::lease::lease(lease&& other) noexcept
    : connection(std::move(other.connection)),
      is_reused(other.is_reused),
      owner_(std::exchange(other.owner_, nullptr)),
      at_(other.at_) {}

pool::lease::~lease() {
    if (owner_) {
        connection.reset();
        owner_->slots_.release(at_->slots);
    }
}

void pool::lease::keep() {
    owner_->put_back(*at_, std::move(connection));
}

pool::origin& pool::at(const std::string& key) {
    auto& slot = origins_[key];
    if (!slot) {
        slot = std::make_unique<origin>(limits_.per_origin);
    }
    return *slot;
}

task<pool::lease> pool::acquire(origin& at) {
    if (!slots_.try_take(at.slots)) {
        boost::asio::steady_timer turn(io_, steady::time_point::max());
        slot_table::waiter w(at.slots, [&turn] { turn.cancel(); });
        queued place(slots_, w);
        co_await turn.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
        if (!w.has_slot) {
            throw_aborted();
        }
        place.take_over();
    }
    lease out(*this, at);
    fill(out, at);
    co_return out;
}

void pool::fill(lease& l, origin& at) {
    const auto now = steady::now();
    close_expired(now);
    while (!at.unused.empty()) {
        auto candidate = std::move(at.unused.back());
        at.unused.pop_back();
        --idle_;
        const auto age = now - candidate.since;
        if (age >= limits_.keep_idle || (age > trusted_for && candidate.connection->looks_dead())) {
            continue;
        }
        l.connection = std::move(candidate.connection);
        l.is_reused = true;
        return;
    }
    make_room();
}

void pool::put_back(origin& at, std::unique_ptr<stream> connection) {
    const auto now = steady::now();
    at.unused.push_back({std::move(connection), now});
    ++idle_;
}

void pool::forget_idle(origin& at) {
    idle_ -= at.unused.size();
    at.unused.clear();
}

void pool::close_expired(steady::time_point now) {
    if (now < next_sweep_) {
        return;
    }
    next_sweep_ = now + sweep_every;
    for (auto& [key, at] : origins_) {
        idle_ -= std::erase_if(at->unused, [&](const auto& i) { return now - i.since >= limits_.keep_idle; });
    }
}

/// Keeps open connections, used and idle, within the total: the one idle for longest makes room.
void pool::make_room() {
    while (idle_ > 0 && slots_.busy() + idle_ > limits_.total) {
        origin* oldest = nullptr;
        for (auto& [key, at] : origins_) {
            if (!at->unused.empty() && (!oldest || at->unused.front().since < oldest->unused.front().since)) {
                oldest = at.get();
            }
        }
        oldest->unused.erase(oldest->unused.begin());
        --idle_;
    }
}

}  // namespace m365stage::http
