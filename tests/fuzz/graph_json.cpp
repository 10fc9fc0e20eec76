// Any bytes as the body of a page: parsed or refused, never more; what was mended parses.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

#include "graph/json.hpp"
#include "graph/links.hpp"
#include "graph/page.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace m365stage::graph;
    static const link_rules rules("https://graph.microsoft.com", {});
    std::string_view body(reinterpret_cast<const char*>(data), size);
    auto parsed = parse_object(body);
    if (parsed && parsed->value->dump().empty()) {
        std::abort();
    }
    auto page = parse_page(body, rules);
    if (page && !page->next_link.empty() && !rules.is_graph(page->next_link)) {
        std::abort();
    }
    if (page && !page->next_link.empty() && !page->delta_link.empty()) {
        std::abort();
    }
    return 0;
}
