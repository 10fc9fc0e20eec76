#include "sources/calendar_item.hpp"

#include <array>
#include <nlohmann/json.hpp>

#include "core/hash.hpp"
#include "sources/event_times.hpp"
#include "sources/fields.hpp"
#include "sources/outlook.hpp"
#include "tree/names.hpp"

namespace m365stage::sources {
namespace {

using nlohmann::json;

constexpr std::array kept_of_calendar{
    "allowedOnlineMeetingProviders",
    "canEdit",
    "canShare",
    "canViewPrivateItems",
    "color",
    "defaultOnlineMeetingProvider",
    "hexColor",
    "isDefaultCalendar",
    "isRemovable",
    "isTallyingResponses",
    "owner",
};

/// Annotations but for types, and links: they hold ids that move.
void strip(json& value) {
    if (value.is_object()) {
        for (auto it = value.begin(); it != value.end();) {
            const auto& key = it.key();
            const bool annotation = key.find("@odata.") != std::string::npos && key != "@odata.type";
            it = annotation || key == "webLink" ? value.erase(it) : std::next(it);
        }
    }
    if (value.is_structured()) {
        for (auto& inner : value) {
            strip(inner);
        }
    }
}

}  // namespace

std::string calendar_owner(const json& element) {
    const auto* owner = member(element, "owner");
    return owner == nullptr ? std::string() : text(*owner, "address");
}

std::optional<index::item_change> parse_calendar(const json& element) {
    auto c = change_of(element);
    if (!c || c->removed) {
        return c;
    }
    c->type = index::item_type::folder;
    c->parent_remote_id = calendars_root;
    c->name = text(element, "name");
    c->meta = c->mark = canonical(chosen(element, kept_of_calendar));
    return c;
}

std::string event_key(const json& event) {
    const auto key = text(event, "changeKey");
    return "event " + (key.empty() ? text(event, "lastModifiedDateTime") : key);
}

std::optional<index::item_change> parse_event(const json& element, const std::string& calendar) {
    const auto type = text(element, "type");
    if (type == "occurrence" || type == "exception") {
        return std::nullopt;
    }
    auto c = change_of(element);
    if (!c || c->removed) {
        return c;
    }
    c->type = index::item_type::file;
    c->parent_remote_id = calendar;
    c->mtime = core::clamp_mtime(core::parse_timestamp(text(element, "lastModifiedDateTime")).value_or(0));
    c->name = event_file_name(element, c->remote_id);
    c->etag = text(element, "changeKey");
    c->content = true;
    c->meta_with_content = true;
    c->hash = event_key(element);
    c->meta = "{}";
    c->mark = c->hash;
    return c;
}

json event_metadata(json event) {
    if (!event.is_object()) {
        return json::object();
    }
    strip(event);
    event.erase("id");
    return event;
}

std::string event_file_name(const json& event, std::string_view remote_id) {
    const auto start = utc_of_event_time(event, "start").value_or(0);
    constexpr std::size_t longest_subject = 120;
    constexpr std::size_t tag_length = 10;
    return ics_date(start) + "-" + ics_time(start).substr(9) + "_" +
           tree::readable(text(event, "subject"), longest_subject, "no subject") + "_" +
           core::short_tag(remote_id, tag_length) + ".ics";
}

}  // namespace m365stage::sources
