#include "event_json.hpp"

#include <algorithm>

#include "mail_content.hpp"
#include "time_zone.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

constexpr const char* property_names[] = {
    "id",
    "createdDateTime",
    "lastModifiedDateTime",
    "changeKey",
    "categories",
    "transactionId",
    "originalStartTimeZone",
    "originalEndTimeZone",
    "originalStart",
    "iCalUId",
    "uid",
    "reminderMinutesBeforeStart",
    "isReminderOn",
    "hasAttachments",
    "subject",
    "bodyPreview",
    "importance",
    "sensitivity",
    "isAllDay",
    "isCancelled",
    "isOrganizer",
    "responseRequested",
    "seriesMasterId",
    "showAs",
    "type",
    "webLink",
    "onlineMeetingUrl",
    "isOnlineMeeting",
    "onlineMeetingProvider",
    "allowNewTimeProposals",
    "isDraft",
    "hideAttendees",
    "responseStatus",
    "body",
    "start",
    "end",
    "location",
    "locations",
    "recurrence",
    "attendees",
    "organizer",
    "onlineMeeting",
    "occurrenceId",
    "cancelledOccurrences",
    "exceptionOccurrences"
};

/// What every event says, if nobody said otherwise.
json defaults() {
    return {
        {"categories", json::array()},
        {"reminderMinutesBeforeStart", 15},
        {"isReminderOn", true},
        {"subject", ""},
        {"importance", "normal"},
        {"sensitivity", "normal"},
        {"isAllDay", false},
        {"isCancelled", false},
        {"responseRequested", true},
        {"showAs", "busy"},
        {"onlineMeetingUrl", nullptr},
        {"isOnlineMeeting", false},
        {"onlineMeetingProvider", "unknown"},
        {"onlineMeeting", nullptr},
        {"allowNewTimeProposals", true},
        {"isDraft", false},
        {"hideAttendees", false},
        {"location",
         {{"displayName", ""},
          {"locationType", "default"},
          {"uniqueIdType", "unknown"},
          {"address", json::object()},
          {"coordinates", json::object()}}},
        {"locations", json::array()},
        {"recurrence", nullptr},
        {"attendees", json::array()},
        {"seriesMasterId", nullptr},
        {"occurrenceId", nullptr},
        {"transactionId", nullptr}
    };
}

/// A time in the zone that was asked for. All-day events are midnight everywhere.
json told_time(const json& at, bool all_day, const std::string& zone) {
    std::int64_t wall = parse_wall(at.value("dateTime", "")).value_or(0);
    std::string own = at.value("timeZone", "UTC");
    std::string wanted = zone.empty() ? "UTC" : zone;
    if (!all_day) {
        wall = wall_of(utc_of(wall, own), wanted);
    }
    return {{"dateTime", wall_text(wall)}, {"timeZone", wanted}};
}

std::string plain_body(const json& body) {
    std::string text = body.value("content", "");
    std::string out;
    bool tag = false;
    for (char c : text) {
        tag = tag || c == '<';
        if (!tag) {
            out += c;
        }
        tag = tag && c != '>';
    }
    return out.substr(0, 255);
}

void add_body(json& j, const event_style& style) {
    if (!j.contains("body")) {
        return;  // Q92: there are events without one
    }
    j["bodyPreview"] = j["body"].is_object() ? plain_body(j["body"]) : "";
    if (style.text_body && j["body"].is_object()) {
        j["body"] = {{"contentType", "text"}, {"content", plain_body(j["body"])}};
    }
}

void add_organizer(json& j, const mailbox& b, const calendar_event& it) {
    j["isOrganizer"] = it.organizer;
    j["responseStatus"] = {
        {"response", it.organizer ? "organizer" : "notResponded"}, {"time", "0001-01-01T00:00:00Z"}
    };
    if (!j.contains("organizer")) {
        j["organizer"] = {{"emailAddress", {{"name", b.display_name}, {"address", b.address}}}};
    }
}

}  // namespace

bool is_event_property(const std::string& name) {
    return std::any_of(std::begin(property_names), std::end(property_names), [&](const char* n) {
        return iequals(n, name);
    });
}

json calendar_json(const mailbox& b, std::uint32_t c) {
    const calendar& it = b.calendars->calendars[c];
    json providers = json::array({"teamsForBusiness"});
    return {
        {"id", calendar_id(b, c)},
        {"name", it.name},
        {"color", it.color},
        {"hexColor", ""},
        {"isDefaultCalendar", it.is_default},
        {"changeKey", base64(b.guid.substr(0, 8) + "c" + std::to_string(c) + "." + std::to_string(it.version))
        },
        {"canShare", it.can_edit},
        {"canViewPrivateItems", true},
        {"canEdit", it.can_edit},
        {"allowedOnlineMeetingProviders", providers},
        {"defaultOnlineMeetingProvider", "teamsForBusiness"},
        {"isTallyingResponses", it.is_default},
        {"isRemovable", it.removable},
        {"owner", {{"name", it.owner_name}, {"address", it.owner_address}}}
    };
}

