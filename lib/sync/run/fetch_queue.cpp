#include "sync/run/fetch_queue.hpp"

#include <algorithm>

namespace m365stage::sync {

std::vector<fetch_queue::line>::iterator fetch_queue::find(const graph::scope& scope) {
    return std::find_if(lines_.begin(), lines_.end(), [&](const line& l) { return l.scope == scope; });
}

void fetch_queue::add(const graph::scope& scope, std::size_t most, index::work_item item) {
    auto at = find(scope);
    if (at == lines_.end()) {
        at = lines_.insert(at, line());
        at->scope = scope;
    }
    at->most = most;
    at->items.push_back(std::move(item));
    ++size_;
}

std::optional<index::work_item> fetch_queue::take(const std::function<bool(const graph::scope&)>& paused) {
    const auto at = std::find_if(lines_.begin(), lines_.end(), [&](const line& l) {
        return !l.items.empty() && l.running < l.most && !paused(l.scope);
    });
    if (at == lines_.end()) {
        return std::nullopt;
    }
    auto item = std::move(at->items.front());
    at->items.pop_front();
    ++at->running;
    --size_;
    std::rotate(at, at + 1, lines_.end());  // its next turn comes after the others'
    return item;
}

void fetch_queue::done(const graph::scope& scope) {
    const auto at = find(scope);
    if (at != lines_.end() && --at->running == 0 && at->items.empty()) {
        lines_.erase(at);
    }
}

std::size_t fetch_queue::waiting_in(const graph::scope& scope) const {
    const auto at =
        std::find_if(lines_.begin(), lines_.end(), [&](const line& l) { return l.scope == scope; });
    return at == lines_.end() ? 0 : at->items.size();
}

}  // namespace m365stage::sync
