#include "graph/paging.hpp"

#include <nlohmann/json.hpp>

namespace m365stage::graph {

core::result<bool> page_chain::next(call& c, const page& p) {
    const std::hash<std::string> hash;
    asked_.insert(hash(c.target));
    if (!p.next_link.empty() && asked_.contains(hash(p.next_link))) {
        core::error e(core::error_kind::protocol, "the list goes in a circle: a page comes again");
        return std::move(e).on(c.object);
    }
    c.target = p.next_link;
    return !p.next_link.empty();
}

task<core::result<nlohmann::json*>> paged_list::next() {
    if (begun_) {
        const auto more = chain_.next(at_, page_);
        if (!more) {
            co_return more.error();
        }
        if (!*more) {
            co_return nullptr;
        }
    }
    if (left_-- == 0) {
        core::error e(core::error_kind::protocol, "the list never ends");
        co_return std::move(e).on(at_.object);
    }
    auto answer = co_await graph_->get_page(at_);
    if (!answer) {
        co_return answer.error();
    }
    begun_ = true;
    page_ = std::move(*answer);
    co_return page_.value.get();
}

task<core::result<nlohmann::json>> find_element(
    client& graph, call first, std::function<bool(const nlohmann::json& element)> fits
) {
    paged_list pages(graph, std::move(first));
    for (;;) {
        const auto page = co_await pages.next();
        if (!page) {
            co_return page.error();
        }
        if (*page == nullptr) {
            co_return nlohmann::json();
        }
        for (auto& element : **page) {
            if (fits(element)) {
                co_return std::move(element);
            }
        }
    }
}

task<core::result<void>> each_element(
    client& graph, call first, std::function<void(const nlohmann::json& element)> take
) {
    std::function<bool(const nlohmann::json&)> never = [take =
                                                            std::move(take)](const nlohmann::json& element) {
        take(element);
        return false;
    };
    const auto end = co_await find_element(graph, std::move(first), std::move(never));
    co_return end ? core::result<void>() : core::result<void>(end.error());
}

task<core::result<nlohmann::json>> read_list(client& graph, call first) {
    auto all = nlohmann::json::array();
    paged_list pages(graph, std::move(first), most_pages_at_once);
    for (;;) {
        const auto page = co_await pages.next();
        if (!page) {
            co_return page.error();
        }
        if (*page == nullptr) {
            co_return all;
        }
        for (auto& element : **page) {
            all.push_back(std::move(element));
        }
    }
}

}  // namespace m365stage::graph
