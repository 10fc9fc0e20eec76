#include "sources/settings_item.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/hash.hpp"
#include "sources/fields.hpp"
#include "sources/outlook.hpp"

namespace m365stage::sources {
namespace {

using nlohmann::json;

constexpr const char* kept_mark = "m365stage.kept";

/// Annotations name addresses of the service.
void drop_annotations(json& value) {
    if (!value.is_structured()) {
        return;
    }
    for (auto& inner : value) {
        drop_annotations(inner);
    }
    for (auto at = value.begin(); value.is_object() && at != value.end();) {
        const bool annotation = at.key().starts_with("@odata.") && at.key() != "@odata.type";
        at = annotation ? value.erase(at) : std::next(at);
    }
}

json in_order(json list, const char* first, const char* second) {
    if (list.is_array()) {
        std::sort(list.begin(), list.end(), [&](const json& a, const json& b) {
            const auto key = [&](const json& one) {
                const auto* number = member(one, first);
                const auto rank = number != nullptr && number->is_number_integer()
                                      ? number->get<std::int64_t>()
                                      : std::int64_t{0};
                return std::pair(rank, text(one, second));
            };
            return key(a) < key(b);
        });
    }
    return list;
}

}  // namespace

json settings_element(json settings, json rules, json categories) {
    if (settings.is_object() && settings.contains("automaticRepliesSetting")) {
        // Times of replies that are off are those of the last look at them.
        auto& replies = settings["automaticRepliesSetting"];
        if (replies.is_object() && text(replies, "status") != "scheduled") {
            replies.erase("scheduledStartDateTime");
            replies.erase("scheduledEndDateTime");
        }
    }
    json all = {
        {"mailboxSettings", std::move(settings)},
        {"messageRules", in_order(std::move(rules), "sequence", "id")},
        {"masterCategories", in_order(std::move(categories), "", "displayName")}
    };
    drop_annotations(all);
    for (auto at = all.begin(); at != all.end();) {
        at = at->is_null() ? all.erase(at) : std::next(at);
    }
    return json{{"id", settings_id}, {"content", std::move(all)}};
}

json kept_settings_element() {
    return json{{"id", settings_id}, {kept_mark, true}};
}

std::optional<index::item_change> parse_settings(const json& element) {
    const auto* content = member(element, "content");
    const bool kept = is_true(element, kept_mark);
    if (text(element, "id") != settings_id || (content == nullptr && !kept)) {
        return std::nullopt;
    }
    index::item_change c;
    c.remote_id = settings_id;
    c.type = index::item_type::file;
    c.same = kept;
    if (kept) {
        return c;
    }
    c.parent_remote_id = settings_root;
    c.name = "settings.json";
    c.content = true;
    c.meta = c.mark = canonical(*content);
    c.hash = settings_content_key(*content);
    return c;
}

std::string settings_content_key(const json& meta) {
    return "settings " + core::short_tag(canonical(meta));
}

std::string settings_document(const json& meta) {
    return meta.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace m365stage::sources