json calendar_group_json(const mailbox& b, std::uint32_t g) {
    return {
        {"id", calendar_group_id(b, g)},
        {"name", b.calendars->groups[g].name},
        {"classId", guid_of(mix(b.seed + g), mix(b.seed + g + 1))},
        {"changeKey", base64(b.guid.substr(0, 8) + "g" + std::to_string(g))}
    };
}

json event_json(const mailbox& b, event_index e, std::optional<std::int64_t> day, const event_style& style) {
    const calendar_store& s = *b.calendars;
    const calendar_event& it = s.events[e];
    json set = s.properties(e, day);
    json j = defaults();
    j.update(set);
    bool exception = day && it.exceptions.contains(*day);
    std::string key = event_change_key(b, e, day);
    std::int64_t modified = exception ? it.exceptions.at(*day).modified : it.modified;
    j["@odata.etag"] = "W/\"" + key + "\"";
    j["id"] = event_id(b, e, day, style.immutable);
    j["changeKey"] = key;
    j["createdDateTime"] = iso_time(it.created);
    j["lastModifiedDateTime"] = iso_time(modified);
    j["type"] = day              ? (exception ? "exception" : "occurrence")
                : it.is_series() ? "seriesMaster"
                                 : "singleInstance";
    j["iCalUId"] = it.uid + (day ? hex64(static_cast<std::uint64_t>(*day)) : "");
    j["uid"] = it.uid;
    j["hasAttachments"] =
        std::any_of(s.attachments(e, day).begin(), s.attachments(e, day).end(), [](const attachment& a) {
            return !a.is_inline;
        });
    j["webLink"] = "https://outlook.office365.com/owa/?itemid=" + url_encode(event_id(b, e, day, false)) +
                   "&exvsurl=1&path=/calendar/item";
    if (!it.transaction.empty()) {
        j["transactionId"] = it.transaction;
    }
    if (day) {
        j["seriesMasterId"] = event_id(b, e, std::nullopt, style.immutable);
        j["occurrenceId"] = "OID." + event_id(b, e, std::nullopt, style.immutable) + "." + date_text(*day);
        std::int64_t clock = parse_wall(it.set["start"].value("dateTime", "")).value_or(0) % day_seconds;
        j["originalStart"] = iso_time(utc_of(*day * day_seconds + clock, it.zone()));
    }
    for (auto [name, original] :
         {std::pair("start", "originalStartTimeZone"), std::pair("end", "originalEndTimeZone")}) {
        json at = j.value(name, json::object());
        j[original] = at.value("timeZone", "UTC");
        j[name] = told_time(at, j["isAllDay"] == true, style.zone);
    }
    add_organizer(j, b, it);
    add_body(j, style);
    return j;
}

json cancelled_json(const mailbox& b, event_index e, bool immutable) {
    json out = json::array();
    for (std::int64_t day : b.calendars->events[e].cancelled) {
        out.push_back("OID." + event_id(b, e, std::nullopt, immutable) + "." + date_text(day));
    }
    return out;
}

json event_attachment_json(
    const mailbox& b, event_index e, std::optional<std::int64_t> day, const attachment& a, bool bytes,
    bool item
) {
    static const char* types[] = {"fileAttachment", "itemAttachment", "referenceAttachment"};
    json j = {
        {"@odata.type", std::string("#microsoft.graph.") + types[static_cast<int>(a.kind)]},
        {"id", event_attachment_id(b, e, day, a.number)},
        {"lastModifiedDateTime", iso_time(a.modified)},
        {"name", a.name},
        {"contentType", nullptr},
        {"isInline", a.is_inline},
        {"size", a.data.size + 150}
    };
    if (a.kind == attachment_kind::file) {
        j["@odata.mediaContentType"] = a.content_type;
        j["contentType"] = a.content_type;
        j["contentId"] = a.content_id.empty() ? json() : json(a.content_id);
        j["contentLocation"] = nullptr;
        if (bytes) {
            std::string data(static_cast<std::size_t>(a.data.size), '\0');
            data.resize(content_reader(a.data).read(0, data.data(), data.size()));
            j["contentBytes"] = base64(data);
        }
    } else if (a.kind == attachment_kind::item) {
        j["size"] = mime_of_item(*a.item).size();
        if (item) {
            j["item"] = *a.item;
        }
    }
    return j;
}

}  // namespace m365stage::sim
