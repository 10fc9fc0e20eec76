#include "graph/page.hpp"

#include <nlohmann/json.hpp>

#include "graph/json.hpp"

namespace m365stage::graph {
namespace {

core::result<std::string> link_of(nlohmann::json& object, const char* name, const link_rules& rules) {
    auto at = object.find(name);
    if (at == object.end() || at->is_null()) {
        return std::string();
    }
    core::error bad(core::error_kind::protocol, "");
    if (!at->is_string()) {
        bad.cause = std::string(name) + " is no text";
        return bad;
    }
    auto link = std::move(at->get_ref<std::string&>());
    if (!link.empty() && !rules.is_graph(link)) {
        bad.cause = std::string(name) + " leaves the Graph host and was refused";
        bad.hint = "check endpoints.graph and whether a proxy changes the answers";
        return bad;
    }
    return link;
}

}  // namespace

page::page() = default;
page::page(page&&) noexcept = default;
page& page::operator=(page&&) noexcept = default;
page::~page() = default;

core::result<page> parse_page(std::string_view body, const link_rules& rules) {
    auto parsed = parse_object(body);
    if (!parsed) {
        return parsed.error();
    }
    nlohmann::json& root = *parsed->value;
    auto value = root.find("value");
    if (value == root.end() || !value->is_array()) {
        return core::error(core::error_kind::protocol, "the answer is no page: it has no array \"value\"");
    }
    page out;
    auto next = link_of(root, "@odata.nextLink", rules);
    if (!next) {
        return next.error();
    }
    auto delta = link_of(root, "@odata.deltaLink", rules);
    if (!delta) {
        return delta.error();
    }
    out.next_link = std::move(*next);
    if (out.next_link.empty()) {
        out.delta_link = std::move(*delta);
    }
    out.repaired = parsed->repaired;
    out.value = std::make_unique<nlohmann::json>(std::move(*value));
    return out;
}

}  // namespace m365stage::graph
