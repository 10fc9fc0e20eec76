// Contacts: folders, contacts, photos (contract, section 6.6).
#include <algorithm>
#include <array>

#include "../world.hpp"
#include "attachments.hpp"
#include "record_api.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

constexpr std::int64_t photo_most = 4LL * 1024 * 1024;

constexpr std::array<std::string_view, 27> texts{
    "assistantName",   "businessHomePage",    "companyName", "department", "displayName",
    "fileAs",          "generation",          "givenName",   "initials",   "jobTitle",
    "manager",         "middleName",          "mobilePhone", "nickName",   "officeLocation",
    "personalNotes",   "profession",          "spouseName",  "surname",    "title",
    "yomiCompanyName", "yomiGivenName",       "yomiSurname", "birthday",   "parentFolderId",
    "createdDateTime", "lastModifiedDateTime"
};
struct list_rule {
    std::string_view name;
    std::size_t most;
};
constexpr std::array<list_rule, 6> list_rules{
    {{"businessPhones", 2},
     {"homePhones", 2},
     {"imAddresses", 3},
     {"emailAddresses", 3},
     {"categories", 100},
     {"children", 100}}
};
constexpr std::array<std::string_view, 3> address_members{"businessAddress", "homeAddress", "otherAddress"};
constexpr std::array<std::string_view, 5> address_parts{
    "city", "countryOrRegion", "postalCode", "state", "street"
};

constexpr std::array<std::string_view, 38> contact_properties{
    "assistantName",
    "birthday",
    "businessAddress",
    "businessHomePage",
    "businessPhones",
    "categories",
    "changeKey",
    "children",
    "companyName",
    "createdDateTime",
    "department",
    "displayName",
    "emailAddresses",
    "fileAs",
    "generation",
    "givenName",
    "homeAddress",
    "homePhones",
    "id",
    "imAddresses",
    "initials",
    "jobTitle",
    "lastModifiedDateTime",
    "manager",
    "middleName",
    "mobilePhone",
    "nickName",
    "officeLocation",
    "otherAddress",
    "parentFolderId",
    "personalNotes",
    "profession",
    "spouseName",
    "surname",
    "title",
    "yomiCompanyName",
    "yomiGivenName",
    "yomiSurname"
};

json contact_json(const record_store& s, record_index i, bool immutable) {
    const record& r = s.at(i);
    json j = json::object();
    for (auto name : texts) {
        j[std::string(name)] = nullptr;
    }
    for (const auto& list : list_rules) {
        j[std::string(list.name)] = json::array();
    }
    for (auto name : address_members) {
        j[std::string(name)] = json::object();
    }
    j.update(r.value);
    j["@odata.etag"] = "W/\"" + s.change_key(i) + "\"";
    j["id"] = s.id(i, immutable);
    j["changeKey"] = s.change_key(i);
    j["createdDateTime"] = iso_time(r.created);
    j["lastModifiedDateTime"] = iso_time(r.modified);
    j["parentFolderId"] = s.folder_id(r.folder);
    return j;
}

/// What is above the default folder: the top of the mailbox.
constexpr std::uint32_t above_all = 0x700000;

json folder_json(const record_store& s, std::uint32_t f) {
    const std::uint32_t parent = s.folder(f).parent;
    return {
        {"id", s.folder_id(f)},
        {"displayName", s.folder(f).name},
        {"parentFolderId", s.folder_id(parent == nowhere ? above_all : parent)}
    };
}

bool good_list(std::string_view name, const json& value) {
    return std::all_of(value.begin(), value.end(), [&](const json& one) {
        return name == "emailAddresses" ? one.is_object() && one.contains("address") : one.is_string();
    });
}

