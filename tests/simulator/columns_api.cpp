// Document libraries as lists: columns, their values, the list's feed (contract, section 7.1).
#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "columns.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

constexpr std::uint64_t column_token_key = 0x636f6c73;

const std::vector<column>& everywhere() {
    static const std::vector<column> all = {
        {"Title", "text"},
        {"FileLeafRef", "text"},
        {"ContentType", "text"},
        {"_ExtendedDescription", "note"},
        {"ID", "number", true},
        {"Modified", "dateTime", true},
        {"Created", "dateTime", true},
        {"Editor", "personOrGroup", true},
        {"_UIVersionString", "text", true},
        {"CheckoutUser", "personOrGroup", true},
        {"MediaServiceFastMetadata", "note", true, true},
    };
    return all;
}

std::string etag_of(const drive& d, item_index i) {
    return "\"" + d.item_guid(i) + "," + std::to_string(d.at(i).etag) + "\"";
}

json fields_of(const drive& d, item_index i) {
    const item& it = d.at(i);
    json out = {
        {"@odata.etag", etag_of(d, i)},
        {"id", std::to_string(i + 1)},
        {"FileLeafRef", it.name},
        {"ContentType", it.is_folder() ? "Folder" : "Document"},
        {"Created", iso_time(it.created)},
        {"Modified", iso_time(it.fs_modified)},
        {"_UIVersionString", std::to_string(it.etag) + ".0"},
        {"EditorLookupId", "6"}
    };
    if (const auto* e = d.extra(i)) {
        for (const auto& [name, value] : e->fields) {
            out[name] = json::parse(value);
        }
    }
    return out;
}

json list_item_of(const drive& d, item_index i, const std::string& expand) {
    json out = {
        {"@odata.etag", etag_of(d, i)},
        {"id", std::to_string(i + 1)},
        {"eTag", etag_of(d, i)},
        {"createdDateTime", iso_time(d.at(i).created)},
        {"lastModifiedDateTime", iso_time(d.at(i).modified)},
        {"parentReference", {{"siteId", d.site_id}}},
        {"contentType", {{"id", "0x0101"}, {"name", d.at(i).is_folder() ? "Folder" : "Document"}}}
    };
    if (expand.find("fields") != expand.npos) {
        out["fields"] = fields_of(d, i);
    }
    return out;
}

std::string token_of(const drive& d, std::uint64_t since) {
    std::string text = std::to_string(d.number) + ";" + std::to_string(since);
    return base64url(text + ";" + hex64(hash_of(text + d.id, column_token_key)));
}

std::optional<std::uint64_t> since_of(const drive& d, const std::string& token) {
    auto raw = base64_decode(token);
    auto parts = split(raw.value_or(""), ';');
    std::uint64_t since = 0;
    if (parts.size() != 3) {
        return std::nullopt;
    }
    std::from_chars(parts[1].data(), parts[1].data() + parts[1].size(), since);
    return token_of(d, since) == token ? std::optional(since) : std::nullopt;
}

response serve_feed(world& w, const request& r, drive& d) {
    std::string token = r.parameter("token");
    if (!token.empty() && w.faults.take("resync", {&r, d.id, ""}) != nullptr) {
        return graph_error(410, "resyncRequired", "Resync required.");
    }
    if (w.list_feed == "none") {
        return graph_error(400, "invalidRequest", "The delta query is not supported for this resource.");
    }
    auto since = token.empty() ? std::optional<std::uint64_t>(0) : since_of(d, token);
    if (!since) {
        return graph_error(400, "invalidRequest", "Provided sync token is malformed");
    }
    std::size_t top = static_cast<std::size_t>(w.page_size);
    std::string expand = r.parameter("$expand");
    bool items = expand.find("driveItem") != expand.npos && w.list_feed != "plain";
    std::string asked = r.parameter("$top");
    std::from_chars(asked.data(), asked.data() + asked.size(), top);
    auto changed = d.changed_since(*since);
    std::erase(changed, root_item);
    const auto count = std::min(std::max<std::size_t>(top, 1), changed.size());
    json value = json::array();
    std::uint64_t last = *since;
    for (std::size_t n = 0; n < count; ++n) {
        const item_index i = changed[n];
        last = d.at(i).seq;
        if (d.at(i).has(flag_deleted)) {
            value.push_back({{"id", std::to_string(i + 1)}, {"deleted", {{"state", "deleted"}}}});
            continue;
        }
        json entry = list_item_of(d, i, expand);
        if (items) {
            request part = r;
            part.parameters.clear();
            part.parameters.emplace_back("$select", "id,eTag");
            entry["driveItem"] = json::parse(item_body(w, part, d, i));
        }
        value.push_back(std::move(entry));
    }
    const bool more = count < changed.size();
    std::string link = r.origin() + r.path + "?$expand=" + url_encode(expand, "(),$=") +
                       "&$top=" + std::to_string(top) + "&token=" + token_of(d, more ? last : d.seq());
    json body = {{"value", std::move(value)}};
    body[more ? "@odata.nextLink" : "@odata.deltaLink"] = link;
    return json_response(200, body.dump());
}

response serve_columns(drive& d) {
    json value = json::array();
    auto add = [&](const column& c) {
        value.push_back(
            {{"id", guid_of(hash_of(c.name), d.number)},
             {"name", c.name},
             {"displayName", c.name},
             {"hidden", c.hidden},
             {"readOnly", c.read_only},
             {"indexed", false},
             {c.kind == "note" || c.kind == "choices" ? (c.kind == "note" ? "text" : "choice") : c.kind,
              json::object()}}
        );
    };
    std::for_each(everywhere().begin(), everywhere().end(), add);
    std::for_each(d.columns.begin(), d.columns.end(), add);
    return json_response(200, json{{"value", value}}.dump());
}

