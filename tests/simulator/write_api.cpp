// Writes to a drive: uploads, folders, changes, deletions, sharing.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "world.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

response name_taken() {
    return graph_error(
        409, "nameAlreadyExists", "An item with the same name already exists under the parent"
    );
}

response bad_name() {
    return graph_error(
        400, "invalidRequest", "The provided name cannot contain any of the characters that are not allowed.",
        "invalidResourceId"
    );
}

/// Whether the If-Match header names another state than the item's.
bool stale(const request& r, const drive& d, item_index i) {
    std::string given = r.header("if-match");
    if (given.empty() || given == "*" || i == no_item) {
        return false;
    }
    std::string guid = "{" + d.item_guid(i) + "},";
    return !iequals(given, "\"" + guid + std::to_string(d.at(i).etag) + "\"") &&
           !iequals(given, "\"c:" + guid + std::to_string(d.at(i).ctag) + "\"");
}

response precondition() {
    return graph_error(
        412, "resourceModified", "ETag does not match current item's value", "entityTagDoesNotMatch"
    );
}

struct times {
    std::int64_t created = 0;
    std::int64_t modified = 0;
};

times times_of(const json& body) {
    times t;
    json info = body.value("fileSystemInfo", json::object());
    if (info.is_object()) {
        t.created = parse_iso_time(info.value("createdDateTime", "")).value_or(0);
        t.modified = parse_iso_time(info.value("lastModifiedDateTime", "")).value_or(0);
    }
    return t;
}

void apply_times(drive& d, item_index i, std::int64_t created, std::int64_t modified) {
    if (created != 0) {
        d.make_extra(i).fs_created = created;
    }
    d.set_times(i, 0, modified);
}

struct stored_result {
    item_index index = no_item;
    bool created = false;
    bool conflict = false;
};

/// Puts content under a name, as the conflict behaviour wants it.
stored_result store(
    world& w, drive& d, item_index parent, std::string name, item_index existing, content data,
    const std::string& conflict
) {
    stored_result out;
    if (existing == no_item) {
        existing = d.find_child(parent, name);
    }
    if (existing != no_item && conflict == "rename") {
        name = free_name(d, parent, name);
        existing = no_item;
    }
    if (existing != no_item && (conflict == "fail" || d.at(existing).kind != item_kind::file)) {
        out.conflict = true;
        return out;
    }
    if (existing != no_item) {
        d.edit(existing, std::move(data), w.now());
        out.index = existing;
    } else {
        out.index = d.create(parent, name, item_kind::file, std::move(data), w.now());
        out.created = true;
    }
    return out;
}

response item_response(world& w, const request& r, drive& d, item_index i, int status) {
    request plain = r;
    plain.parameters.clear();
    return json_response(status, item_body(w, plain, d, i));
}

bool write_bytes(const std::string& path, std::string_view bytes, const char* mode) {
    std::FILE* out = std::fopen(path.c_str(), mode);
    if (out == nullptr) {
        return false;
    }
    bool ok = std::fwrite(bytes.data(), 1, bytes.size(), out) == bytes.size();
    return std::fclose(out) == 0 && ok;
}

}  // namespace

bool forbidden_name(std::string_view name) {
    if (name.empty() || name.front() == ' ' || name.back() == ' ' || name.back() == '.' ||
        name.starts_with("~$")) {
        return true;
    }
    if (name.find_first_of("\"*:<>?/\\|") != name.npos) {
        return true;
    }
    static const char* reserved[] = {".lock", "con", "prn", "aux", "nul", "desktop.ini", "_vti_"};
    std::string folded = lower(name);
    bool port = folded.size() == 4 && (folded.starts_with("com") || folded.starts_with("lpt")) &&
                folded[3] >= '0' && folded[3] <= '9';
    return port ||
           std::any_of(std::begin(reserved), std::end(reserved), [&](const char* n) { return folded == n; });
}