/// What is wrong with a property that a client writes; empty: nothing.
std::string fault_of(const std::string& key, const json& value) {
    if (key == "id" || key == "changeKey" || key == "parentFolderId" || key.ends_with("edDateTime")) {
        return "The property '" + key + "' is read-only and cannot be set.";
    }
    if (std::find(texts.begin(), texts.end(), key) != texts.end()) {
        const bool time = key == "birthday" && value.is_string() && !parse_iso_time(value.get<std::string>());
        return (value.is_string() || value.is_null()) && !time ? "" : "'" + key + "' has the wrong type.";
    }
    for (const auto& list : list_rules) {
        if (list.name == key) {
            const bool good = value.is_array() && value.size() <= list.most && good_list(key, value);
            return good ? "" : "'" + key + "' has the wrong type or too many values.";
        }
    }
    if (std::find(address_members.begin(), address_members.end(), key) == address_members.end()) {
        return "The property '" + key + "' does not exist on type 'microsoft.graph.contact'.";
    }
    if (!value.is_object()) {
        return "'" + key + "' is no physical address.";
    }
    bool good = true;
    for (const auto& [part, text] : value.items()) {
        good = good && std::find(address_parts.begin(), address_parts.end(), part) != address_parts.end() &&
               (text.is_string() || text.is_null());
    }
    return good ? "" : "'" + key + "' is no physical address.";
}

/// The properties of a body as they are kept. False: `out` is the answer.
bool read_properties(const outlook_call& c, json& kept, response& out) {
    json body;
    if (!read_object(c, body, out)) {
        return false;
    }
    kept = json::object();
    for (const auto& [key, value] : body.items()) {
        if (key.starts_with("@")) {
            continue;
        }
        if (auto fault = fault_of(key, value); !fault.empty()) {
            out = graph_error(400, "ErrorInvalidProperty", fault);
            return false;
        }
        kept[key] = value;
    }
    return true;
}

response create_contact(const outlook_call& c, record_store& s, std::uint32_t f) {
    json value;
    response out;
    if (!read_properties(c, value, out)) {
        return out;
    }
    if (!value.contains("displayName")) {
        const std::string given = value.value("givenName", "");
        const std::string surname = value.value("surname", "");
        value["displayName"] = given + (given.empty() || surname.empty() ? "" : " ") + surname;
    }
    return answer_record(c, contact_kind, s, s.add(f, std::move(value), c.w.now()), 201);
}

response serve_photo(const outlook_call& c, record_store& s, record_index i, std::size_t at) {
    record& r = s.at(i);
    const bool value = c.rest.size() == at + 1 && c.rest[at] == "$value";
    if (value && (c.r.method == "PUT" || c.r.method == "PATCH")) {
        if (!c.r.header("content-type").starts_with("image/") || c.r.body.empty()) {
            return graph_error(400, "ErrorInvalidImage", "The photo must be an image.");
        }
        if (static_cast<std::int64_t>(c.r.body.size()) > photo_most) {
            return graph_error(413, "RequestEntityTooLarge", "The photo is larger than 4 MB.");
        }
        content data;
        data.size = static_cast<std::int64_t>(c.r.body.size());
        const std::string path = c.w.content_path();
        if (!append_bytes(path, c.r.body)) {
            return graph_error(507, "ErrorQuotaExceeded", "The test tenant cannot store this photo.");
        }
        data.path = std::make_shared<const std::string>(path);
        r.photo = data;
        r.photo_type = c.r.header("content-type");
        s.touch(i, c.w.now());
        return empty_response(200);
    }
    if (c.r.method != "GET") {
        return wrong_method();
    }
    if (!r.photo) {
        return graph_error(404, "ErrorItemNotFound", "The photo wasn't found.");
    }
    if (!value) {
        return json_response(
            200, dump({{"@odata.mediaContentType", r.photo_type}, {"id", "1X1"}, {"width", 1}, {"height", 1}})
        );
    }
    response out;
    out.content_type = r.photo_type;
    out.file = std::make_shared<content_reader>(*r.photo);
    out.file_length = r.photo->size;
    return out;
}

