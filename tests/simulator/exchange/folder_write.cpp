// Writing mail folders.
#include <nlohmann/json.hpp>

#include "../world.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

bool parse_object(const outlook_call& c, json& body, response& out) {
    body = json::parse(c.r.body.empty() ? "{}" : c.r.body, nullptr, false);
    if (!body.is_object()) {
        out = graph_error(400, "RequestBodyRead", "The request body is no JSON object.");
        return false;
    }
    return true;
}

response folder_answer(const outlook_call& c, folder_index f, int status) {
    std::string one;
    append_folder(one, c.box, f, std::nullopt);
    response out = json_response(status, one);
    tell_preferences(c.prefer, false, out);
    return out;
}

response folder_exists(const std::string& name) {
    return graph_error(409, "ErrorFolderExists", "A folder with the specified name already exists., " + name);
}

response create_folder(const outlook_call& c, folder_index parent) {
    json body;
    response out;
    if (!parse_object(c, body, out)) {
        return out;
    }
    std::string name = body.value("displayName", "");
    if (name.empty()) {
        return graph_error(400, "ErrorInvalidArgument", "The folder's displayName is missing.");
    }
    if (c.box.find_child(parent, name) != nowhere) {
        return folder_exists(name);
    }
    return folder_answer(c, c.box.add_folder(parent, name, "", body.value("isHidden", false)), 201);
}

response patch_folder(const outlook_call& c, folder_index f) {
    json body;
    response out;
    if (!parse_object(c, body, out)) {
        return out;
    }
    if (!body.contains("displayName")) {
        return graph_error(400, "ErrorInvalidArgument", "There is nothing to change.");
    }
    std::string name = body["displayName"].get<std::string>();
    if (!c.box.folder(f).well_known.empty()) {
        return graph_error(403, "ErrorAccessDenied", "Distinguished folders cannot be renamed.");
    }
    folder_index there = c.box.find_child(c.box.folder(f).parent, name);
    if (there != nowhere && there != f) {
        return folder_exists(name);
    }
    c.box.rename_folder(f, name);
    return folder_answer(c, f, 200);
}

/// To Deleted Items, and from there for ever (to where nobody sees it).
response delete_folder(const outlook_call& c, folder_index f) {
    if (!c.box.folder(f).well_known.empty()) {
        return graph_error(403, "ErrorDeleteDistinguishedFolder", "Distinguished folders cannot be deleted.");
    }
    folder_index bin = c.box.find_well_known("deleteditems");
    if (c.box.is_below(f, bin)) {
        c.box.purge_folder(f);
        return empty_response(204);
    }
    std::string name = c.box.folder(f).name;
    std::string free = name;
    for (int n = 1; c.box.find_child(bin, free) != nowhere; ++n) {
        free = name + std::to_string(n);
    }
    if (free != name) {
        c.box.rename_folder(f, free);
    }
    c.box.move_folder(f, bin);
    return empty_response(204);
}

response move_folder(const outlook_call& c, folder_index f) {
    json body;
    response out;
    if (!parse_object(c, body, out)) {
        return out;
    }
    folder_index to = c.box.find_folder(body.value("destinationId", ""));
    if (to == nowhere || c.box.is_below(to, f)) {
        return graph_error(400, "ErrorMoveCopyFailed", "The folder cannot be moved there.");
    }
    if (c.box.find_child(to, c.box.folder(f).name) != nowhere) {
        return folder_exists(c.box.folder(f).name);
    }
    c.box.move_folder(f, to);
    return folder_answer(c, f, 201);
}

}  // namespace

response write_folders(const outlook_call& c, folder_index f, std::size_t at) {
    const auto& s = c.rest;
    bool on_children = at < s.size() && s[at] == "childFolders";
    if (c.r.method == "POST" && (s.size() == 1 || on_children)) {
        return create_folder(c, f);
    }
    if (c.r.method == "POST" && at < s.size() && s[at] == "move") {
        return move_folder(c, f);
    }
    if (c.r.method == "POST" && at < s.size() && s[at] == "permanentDelete") {
        c.box.purge_folder(f);
        return empty_response(204);
    }
    if (at == s.size() && c.r.method == "PATCH") {
        return patch_folder(c, f);
    }
    if (at == s.size() && c.r.method == "DELETE") {
        return delete_folder(c, f);
    }
    return graph_error(
        405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target."
    );
}

}  // namespace m365stage::sim
