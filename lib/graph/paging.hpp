#pragma once

#include "graph/client.hpp"

namespace m365stage::graph {

/// Turns the call for a page into the one for the page behind it. False: that was the last one. Errors:
/// protocol, if the page leads to itself: what is read in a loop must end.
inline core::result<bool> next_page(call& c, const page& p) {
    if (!p.next_link.empty() && p.next_link == c.target) {
        core::error e(core::error_kind::protocol, "the list goes in a circle: its next page is the same one");
        return std::move(e).on(c.object);
    }
    c.target = p.next_link;
    return !p.next_link.empty();
}

}  // namespace m365stage::graph
