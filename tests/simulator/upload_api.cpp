// Upload sessions.
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "write_parts.hpp"

namespace m365stage::sim {

using nlohmann::json;

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
    s.expires = w.now() + day_seconds;
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