std::string free_name(const drive& d, item_index parent, const std::string& name) {
    auto dot = name.rfind('.');
    std::string stem = name.substr(0, dot == 0 ? name.npos : dot);
    std::string suffix = name.substr(stem.size());
    for (int n = 1;; ++n) {
        std::string candidate = stem + " " + std::to_string(n) + suffix;
        if (d.find_child(parent, candidate) == no_item) {
            return candidate;
        }
    }
}

response put_content(
    world& w, const request& r, drive& d, item_index parent, const std::string& name, item_index existing
) {
    if (r.body.size() > 250ULL * 1024 * 1024) {
        return graph_error(413, "invalidRequest", "The request is too large; use an upload session.");
    }
    if (existing == no_item && forbidden_name(name)) {
        return bad_name();
    }
    if (stale(r, d, existing)) {
        return precondition();
    }
    content data;
    data.size = static_cast<std::int64_t>(r.body.size());
    if (!r.body.empty()) {
        std::string path = w.content_path();
        if (!write_bytes(path, r.body, "wb")) {
            return graph_error(507, "quotaLimitReached", "The test tenant cannot store this file.");
        }
        data.path = std::make_shared<const std::string>(path);
    }
    w.manners.count("bytes_uploaded", data.size);
    std::string conflict = r.parameter("@microsoft.graph.conflictBehavior", "replace");
    stored_result done = store(w, d, parent, name, existing, std::move(data), conflict);
    return done.conflict ? name_taken() : item_response(w, r, d, done.index, done.created ? 201 : 200);
}

response create_child(world& w, const request& r, drive& d, item_index parent) {
    json body = json::parse(r.body, nullptr, false);
    if (!body.is_object() || !body.contains("folder")) {
        return graph_error(400, "invalidRequest", "Only folders can be created here.");
    }
    std::string name = body.value("name", "");
    if (forbidden_name(name)) {
        return bad_name();
    }
    std::string conflict = body.value("@microsoft.graph.conflictBehavior", "fail");
    item_index there = d.find_child(parent, name);
    if (there != no_item && conflict == "rename") {
        name = free_name(d, parent, name);
        there = no_item;
    }
    if (there != no_item) {
        bool reuse = conflict == "replace" && d.at(there).kind == item_kind::folder;
        return reuse ? item_response(w, r, d, there, 200) : name_taken();
    }
    item_index i = d.create(parent, name, item_kind::folder, {}, w.now());
    times t = times_of(body);
    apply_times(d, i, t.created, t.modified);
    return item_response(w, r, d, i, 201);
}

response patch_item(world& w, const request& r, drive& d, item_index i) {
    json body = json::parse(r.body, nullptr, false);
    if (!body.is_object()) {
        return graph_error(400, "invalidRequest", "The body is no JSON object.");
    }
    if (stale(r, d, i)) {
        return precondition();
    }
    std::string name = body.value("name", d.at(i).name);
    item_index parent = d.at(i).parent;
    if (body.contains("parentReference")) {
        const json& to = body["parentReference"];
        std::string other = to.value("driveId", d.id);
        if (other != d.id) {
            return graph_error(400, "invalidRequest", "Moving between drives is not supported here.");
        }
        if (to.contains("id")) {
            parent = d.find_id(to["id"].get<std::string>());
        } else if (to.contains("path")) {
            std::string path = to["path"].get<std::string>();
            auto colon = path.find(':');
            std::vector<std::string> names;
            for (const auto& part : split(colon == path.npos ? "" : path.substr(colon + 1), '/')) {
                names.push_back(url_decode(part));
            }
            parent = d.find_path(root_item, names);
        }
    }
    if (i != root_item) {
        if (parent == no_item || d.at(parent).has(flag_deleted) || !d.at(parent).is_folder()) {
            return not_found();
        }
        if (d.is_below(parent, i)) {
            return graph_error(400, "invalidRequest", "An item cannot be moved into itself.");
        }
        bool moved = parent != d.at(i).parent;
        bool renamed = name != d.at(i).name;
        if (renamed && forbidden_name(name)) {
            return bad_name();
        }
        item_index there = d.find_child(parent, name);
        if ((moved || renamed) && there != no_item && there != i) {
            std::string conflict = body.value(
                "@microsoft.graph.conflictBehavior", r.parameter("@microsoft.graph.conflictBehavior", "fail")
            );
            if (conflict == "replace") {
                d.remove(there, w.now());
            } else if (conflict == "rename") {
                name = free_name(d, parent, name);
            } else {
                return name_taken();
            }
        }
        if (moved || renamed) {
            d.relocate(i, parent, name, renamed ? w.now() : 0);
        }
    }
    times t = times_of(body);
    if (t.created != 0 || t.modified != 0 || body.contains("description")) {
        apply_times(d, i, t.created, t.modified);
        if (body.contains("description")) {
            d.make_extra(i).description =
                body["description"].is_string() ? body["description"].get<std::string>() : "";
        }
        d.touch(i, w.now());
    }
    return item_response(w, r, d, i, 200);
}

