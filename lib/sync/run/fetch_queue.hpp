#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "graph/client.hpp"
#include "index/rows.hpp"

namespace m365stage::sync {

/// What is fetched next, fairly: one line for each throttling scope (a mailbox; all of SharePoint), served in
/// turn, each with so many workers at most, and none while its scope is paused. So a mailbox that is slow, or
/// that was told to wait, holds no more than its share of the workers. Pure: nothing is awaited.
class fetch_queue {
public:
    /// Adds an item to the line of that scope; `most` of that scope may be fetched at the same time.
    void add(const graph::scope& scope, std::size_t most, index::work_item item);

    /// What comes next; nullopt: nothing that may be fetched now. Its scope counts as served until `done`.
    std::optional<index::work_item> take(const std::function<bool(const graph::scope& scope)>& paused);

    void done(const graph::scope& scope);

    std::size_t size() const { return size_; }  ///< waiting, without those that were taken
    std::size_t waiting_in(const graph::scope& scope) const;

private:
    struct line {
        line() = default;
        graph::scope scope;
        std::size_t most = 0, running = 0;
        std::deque<index::work_item> items;
    };

    std::vector<line>::iterator find(const graph::scope& scope);

    std::vector<line> lines_;  ///< in the order in which they are served; as many as there are scopes at work
    std::size_t size_ = 0;
};

}  // namespace m365stage::sync
