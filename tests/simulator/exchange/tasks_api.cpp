// To Do: lists, tasks, checklist items, linked resources, attachments (contract, section 6.7).
#include <algorithm>
#include <array>
#include <cstdio>

#include "../world.hpp"
#include "attachments.hpp"
#include "record_api.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

constexpr std::int64_t task_attachment_most = 3LL * 1024 * 1024;
constexpr std::int64_t task_session_most = 25LL * 1024 * 1024;

constexpr std::array<std::string_view, 17> task_properties{
    "body",
    "bodyLastModifiedDateTime",
    "categories",
    "completedDateTime",
    "createdDateTime",
    "dueDateTime",
    "hasAttachments",
    "id",
    "importance",
    "isReminderOn",
    "lastModifiedDateTime",
    "recurrence",
    "reminderDateTime",
    "startDateTime",
    "status",
    "title",
    "checklistItems"
};
constexpr std::array<std::string_view, 11> task_writable{
    "body",       "categories",       "completedDateTime", "dueDateTime", "importance", "isReminderOn",
    "recurrence", "reminderDateTime", "startDateTime",     "status",      "title"
};

json task_json(const record_store& s, record_index i, bool) {
    const record& r = s.at(i);
    json j = {{"importance", "normal"},      {"isReminderOn", false},
              {"status", "notStarted"},      {"title", ""},
              {"categories", json::array()}, {"body", {{"content", ""}, {"contentType", "text"}}}};
    j.update(r.value);
    j["@odata.etag"] = "W/\"" + s.change_key(i) + "\"";
    j["id"] = s.id(i, true);
    j["createdDateTime"] = iso_time(r.created);
    j["lastModifiedDateTime"] = iso_time(r.modified);
    j["hasAttachments"] = !r.attachments.empty();
    return j;
}

json list_json(const record_store& s, std::uint32_t f) {
    const record_folder& l = s.folder(f);
    return {
        {"@odata.etag", "W/\"" + hex64(hash_of(l.name, l.seq)) + "\""},
        {"id", s.folder_id(f)},
        {"displayName", l.name},
        {"isOwner", true},
        {"isShared", false},
        {"wellknownListName", l.well_known.empty() ? "none" : l.well_known}
    };
}

json part_json(const record_store& s, record_index i, const record_part& p) {
    json j = p.value;
    j["id"] = s.part_id(i, p.number);
    return j;
}

json attachment_json(const record_store& s, record_index i, const attachment& a) {
    return {
        {"@odata.type", "#microsoft.graph.taskFileAttachment"},
        {"id", s.part_id(i, a.number)},
        {"name", a.name},
        {"contentType", a.content_type},
        {"size", a.data.size},
        {"lastModifiedDateTime", iso_time(a.modified)}
    };
}

bool read_task(const outlook_call& c, json& kept, response& out) {
    json body;
    if (!read_object(c, body, out)) {
        return false;
    }
    kept = json::object();
    for (const auto& [key, value] : body.items()) {
        if (key.starts_with("@")) {
            continue;
        }
        if (std::find(task_writable.begin(), task_writable.end(), key) == task_writable.end()) {
            out = graph_error(400, "invalidRequest", "The property '" + key + "' cannot be written here.");
            return false;
        }
        const bool time = key.ends_with("DateTime");
        if (time && !value.is_null() && (!value.contains("dateTime") || !value.contains("timeZone"))) {
            out = graph_error(400, "invalidRequest", "'" + key + "' needs dateTime and timeZone.");
            return false;
        }
        kept[key] = value;
    }
    return true;
}

/// A task that is done has a time of that; one that is not has none.
void settle_status(json& value, const std::string& before, std::int64_t now) {
    const std::string status = value.value("status", before);
    if (status == "completed" && before != "completed" && !value.contains("completedDateTime")) {
        value["completedDateTime"] = {
            {"dateTime", iso_time(now).substr(0, 10) + "T00:00:00.0000000"}, {"timeZone", "UTC"}
        };
    } else if (status != "completed" && before == "completed") {
        value["completedDateTime"] = nullptr;
    }
}

