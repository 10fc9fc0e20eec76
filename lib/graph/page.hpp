#pragma once

#include <string_view>

#include "graph/client.hpp"
#include "graph/links.hpp"

namespace m365stage::graph {

/// A page from its JSON. If both links are there, the nextLink counts: the round goes on, nothing is skipped.
/// Errors: protocol (no object, no `value` array, a link that is no text or leaves the Graph host).
core::result<page> parse_page(std::string_view body, const link_rules& rules);

/// The same with `page::flat` in place of `page::value`.
core::result<page> parse_flat_page(std::string_view body, const link_rules& rules);

}  // namespace m365stage::graph
