// Writes to a drive: content in one request, folders, changes, copies, deletions.
#include "write_parts.hpp"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

namespace m365stage::sim {

using nlohmann::json;

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

namespace {

/// The folder that a PATCH names, of the item's own drive; no_item: there is none.
item_index parent_named(const drive& d, item_index i, const json& reference) {
    if (reference.contains("id")) {
        return d.find_id(reference["id"].get<std::string>());
    }
    if (!reference.contains("path")) {
        return d.at(i).parent;
    }
    std::string path = reference["path"].get<std::string>();
    auto colon = path.find(':');
    std::vector<std::string> names;
    for (const auto& part : split(colon == path.npos ? "" : path.substr(colon + 1), '/')) {
        names.push_back(url_decode(part));
    }
    return d.find_path(root_item, names);
}

/// Moves or renames as a PATCH says. The answer, if it is refused.
std::optional<response> relocate(
    world& w, const request& r, drive& d, item_index i, item_index parent, const json& body
) {
    std::string name = body.value("name", d.at(i).name);
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
    if (!moved && !renamed) {
        return std::nullopt;
    }
    item_index there = d.find_child(parent, name);
    if (there != no_item && there != i) {
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
    d.relocate(i, parent, name, renamed ? w.now() : 0);
    return std::nullopt;
}

}  // namespace

response patch_item(world& w, const request& r, drive& d, item_index i) {
    json body = json::parse(r.body, nullptr, false);
    if (!body.is_object()) {
        return graph_error(400, "invalidRequest", "The body is no JSON object.");
    }
    if (stale(r, d, i)) {
        return precondition();
    }
    item_index parent = d.at(i).parent;
    if (body.contains("parentReference")) {
        const json& to = body["parentReference"];
        if (to.value("driveId", d.id) != d.id) {
            return graph_error(400, "invalidRequest", "Moving between drives is not supported here.");
        }
        parent = parent_named(d, i, to);
    }
    if (i != root_item) {
        if (auto refused = relocate(w, r, d, i, parent, body)) {
            return std::move(*refused);
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

}  // namespace m365stage::sim