response create_task(const outlook_call& c, record_store& s, std::uint32_t list) {
    json value;
    response out;
    if (!read_task(c, value, out)) {
        return out;
    }
    if (value.value("title", "").empty()) {
        return graph_error(400, "invalidRequest", "A task needs a title.");
    }
    settle_status(value, "notStarted", c.w.now());
    return answer_record(c, task_kind, s, s.add(list, std::move(value), c.w.now()), 201);
}

/// Checklist items and linked resources. `at`: the segment behind their name.
response serve_parts(
    const outlook_call& c, record_store& s, record_index i, std::vector<record_part>& parts, std::size_t at
) {
    json body;
    response out;
    if (c.rest.size() == at) {
        if (c.r.method == "GET") {
            std::vector<json> all;
            all.reserve(parts.size());
            for (const auto& p : parts) {
                all.push_back(part_json(s, i, p));
            }
            return answer_list(c, "Collection(" + c.rest[at - 1] + ")", all);
        }
        if (c.r.method != "POST" || !read_object(c, body, out)) {
            return out.body.empty() ? wrong_method() : std::move(out);
        }
        body.erase("id");
        if (c.rest[at - 1] == "checklistItems") {
            body["createdDateTime"] = body.value("createdDateTime", iso_time(c.w.now()));
            body["isChecked"] = body.value("isChecked", false);
        }
        parts.push_back({s.at(i).next_part++, body});
        s.touch(i, c.w.now());
        return json_response(201, dump(part_json(s, i, parts.back())));
    }
    const std::uint32_t number = s.part_number(i, c.rest[at]);
    const auto one =
        std::find_if(parts.begin(), parts.end(), [&](const record_part& p) { return p.number == number; });
    if (one == parts.end()) {
        return no_such_item(c.rest[at]);
    }
    if (c.r.method == "DELETE") {
        parts.erase(one);
        s.touch(i, c.w.now());
        return empty_response(204);
    }
    if (c.r.method == "PATCH") {
        if (!read_object(c, body, out)) {
            return out;
        }
        one->value.update(body);
        s.touch(i, c.w.now());
    }
    return json_response(200, dump(part_json(s, i, *one)));
}

response attach(const outlook_call& c, record_store& s, record_index i, attachment a) {
    record& r = s.at(i);
    a.number = r.next_part++;
    a.modified = c.w.now();
    r.attachments.push_back(std::move(a));
    s.touch(i, c.w.now());
    return json_response(201, dump(attachment_json(s, i, r.attachments.back())));
}

response post_attachment(const outlook_call& c, record_store& s, record_index i) {
    json body;
    response out;
    if (!read_object(c, body, out)) {
        return out;
    }
    auto bytes = base64_decode(body.value("contentBytes", ""));
    attachment a;
    a.name = body.value("name", "");
    a.content_type = body.value("contentType", a.content_type);
    if (!body.value("@odata.type", "").ends_with("taskFileAttachment") || !bytes || a.name.empty()) {
        return graph_error(
            400, "invalidRequest", "A taskFileAttachment needs a name and contentBytes, and its type."
        );
    }
    if (static_cast<std::int64_t>(bytes->size()) > task_attachment_most) {
        return graph_error(413, "RequestEntityTooLarge", "The attachment is larger than 3 MB.");
    }
    a.data.size = static_cast<std::int64_t>(bytes->size());
    a.data.path = std::make_shared<const std::string>(c.w.content_path());
    if (!append_bytes(*a.data.path, *bytes)) {
        return graph_error(507, "ErrorQuotaExceeded", "The test tenant cannot store this attachment.");
    }
    return attach(c, s, i, std::move(a));
}

