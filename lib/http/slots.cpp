#include "http/slots.hpp"

namespace m365stage::http {

bool slot_table::try_take(origin_slots& at) {
    // A waiter that could be served has been served already, so a newcomer passes nobody.
    if (busy_ >= limit_ || at.busy >= at.limit) {
        return false;
    }
    ++busy_;
    ++at.busy;
    return true;
}

void slot_table::enqueue(waiter& w) {
    queue_.push_back(&w);
}

void slot_table::leave(waiter& w) {
    if (w.has_slot) {
        release(*w.at);
    } else {
        queue_.remove(&w);
    }
}

void slot_table::release(origin_slots& at) {
    --busy_;
    --at.busy;
    serve();
}

void slot_table::serve() {
    for (auto it = queue_.begin(); it != queue_.end() && busy_ < limit_;) {
        waiter& w = **it;
        if (!try_take(*w.at)) {
            ++it;
            continue;
        }
        it = queue_.erase(it);
        w.has_slot = true;
        w.wake();
    }
}

}  // namespace m365stage::http
