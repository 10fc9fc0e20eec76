#pragma once

#include <functional>
#include <string>
#include <unordered_set>

#include "graph/client.hpp"

/// Lists of several pages. What is read in a loop must end, whatever the service says.
namespace m365stage::graph {

/// The pages of one list, as far as they were asked for.
class page_chain {
public:
    /// Turns the call for a page into the one for the page behind it. False: that was the last one. Errors:
    /// protocol, if the list goes in a circle.
    core::result<bool> next(call& c, const page& p);

private:
    std::unordered_set<std::size_t> asked_;  ///< hashes of addresses
};

/// A longer list counts as endless.
inline constexpr std::size_t most_pages = 100'000;

/// Reads a list page by page, one page in memory.
class paged_list {
public:
    paged_list(client& graph, call first, std::size_t most = most_pages)
        : graph_(&graph), at_(std::move(first)), left_(most) {}

    /// The elements of the next page, an array, good until the next call; null behind the last page. Errors:
    /// those of the call; protocol, if the list goes in a circle or never ends.
    task<core::result<nlohmann::json*>> next();

    /// What the last page gave to go on with later; empty if it gave nothing.
    const std::string& delta_link() const { return page_.delta_link; }

private:
    client* graph_;
    call at_;
    std::size_t left_;
    bool begun_ = false;
    page page_;
    page_chain chain_;
};

/// Calls `take` for each element of a list, in order, with one page in memory. Errors: as
/// `paged_list::next`; what came before was taken.
task<core::result<void>> each_element(
    client& graph, call first, std::function<void(const nlohmann::json& element)> take
);

/// The first element of a list that fits; null if none does. Errors: as `paged_list::next`.
task<core::result<nlohmann::json>> find_element(
    client& graph, call first, std::function<bool(const nlohmann::json& element)> fits
);

/// A list that is read into memory may have so many.
inline constexpr std::size_t most_pages_at_once = 1000;

/// All elements of a list, an array. Errors: as `paged_list::next`: a part is never taken for the whole.
task<core::result<nlohmann::json>> read_list(client& graph, call first);

}  // namespace m365stage::graph