response open_session(const outlook_call& c, record_index i) {
    json body;
    response out;
    if (!read_object(c, body, out)) {
        return out;
    }
    const json info = body.value("attachmentInfo", json::object());
    const auto size = info.value("size", std::int64_t{0});
    if (info.value("attachmentType", "") != "file" || info.value("name", "").empty() || size <= 0) {
        return graph_error(
            400, "invalidRequest",
            "An upload session needs attachmentInfo with attachmentType, name and size."
        );
    }
    if (size > task_session_most) {
        return graph_error(413, "ErrorAttachmentSizeLimitExceeded", "The attachment is larger than 25 MB.");
    }
    attachment_upload up;
    up.mailbox = c.box.number;
    up.message = i;
    up.what.name = info.value("name", "");
    up.what.content_type = info.value("contentType", up.what.content_type);
    up.what.data.size = size;
    up.path = c.w.content_path();
    const std::string id = c.w.fresh_id();
    c.w.exchange.uploads[id] = std::move(up);
    std::string base = address_of(c.r);
    base.erase(base.rfind("/attachments/"));
    return json_response(
        201, dump(
                 {{"uploadUrl", base + "/attachmentSessions/" + id},
                  {"expirationDateTime", iso_time(c.w.now() + 3600)},
                  {"nextExpectedRanges", {"0-"}}}
             )
    );
}

/// A fragment of a large attachment; this address wants a token, unlike mail's.
response serve_session(const outlook_call& c, record_store& s, record_index i, std::size_t at) {
    const auto found = c.w.exchange.uploads.find(c.rest.size() > at ? c.rest[at] : "");
    if (found == c.w.exchange.uploads.end()) {
        return not_found_in_store();
    }
    attachment_upload& up = found->second;
    auto state = [&] {
        return json_response(
            200, dump(
                     {{"expirationDateTime", iso_time(c.w.now() + 3600)},
                      {"nextExpectedRanges", {std::to_string(up.received)}}}
                 )
        );
    };
    if (c.r.method == "GET") {
        return state();
    }
    if (c.r.method == "DELETE") {
        c.w.exchange.uploads.erase(found);
        return empty_response(204);
    }
    long long from = -1;
    long long to = -1;
    long long total = -1;
    const auto size = static_cast<long long>(c.r.body.size());
    const bool parsed =
        std::sscanf(c.r.header("content-range").c_str(), "bytes %lld-%lld/%lld", &from, &to, &total) == 3;
    if (c.rest.size() != at + 2 || c.rest[at + 1] != "content" || !parsed || to - from + 1 != size ||
        total != up.what.data.size || c.r.body.size() > fragment_most) {
        return graph_error(400, "invalidRequest", "Invalid Content-Range header value, or too much at once.");
    }
    if (from != up.received) {
        return graph_error(416, "invalidRange", "The range does not follow the bytes that were received.");
    }
    if (!append_bytes(up.path, c.r.body)) {
        return graph_error(507, "ErrorQuotaExceeded", "The test tenant cannot store this attachment.");
    }
    up.received += size;
    if (up.received < total) {
        return state();
    }
    attachment done = std::move(up.what);
    done.data.path = std::make_shared<const std::string>(up.path);
    c.w.exchange.uploads.erase(found);
    return attach(c, s, i, std::move(done));
}

response serve_attachments(const outlook_call& c, record_store& s, record_index i, std::size_t at) {
    record& r = s.at(i);
    if (c.rest.size() == at) {
        if (c.r.method == "POST") {
            return post_attachment(c, s, i);
        }
        std::vector<json> all;
        all.reserve(r.attachments.size());
        for (const auto& a : r.attachments) {
            all.push_back(attachment_json(s, i, a));
        }
        return answer_list(c, "Collection(attachmentBase)", all);
    }
    if (c.rest[at] == "createUploadSession" && c.r.method == "POST") {
        return open_session(c, i);
    }
    const std::uint32_t number = s.part_number(i, c.rest[at]);
    const auto one = std::find_if(r.attachments.begin(), r.attachments.end(), [&](const attachment& a) {
        return a.number == number;
    });
    if (one == r.attachments.end()) {
        return no_such_item(c.rest[at]);
    }
    if (c.r.method == "DELETE") {
        r.attachments.erase(one);
        s.touch(i, c.w.now());
        return empty_response(204);
    }
    if (c.rest.size() == at + 2 && c.rest[at + 1] == "$value") {
        response out;
        out.content_type = "application/octet-stream";
        out.file = std::make_shared<content_reader>(one->data);
        out.file_length = one->data.size;
        return out;
    }
    json j = attachment_json(s, i, *one);
    std::string bytes(static_cast<std::size_t>(one->data.size), '\0');
    content_reader(one->data).read(0, bytes.data(), bytes.size());
    j["contentBytes"] = base64(bytes);
    return json_response(200, dump(j));
}