response delete_item(world& w, const request& r, drive& d, item_index i) {
    if (i == root_item) {
        return graph_error(400, "invalidRequest", "The root cannot be deleted.");
    }
    if (stale(r, d, i)) {
        return precondition();
    }
    d.remove(i, w.now());
    return empty_response(204);
}

namespace {

item_index copy_tree(
    drive& from, item_index i, drive& to, item_index parent, const std::string& name, std::int64_t now
) {
    const item source = from.at(i);
    item_index made = to.create(
        parent, name, source.kind, source.kind == item_kind::file ? from.stored(i) : content(), now
    );
    to.set_times(made, 0, source.fs_modified);
    for (item_index c : from.children(i)) {
        copy_tree(from, c, to, made, from.at(c).name, now);
    }
    return made;
}

}  // namespace

response copy_item(world& w, const request& r, drive& d, item_index i) {
    json body = json::parse(r.body, nullptr, false);
    if (!body.is_object()) {
        return graph_error(400, "invalidRequest", "The body is no JSON object.");
    }
    json to = body.value("parentReference", json::object());
    drive* target = to.contains("driveId") ? w.directory.find_drive(to["driveId"].get<std::string>()) : &d;
    item_index parent = to.contains("id") && target != nullptr ? target->find_id(to["id"].get<std::string>())
                                                               : d.at(i).parent;
    if (target == nullptr || parent == no_item || target->at(parent).has(flag_deleted)) {
        return not_found();
    }
    if (target == &d && d.is_below(parent, i)) {
        return graph_error(400, "invalidRequest", "An item cannot be copied into itself.");
    }
    std::string name = body.value("name", d.at(i).name);
    item_index there = target->find_child(parent, name);
    if (there != no_item) {
        std::string conflict = body.value(
            "@microsoft.graph.conflictBehavior", r.parameter("@microsoft.graph.conflictBehavior", "fail")
        );
        if (conflict == "replace") {
            target->remove(there, w.now());
        } else if (conflict == "rename") {
            name = free_name(*target, parent, name);
        } else {
            return name_taken();
        }
    }
    item_index made = copy_tree(d, i, *target, parent, name, w.now());
    std::string job = w.fresh_id();
    w.monitors[job] = target->item_id(made);
    response out = empty_response(202);
    out.set("Location", r.origin() + "/v1.0/monitor/" + job);
    return out;
}