bool fits(const column& c, const std::string& field, const json& value, const json& body) {
    if (value.is_null()) {
        return true;
    }
    if (c.kind == "number") {
        return value.is_number();
    }
    if (c.kind == "boolean") {
        return value.is_boolean();
    }
    if (c.kind == "dateTime") {
        return value.is_string() && parse_iso_time(value.get<std::string>()).has_value();
    }
    if (c.kind == "choices") {
        return value.is_array() && body.contains(field + "@odata.type");
    }
    // People and links are written by number alone, links and terms not at all.
    return c.kind != "hyperlinkOrPicture" && value.is_string();
}

response patch_fields(world& w, const request& r, drive& d, item_index i) {
    json body = json::parse(r.body, nullptr, false);
    if (!body.is_object()) {
        return graph_error(400, "invalidRequest", "The body is no JSON object.");
    }
    auto all = everywhere();
    all.insert(all.end(), d.columns.begin(), d.columns.end());
    for (const auto& [name, value] : body.items()) {
        if (name.find("@odata.") != name.npos) {
            continue;
        }
        auto known = std::find_if(all.begin(), all.end(), [&](const column& c) {
            return name == (c.kind == "personOrGroup" || c.kind == "lookup" ? c.name + "LookupId" : c.name);
        });
        if (known == all.end()) {
            return graph_error(400, "invalidRequest", "Field '" + name + "' is not recognized");
        }
        if (known->read_only) {
            return graph_error(400, "invalidRequest", "Field '" + name + "' is read-only");
        }
        if (!fits(*known, name, value, body)) {
            return graph_error(400, "generalException", "General exception while processing");
        }
    }
    set_fields(w, d, i, body);
    return json_response(200, fields_of(d, i).dump());
}

}  // namespace

void set_fields(world& w, drive& d, item_index i, const json& values) {
    auto& have = d.make_extra(i).fields;
    for (const auto& [name, value] : values.items()) {
        if (name.find("@odata.") != name.npos) {
            continue;
        }
        if (value.is_null()) {
            have.erase(name);
        } else {
            have[name] = value.dump();
        }
    }
    // Whoever writes a column modifies the item, and its times are those of the list item.
    d.set_times(i, 0, w.now());
    d.touch(i, w.now());
}

std::string expanded_list_item(const drive& d, item_index i, const std::string& expand) {
    auto at = expand.find("listItem");
    if (at == expand.npos) {
        return "";
    }
    return ",\"listItem\":" + list_item_of(d, i, expand.substr(at)).dump();
}

response serve_list(world& w, const request& r, drive& d, const std::vector<std::string>& s) {
    if (s.empty()) {
        json body = {
            {"id", guid_of(d.number, 77)}, {"name", d.name}, {"list", {{"template", "documentLibrary"}}}
        };
        return json_response(200, body.dump());
    }
    if (s.size() == 1 && s[0] == "columns" && r.method == "GET") {
        return serve_columns(d);
    }
    if (s.size() == 2 && s[0] == "items" && s[1].starts_with("delta")) {
        return serve_feed(w, r, d);
    }
    return graph_error(400, "invalidRequest", "Resource not found for the segment '" + s[0] + "'.");
}

response serve_list_item(
    world& w, const request& r, drive& d, item_index i, const std::vector<std::string>& rest
) {
    if (rest.empty() && r.method == "GET") {
        return json_response(200, list_item_of(d, i, r.parameter("$expand")).dump());
    }
    if (rest.size() == 1 && rest[0] == "fields") {
        return r.method == "PATCH" ? patch_fields(w, r, d, i) : json_response(200, fields_of(d, i).dump());
    }
    return graph_error(400, "invalidRequest", "Resource not found for the segment 'listItem'.");
}

void add_columns(drive& d) {
    d.columns = {{"Status", "choice"},       {"Cost", "number"},
                 {"Due", "dateTime"},        {"Tags", "choices"},
                 {"Approved", "boolean"},    {"Remarks", "note"},
                 {"Owner", "personOrGroup"}, {"Source", "hyperlinkOrPicture"},
                 {"Score", "number", true},  {"Internal", "text", false, true}};
}

json random_fields(rng& r) {
    static constexpr const char* states[] = {"Draft", "Review", "Final", "Überholt"};
    json out = {{"Status", states[r.below(4)]}, {"Score", static_cast<double>(r.below(100)) / 4}};
    if (r.chance(0.6)) {
        out["Cost"] = r.chance(0.5) ? json(static_cast<std::int64_t>(r.below(100000)))
                                    : json(static_cast<double>(r.below(10000)) / 8);
    }
    if (r.chance(0.5)) {
        out["Due"] = iso_time(1'700'000'000 + static_cast<std::int64_t>(r.below(90'000'000)));
    }
    if (r.chance(0.5)) {
        out["Tags"] = json::array({"net", "lab \"7\""});
        out["Tags@odata.type"] = "Collection(Edm.String)";
    }
    if (r.chance(0.3)) {
        out["Approved"] = r.chance(0.5);
        out["Remarks"] = "line one\nline two — naïve";
    }
    if (r.chance(0.3)) {
        out["OwnerLookupId"] = std::to_string(6 + r.below(20));
    }
    if (r.chance(0.2)) {
        out["Title"] = "A title " + hex64(r.next()).substr(0, 4);
    }
    return out;
}

}  // namespace m365stage::sim
