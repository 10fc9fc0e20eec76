// Settings of a mailbox.
#include <nlohmann/json.hpp>

#include "../world.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

json settings_of(const mailbox& b) {
    bool german = b.locale == "de-DE";
    json none = {{"dateTime", "2026-01-01T00:00:00.0000000"}, {"timeZone", "UTC"}};
    return {
        {"archiveFolder", b.folder_id(b.find_well_known("archive"))},
        {"timeZone", german ? "W. Europe Standard Time" : "UTC"},
        {"delegateMeetingMessageDeliveryOptions", "sendToDelegateOnly"},
        {"dateFormat", german ? "dd.MM.yyyy" : "M/d/yyyy"},
        {"timeFormat", german ? "HH:mm" : "h:mm tt"},
        {"userPurpose", b.purpose},
        {"automaticRepliesSetting",
         {{"status", "disabled"},
          {"externalAudience", "all"},
          {"internalReplyMessage", ""},
          {"externalReplyMessage", ""},
          {"scheduledStartDateTime", none},
          {"scheduledEndDateTime", none}}},
        {"language",
         {{"locale", b.locale}, {"displayName", german ? "Deutsch (Deutschland)" : "English (United States)"}}
        },
        {"workingHours",
         {{"daysOfWeek", {"monday", "tuesday", "wednesday", "thursday", "friday"}},
          {"startTime", "08:00:00.0000000"},
          {"endTime", "17:00:00.0000000"},
          {"timeZone", {{"name", german ? "W. Europe Standard Time" : "UTC"}}}}}
    };
}

}  // namespace

response serve_mailbox_settings(const outlook_call& c) {
    if (!c.box.settings) {
        c.box.settings = std::make_shared<json>(settings_of(c.box));
    }
    json& all = *c.box.settings;
    if (c.r.method == "PATCH") {
        json body = json::parse(c.r.body, nullptr, false);
        if (!body.is_object()) {
            return graph_error(400, "RequestBodyRead", "The request body is no JSON object.");
        }
        for (const auto& [key, value] : body.items()) {
            if (key == "userPurpose" || key == "archiveFolder" ||
                (!all.contains(key) && !key.starts_with("@"))) {
                return graph_error(400, "ErrorInvalidArgument", "The property '" + key + "' cannot be set.");
            }
            if (!key.starts_with("@")) {
                all[key].merge_patch(value);
            }
        }
    } else if (c.r.method != "GET") {
        return graph_error(
            405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target."
        );
    }
    if (c.rest.size() == 1) {
        return json_response(200, dump(all));
    }
    if (!all.contains(c.rest[1])) {
        return unknown_segment(c.rest[1]);
    }
    const json& one = all[c.rest[1]];
    return json_response(200, dump(one.is_object() ? one : json{{"value", one}}));
}

}  // namespace m365stage::sim
