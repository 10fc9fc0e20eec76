#pragma once

#include <functional>
#include <string>
#include <unordered_set>

#include "graph/client.hpp"

namespace m365stage::graph {

/// The pages of one list, as far as they were asked for. What is read in a loop must end, whatever the
/// service says.
class page_chain {
public:
    /// Turns the call for a page into the one for the page behind it. False: that was the last one. Errors:
    /// protocol, if the list goes in a circle.
    core::result<bool> next(call& c, const page& p) {
        const std::hash<std::string> hash;
        asked_.insert(hash(c.target));
        if (!p.next_link.empty() && asked_.contains(hash(p.next_link))) {
            core::error e(core::error_kind::protocol, "the list goes in a circle: a page comes again");
            return std::move(e).on(c.object);
        }
        c.target = p.next_link;
        return !p.next_link.empty();
    }

private:
    std::unordered_set<std::size_t> asked_;
};

}  // namespace m365stage::graph
