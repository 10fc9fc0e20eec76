#pragma once

#include <cstddef>
#include <functional>
#include <list>

namespace m365stage::http {

/// How many connections of one origin are in use.
struct origin_slots {
    explicit origin_slots(std::size_t most) : limit(most) {}
    std::size_t limit;
    std::size_t busy = 0;
};

/// Who may use a connection next: a limit per origin, one for all, and a queue in order of arrival. A waiter
/// whose origin is full does not hold up those behind it that want another origin. Pure bookkeeping.
class slot_table {
public:
    explicit slot_table(std::size_t limit) : limit_(limit) {}

    struct waiter {
        waiter(origin_slots& of, std::function<void()> on_turn) : at(&of), wake(std::move(on_turn)) {}
        origin_slots* at;
        std::function<void()> wake;  ///< called once, when the slot has been taken for this waiter
        bool has_slot = false;
    };

    /// Takes a slot if one is free.
    bool try_take(origin_slots& at);

    /// Queues `w`, which stays where it is until it has a slot or `leave` was called.
    void enqueue(waiter& w);

    /// Takes back a waiter that gave up: out of the queue, or its slot if it has got one meanwhile.
    void leave(waiter& w);

    /// Gives a slot back and passes it on.
    void release(origin_slots& at);

    std::size_t busy() const { return busy_; }

private:
    void serve();

    std::size_t limit_;
    std::size_t busy_ = 0;
    std::list<waiter*> queue_;
};

}  // namespace m365stage::http