response serve_task(const outlook_call& c, record_store& s, record_index i, std::size_t at) {
    json value;
    response out;
    if (c.rest.size() > at) {
        const std::string& what = c.rest[at];
        return what == "checklistItems"       ? serve_parts(c, s, i, s.at(i).checklist, at + 1)
               : what == "linkedResources"    ? serve_parts(c, s, i, s.at(i).links, at + 1)
               : what == "attachments"        ? serve_attachments(c, s, i, at + 1)
               : what == "attachmentSessions" ? serve_session(c, s, i, at + 1)
                                              : unknown_segment(what);
    }
    if (c.r.method == "GET") {
        return answer_record(c, task_kind, s, i, 200);
    }
    if (c.r.method == "DELETE") {
        s.remove(i);
        return empty_response(204);
    }
    if (c.r.method != "PATCH") {
        return wrong_method();
    }
    if (!read_task(c, value, out)) {
        return out;
    }
    settle_status(value, s.at(i).value.value("status", "notStarted"), c.w.now());
    s.set(i, value, c.w.now());
    return answer_record(c, task_kind, s, i, 200);
}

response serve_list(const outlook_call& c, record_store& s, std::uint32_t f) {
    if (c.r.method == "GET") {
        return json_response(200, dump(list_json(s, f)));
    }
    if (!s.folder(f).well_known.empty()) {
        return graph_error(400, "invalidRequest", "A well-known list cannot be changed.");
    }
    if (c.r.method == "DELETE") {
        s.remove_folder(f);
        return empty_response(204);
    }
    json body;
    response out;
    if (c.r.method != "PATCH" || !read_object(c, body, out)) {
        return out.body.empty() ? wrong_method() : std::move(out);
    }
    s.rename_folder(f, body.value("displayName", s.folder(f).name));
    return json_response(200, dump(list_json(s, f)));
}

response serve_lists(const outlook_call& c, record_store& s) {
    if (c.r.method == "GET") {
        std::vector<json> all;
        for (std::uint32_t f : s.children(nowhere)) {
            all.push_back(list_json(s, f));
        }
        return answer_list(c, "Collection(todoTaskList)", all);
    }
    json body;
    response out;
    if (c.r.method != "POST" || !read_object(c, body, out)) {
        return out.body.empty() ? wrong_method() : std::move(out);
    }
    if (body.value("displayName", "").empty()) {
        return graph_error(400, "invalidRequest", "A list needs a displayName.");
    }
    return json_response(201, dump(list_json(s, s.add_folder(body["displayName"], nowhere))));
}

}  // namespace

const record_kind task_kind{"todoTask", "todoTaskList",  "/todo/lists", "/tasks",
                            true,       task_properties, &task_json,    &list_json};

response serve_todo(const outlook_call& c) {
    record_store& s = tasks_of(c.box);
    if (c.rest.size() < 2 || c.rest[1] != "lists") {
        return unknown_segment(c.rest.size() < 2 ? "" : c.rest[1]);
    }
    if (c.rest.size() == 2) {
        return serve_lists(c, s);
    }
    if (c.rest[2] == "delta") {
        return serve_record_folder_delta(c, task_kind, s);
    }
    const std::uint32_t f = s.find_folder(c.rest[2]);
    if (f == nowhere) {
        return no_such_item(c.rest[2]);
    }
    if (c.rest.size() == 3) {
        return serve_list(c, s, f);
    }
    if (c.rest[3] != "tasks") {
        return unknown_segment(c.rest[3]);
    }
    if (c.rest.size() == 4) {
        return c.r.method == "POST"  ? create_task(c, s, f)
               : c.r.method == "GET" ? list_records(c, task_kind, s, f)
                                     : wrong_method();
    }
    if (c.rest[4] == "delta") {
        return serve_record_delta(c, task_kind, s, f);
    }
    const record_index i = s.find(c.rest[4]);
    const bool here = i != nowhere && s.at(i).folder == f;
    return here ? serve_task(c, s, i, 5) : no_such_item(c.rest[4]);
}

}  // namespace m365stage::sim
