// Settings of a mailbox, rules of its inbox, categories.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "../world.hpp"
#include "record_api.hpp"

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

/// A list of objects with ids, as all that clients do to it.
response serve_objects(
    const outlook_call& c, json& all, std::size_t at, const char* context,
    std::string (*fault)(const json& body, const json& others)
) {
    json body;
    response out;
    if (c.rest.size() == at) {
        if (c.r.method == "GET") {
            return answer_list(c, context, all.get<std::vector<json>>());
        }
        if (c.r.method != "POST" || !read_object(c, body, out)) {
            return out.body.empty() ? wrong_method() : std::move(out);
        }
        if (const auto wrong = fault(body, all); !wrong.empty()) {
            return graph_error(wrong.starts_with("exists") ? 409 : 400, "ErrorInvalidArgument", wrong);
        }
        body["id"] = c.w.fresh_id();
        all.push_back(body);
        return json_response(201, dump(body));
    }
    const auto one =
        std::find_if(all.begin(), all.end(), [&](const json& o) { return o.value("id", "") == c.rest[at]; });
    if (one == all.end()) {
        return not_found_in_store();
    }
    if (c.r.method == "DELETE") {
        all.erase(one);
        return empty_response(204);
    }
    if (c.r.method == "PATCH") {
        if (!read_object(c, body, out)) {
            return out;
        }
        one->merge_patch(body);
    }
    return json_response(200, dump(*one));
}

std::string rule_fault(const json& body, const json&) {
    const bool good = !body.value("displayName", "").empty() && body.value("sequence", 0) > 0 &&
                      body.contains("actions") && !body.contains("id") && !body.contains("hasError") &&
                      !body.contains("isReadOnly");
    return good ? "" : "A rule needs displayName, sequence and actions, and nothing that is read-only.";
}

std::string category_fault(const json& body, const json& others) {
    const std::string name = body.value("displayName", "");
    const bool known = std::any_of(others.begin(), others.end(), [&](const json& o) {
        return iequals(o.value("displayName", ""), name);
    });
    return name.empty() || body.contains("id") ? "A category needs a displayName and no id."
           : known                             ? "exists: there is a category of that name."
                                               : "";
}

json first_categories(world& w) {
    json all = json::array();
    constexpr std::array names{"Red category", "Orange category", "Blue category"};
    for (std::size_t i = 0; i < names.size(); ++i) {
        all.push_back(
            {{"id", w.fresh_id()}, {"displayName", names[i]}, {"color", "preset" + std::to_string(i * 3)}}
        );
    }
    return all;
}

}  // namespace

response serve_message_rules(const outlook_call& c) {
    if (c.box.find_folder(c.rest[1]) != c.box.find_well_known("inbox")) {
        return graph_error(400, "ErrorInvalidRequest", "Rules are supported for the inbox only.");
    }
    if (!c.box.rules) {
        c.box.rules = std::make_shared<json>(json::array());
    }
    return serve_objects(c, *c.box.rules, 3, "Collection(messageRule)", &rule_fault);
}

response serve_categories(const outlook_call& c) {
    if (c.rest.size() < 2 || c.rest[1] != "masterCategories") {
        return unknown_segment(c.rest.size() < 2 ? "" : c.rest[1]);
    }
    if (!c.box.categories) {
        c.box.categories = std::make_shared<json>(first_categories(c.w));
    }
    return serve_objects(c, *c.box.categories, 2, "Collection(outlookCategory)", &category_fault);
}

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
