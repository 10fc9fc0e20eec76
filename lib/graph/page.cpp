#include "graph/page.hpp"

#include <nlohmann/json.hpp>

#include "graph/flat_json.hpp"
#include "graph/json.hpp"

namespace m365stage::graph {
namespace {

core::error no_array() {
    return {core::error_kind::protocol, "the answer is no page: it has no array \"value\""};
}

core::error no_text(const char* name) {
    return {core::error_kind::protocol, std::string(name) + " is no text"};
}

core::result<std::string> checked(std::string link, const char* name, const link_rules& rules) {
    if (!link.empty() && !rules.is_graph(link)) {
        const char* why = link_rules::is_url(link) ? " leaves the Graph host" : " is malformed";
        core::error bad(core::error_kind::protocol, std::string(name) + why + " and was refused");
        bad.operation = following;
        bad.hint = "check endpoints.graph and whether a proxy changes the answers";
        return bad;
    }
    return link;
}

core::result<std::string> link_of(nlohmann::json& object, const char* name, const link_rules& rules) {
    auto at = object.find(name);
    if (at == object.end() || at->is_null()) {
        return std::string();
    }
    if (!at->is_string()) {
        return no_text(name);
    }
    return checked(std::move(at->get_ref<std::string&>()), name, rules);
}

core::result<std::string> link_of(const flat_value& object, const char* name, const link_rules& rules) {
    const auto link = object.member(name);
    if (link && !link.is_string()) {
        return no_text(name);
    }
    return checked(std::string(link.text()), name, rules);
}

/// The links of an answer into its page.
template <class Object>
core::result<void> take_links(page& out, Object& object, const link_rules& rules) {
    auto next = link_of(object, "@odata.nextLink", rules);
    if (!next) {
        return next.error();
    }
    auto delta = link_of(object, "@odata.deltaLink", rules);
    if (!delta) {
        return delta.error();
    }
    out.next_link = std::move(*next);
    if (out.next_link.empty()) {
        out.delta_link = std::move(*delta);
    }
    return {};
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
        return no_array();
    }
    page out;
    if (auto taken = take_links(out, root, rules); !taken) {
        return taken.error();
    }
    out.repaired = parsed->repaired;
    out.value = std::make_unique<nlohmann::json>(std::move(*value));
    return out;
}

core::result<page> parse_flat_page(std::string_view body, const link_rules& rules) {
    page out;
    auto flat = flat_json::parse(body);
    if (!flat || !flat->root().is_object()) {
        auto mended = parse_object(body);
        if (!mended) {
            return mended.error();
        }
        out.repaired = mended->repaired;
        flat = flat_json::parse(mended->value->dump());
        if (!flat) {
            return core::error(core::error_kind::protocol, "the answer's JSON is not understood");
        }
    }
    const auto root = flat->root();
    if (!root.member("value").is_array()) {
        return no_array();
    }
    if (auto taken = take_links(out, root, rules); !taken) {
        return taken.error();
    }
    out.flat = std::make_unique<flat_json>(std::move(*flat));
    return out;
}

void unflatten(page& p) {
    std::string text;
    p.flat->root().member("value").write_canonical(text);
    p.value = std::make_unique<nlohmann::json>(nlohmann::json::parse(text));
    p.flat.reset();
}

}  // namespace m365stage::graph