/// From the segment behind /contacts on.
response serve_items(const outlook_call& c, record_store& s, std::uint32_t f, std::size_t at) {
    if (c.rest.size() == at) {
        return c.r.method == "POST"  ? create_contact(c, s, f)
               : c.r.method == "GET" ? list_records(c, contact_kind, s, f)
                                     : wrong_method();
    }
    if (c.rest[at] == "delta") {
        return serve_record_delta(c, contact_kind, s, f);
    }
    const record_index i = s.find(c.rest[at]);
    if (i == nowhere) {
        return no_such_item(c.rest[at]);
    }
    if (c.rest.size() > at + 1) {
        return c.rest[at + 1] == "photo" ? serve_photo(c, s, i, at + 2) : unknown_segment(c.rest[at + 1]);
    }
    if (c.r.method == "GET") {
        const std::string id = s.id(i, true);
        feed_context context{&c.r, "", id};
        const bool gone = !c.w.faults.empty() && c.w.faults.take("item_not_found", context) != nullptr;
        return gone ? not_found_in_store() : answer_record(c, contact_kind, s, i, 200);
    }
    if (c.r.method == "DELETE") {
        s.remove(i);
        return empty_response(204);
    }
    json value;
    response out;
    if (c.r.method != "PATCH") {
        return wrong_method();
    }
    if (!read_properties(c, value, out)) {
        return out;
    }
    s.set(i, value, c.w.now());
    return answer_record(c, contact_kind, s, i, 200);
}

response create_folder(const outlook_call& c, record_store& s, std::uint32_t parent) {
    json body;
    response out;
    if (!read_object(c, body, out)) {
        return out;
    }
    const std::string name = body.value("displayName", "");
    if (name.empty()) {
        return graph_error(400, "ErrorInvalidArgument", "The folder's displayName is missing.");
    }
    for (std::uint32_t f : s.children(parent)) {
        if (fold_name(s.folder(f).name) == fold_name(name)) {
            return graph_error(409, "ErrorFolderExists", "A folder with the specified name already exists.");
        }
    }
    return json_response(201, dump(folder_json(s, s.add_folder(name, parent))));
}

response list_folders(const outlook_call& c, const record_store& s, std::uint32_t parent) {
    std::vector<json> all;
    for (std::uint32_t f : s.children(parent)) {
        all.push_back(folder_json(s, f));
    }
    return answer_list(c, "Collection(contactFolder)", all);
}

response change_folder(const outlook_call& c, record_store& s, std::uint32_t f) {
    if (c.r.method == "GET") {
        json j = folder_json(s, f);
        keep_selected(j, selected(c.r));
        return json_response(200, dump(j));
    }
    if (!s.folder(f).well_known.empty()) {
        return graph_error(403, "ErrorAccessDenied", "Distinguished folders cannot be changed.");
    }
    if (c.r.method == "DELETE") {
        s.remove_folder(f);
        return empty_response(204);
    }
    json body;
    response out;
    if (c.r.method != "PATCH") {
        return wrong_method();
    }
    if (!read_object(c, body, out)) {
        return out;
    }
    s.rename_folder(f, body.value("displayName", s.folder(f).name));
    return json_response(200, dump(folder_json(s, f)));
}

}  // namespace

const record_kind contact_kind{"contact", "contactFolder",    "/contactFolders", "/contacts",
                               false,     contact_properties, &contact_json,     &folder_json};

response serve_contacts(const outlook_call& c) {
    record_store& s = contacts_of(c.box);
    const std::uint32_t standard = s.find_well_known("contacts");
    if (c.rest[0] == "contacts") {
        return serve_items(c, s, standard, 1);
    }
    if (c.rest.size() == 1) {
        return c.r.method == "POST"  ? create_folder(c, s, standard)
               : c.r.method == "GET" ? list_folders(c, s, standard)
                                     : wrong_method();
    }
    if (c.rest[1] == "delta") {
        return serve_record_folder_delta(c, contact_kind, s);
    }
    const std::uint32_t f = s.find_folder(c.rest[1]);
    if (f == nowhere) {
        return no_such_item(c.rest[1]);
    }
    if (c.rest.size() == 2) {
        return change_folder(c, s, f);
    }
    if (c.rest[2] == "contacts") {
        return serve_items(c, s, f, 3);
    }
    if (c.rest[2] == "childFolders" && c.rest.size() == 3) {
        return c.r.method == "POST"  ? create_folder(c, s, f)
               : c.r.method == "GET" ? list_folders(c, s, f)
                                     : wrong_method();
    }
    return unknown_segment(c.rest[2]);
}

}  // namespace m365stage::sim
