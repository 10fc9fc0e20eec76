// Any bytes as the body of a page: parsed or refused, never more; what was mended parses. Both ways to
// read it agree.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

#include "graph/flat_json.hpp"
#include "graph/json.hpp"
#include "graph/json_text.hpp"
#include "graph/links.hpp"
#include "graph/page.hpp"

namespace {

int depth_of(const nlohmann::json& value) {
    int deepest = 0;
    if (value.is_structured()) {
        for (const auto& inner : value) {
            deepest = std::max(deepest, depth_of(inner));
        }
        ++deepest;
    }
    return deepest;
}

/// What is parsed is what nlohmann::json parses, up to the depth, and writes the same canonical text.
void check_flat(std::string_view body) {
    using namespace m365stage::graph;
    const auto flat = flat_json::parse(body);
    const auto value = nlohmann::json::parse(body, nullptr, false);
    if (!flat) {
        if (!value.is_discarded() && depth_of(value) <= deepest_json) {
            std::abort();
        }
        return;
    }
    std::string text;
    flat->root().write_canonical(text);
    if (value.is_discarded() || text != value.dump()) {
        std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace m365stage::graph;
    static const link_rules rules("https://graph.microsoft.com", {});
    std::string_view body(reinterpret_cast<const char*>(data), size);
    auto parsed = parse_object(body);
    if (parsed && parsed->value->dump().empty()) {
        std::abort();
    }
    check_flat(body);
    auto flat_page = parse_flat_page(body, rules);
    auto page = parse_page(body, rules);
    if (page.has_value() != flat_page.has_value() ||
        (page && (page->next_link != flat_page->next_link || page->delta_link != flat_page->delta_link ||
                  page->repaired != flat_page->repaired))) {
        std::abort();
    }
    if (page && !page->next_link.empty() && !rules.is_graph(page->next_link)) {
        std::abort();
    }
    if (page && !page->next_link.empty() && !page->delta_link.empty()) {
        std::abort();
    }
    return 0;
}
