#pragma once

#include <string_view>

namespace m365stage::graph {

/// What may be spent in a window of time that ends now: SharePoint's resource units, or requests of a
/// mailbox.
struct allowance {
    allowance() = default;
    allowance(std::string_view w, double all, double rest) : window(w), allowed(all), left(rest) {}
    std::string_view scope;   ///< sharepoint | mailbox: of all mailboxes the one that has least left
    std::string_view window;  ///< minute | 10min | day
    double allowed = 0, left = 0;
};

}  // namespace m365stage::graph