response create_link(world& w, const request& r, drive& d, item_index i) {
    json body = json::parse(r.body, nullptr, false);
    if (!body.is_object()) {
        return graph_error(400, "invalidRequest", "The body is no JSON object.");
    }
    permission p;
    p.id = base64url(w.fresh_id());
    p.link_type = body.value("type", "view");
    p.role = p.link_type == "edit" ? "write" : "read";
    p.scope = body.value("scope", "organization");
    for (const auto& who : p.scope == "users" ? body.value("recipients", json::array()) : json::array()) {
        const user* u = w.directory.find_user(who.value("objectId", who.value("email", "")));
        if (u == nullptr) {
            return graph_error(400, "noResolvedUsers", "One or more users could not be resolved.");
        }
        if (p.email.empty()) {
            p.email = u->upn;
            p.user_id = u->id;
            p.display_name = u->display_name;
        } else {
            p.others.push_back(u->upn);
        }
    }
    d.make_extra(i).permissions.push_back(p);
    d.touch_sharing(i, w.now());
    json out = {
        {"id", p.id},
        {"roles", {p.role}},
        {"link",
         {{"type", p.link_type},
          {"scope", p.scope},
          {"webUrl", "https://contoso.sharepoint.example/:x:/g/" + p.id}}}
    };
    return json_response(201, out.dump());
}

response invite(world& w, const request& r, drive& d, item_index i) {
    json body = json::parse(r.body, nullptr, false);
    if (!body.is_object() || !body.value("recipients", json()).is_array() ||
        !body.value("roles", json()).is_array() || body["roles"].empty()) {
        return graph_error(400, "invalidRequest", "recipients and roles are needed.");
    }
    std::vector<permission> given;
    for (const auto& who : body["recipients"]) {
        std::string key = who.value("objectId", who.value("email", who.value("alias", "")));
        const user* u = w.directory.find_user(key);
        if (u == nullptr) {
            return graph_error(400, "noResolvedUsers", "One or more users could not be resolved.");
        }
        permission p;
        p.id = base64url(w.fresh_id());
        p.role = body["roles"][0].get<std::string>();
        p.email = u->upn;
        p.user_id = u->id;
        p.display_name = u->display_name;
        p.expiration = body.value("expirationDateTime", "");
        given.push_back(std::move(p));
    }
    if (given.empty() || (given[0].role != "read" && given[0].role != "write")) {
        return graph_error(400, "invalidRequest", "The role cannot be granted.");
    }
    ++(body.value("sendInvitation", false) ? w.invitations_sent : w.invitations_silent);
    json value = json::array();
    for (auto& p : given) {
        value.push_back(
            {{"id", p.id},
             {"roles", {p.role}},
             {"grantedToV2",
              {{"user", {{"id", p.user_id}, {"email", p.email}, {"displayName", p.display_name}}}}}}
        );
        d.make_extra(i).permissions.push_back(std::move(p));
    }
    d.touch_sharing(i, w.now());
    return json_response(200, json{{"value", value}}.dump());
}

response delete_permission(world& w, drive& d, item_index i, const std::string& id) {
    auto* e = d.extra(i);
    bool gone =
        e != nullptr && std::erase_if(e->permissions, [&](const permission& p) { return p.id == id; }) > 0;
    if (!gone) {
        return not_found();
    }
    d.touch_sharing(i, w.now());
    return empty_response(204);
}

response create_upload_session(
    world& w, const request& r, drive& d, item_index parent, const std::string& name, item_index existing
) {
    json body = r.body.empty() ? json::object() : json::parse(r.body, nullptr, false);
    if (!body.is_object()) {
        return graph_error(400, "invalidRequest", "The body is no JSON object.");
    }
    if (existing == no_item && forbidden_name(name)) {
        return bad_name();
    }
    if (stale(r, d, existing != no_item ? existing : d.find_child(parent, name))) {
        return precondition();
    }
    json about = body.value("item", json::object());
    upload_session s;
    s.id = w.fresh_id();
    s.drive = d.number;
    s.parent = parent;
    s.replaces = existing;
    s.name = existing == no_item ? about.value("name", name) : name;
    s.conflict = about.value("@microsoft.graph.conflictBehavior", "replace");
    s.description = about.value("description", "");
    times t = times_of(about);
    s.fs_created = t.created;
    s.fs_modified = t.modified;
    s.expires = w.now() + 86400;
    s.path = w.content_path();
    json out = {
        {"@odata.context", r.origin() + "/v1.0/$metadata#microsoft.graph.uploadSession"},
        {"uploadUrl", w.files_origin + "/_upload/" + s.id + "?guid=" + s.id + "&tempauth=v1.upload"},
        {"expirationDateTime", iso_time(s.expires)},
        {"nextExpectedRanges", {"0-"}}
    };
    w.uploads[s.id] = std::move(s);
    return json_response(200, out.dump());
}

namespace {

response session_state(const upload_session& s, int status) {
    json out = {{"expirationDateTime", iso_time(s.expires)}, {"nextExpectedRanges", json::array()}};
    std::string end = s.total > 0 ? std::to_string(s.total - 1) : "";
    out["nextExpectedRanges"].push_back(std::to_string(s.received) + "-" + end);
    return json_response(status, out.dump());
}

response finish_upload(world& w, const request& r, upload_session s) {
    drive& d = w.directory.drive_at(s.drive);
    if (d.removed || d.at(s.parent).has(flag_deleted)) {
        return not_found();
    }
    content data;
    data.size = s.total;
    data.path = std::make_shared<const std::string>(s.path);
    stored_result done = store(w, d, s.parent, s.name, s.replaces, std::move(data), s.conflict);
    if (done.conflict) {
        return name_taken();
    }
    apply_times(d, done.index, s.fs_created, s.fs_modified);
    if (!s.description.empty()) {
        d.make_extra(done.index).description = s.description;
    }
    w.uploads.erase(s.id);
    return item_response(w, r, d, done.index, done.created ? 201 : 200);
}

}  // namespace

response serve_upload(world& w, const request& r, const std::string& id) {
    if (w.exchange.uploads.contains(id)) {
        return serve_attachment_upload(w, r, id);
    }
    auto at = w.uploads.find(id);
    if (at == w.uploads.end() || at->second.expires <= w.now()) {
        return graph_error(404, "itemNotFound", "The upload session was not found", "uploadSessionNotFound");
    }
    upload_session& s = at->second;
    if (r.method == "DELETE") {
        std::error_code ignored;
        std::filesystem::remove(s.path, ignored);
        w.uploads.erase(at);
        return empty_response(204);
    }
    if (r.method == "GET") {
        return session_state(s, 200);
    }
    long long from = -1;
    long long to = -1;
    long long total = -1;
    bool parsed =
        std::sscanf(r.header("content-range").c_str(), "bytes %lld-%lld/%lld", &from, &to, &total) == 3;
    auto size = static_cast<std::int64_t>(r.body.size());
    if (r.method != "PUT" || !parsed || to - from + 1 != size || to >= total ||
        (s.total >= 0 && s.total != total)) {
        return graph_error(400, "invalidRequest", "Invalid Content-Range header value");
    }
    s.total = total;
    bool last = to + 1 == total;
    if (size >= 62914560 || (!last && size % 327680 != 0)) {
        return graph_error(
            size >= 62914560 ? 413 : 400, "invalidRequest",
            "A fragment must be a multiple of 320 KiB and smaller than 60 MiB."
        );
    }
    if (from < s.received) {
        return graph_error(
            416, "invalidRange", "The uploaded fragment overlaps with data that has already been received.",
            "fragmentOverlap"
        );
    }
    if (from > s.received) {
        return graph_error(
            416, "invalidRange", "The uploaded fragment is out of order.", "fragmentOutOfOrder"
        );
    }
    if (!write_bytes(s.path, r.body, s.received == 0 ? "wb" : "ab")) {
        return graph_error(507, "quotaLimitReached", "The test tenant cannot store this file.");
    }
    s.received += size;
    w.manners.count("bytes_uploaded", size);
    return last ? finish_upload(w, r, s) : session_state(s, 202);
}

}  // namespace m365stage::sim
