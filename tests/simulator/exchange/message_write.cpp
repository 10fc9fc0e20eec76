// Writing messages: by JSON or MIME, changes, moves, sending, deletions (contract, section 8.2).
#include "message_write.hpp"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "../world.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

response message_answer(const outlook_call& c, message_index m, int status) {
    message_style style;
    style.immutable = c.prefer.immutable;
    std::string one;
    append_message(one, c.box, m, style);
    response out = json_response(status, one);
    tell_preferences(c.prefer, false, out);
    return out;
}

bool good_address(const std::string& a) {
    auto at = a.find('@');
    return a.starts_with("/o=") ||
           (at != a.npos && at > 0 && at + 1 < a.size() && a.find_first_of(" <>,;") == a.npos);
}

/// Q87: an address in replyTo that is none is refused.
bool good_reply_to(const json& body) {
    for (const auto& one : body.value("replyTo", json::array())) {
        if (!good_address(one.value("emailAddress", json::object()).value("address", ""))) {
            return false;
        }
    }
    return true;
}

/// What of a body is kept: not what the service fills in itself, and times and headers are ignored (Q88).
json writable_message(json body) {
    for (const char* name :
         {"id", "changeKey", "createdDateTime", "lastModifiedDateTime", "receivedDateTime", "sentDateTime",
          "parentFolderId", "conversationId", "conversationIndex", "webLink", "hasAttachments", "isDraft",
          "bodyPreview", "uniqueBody", "internetMessageHeaders", "attachments", "isRead",
          "singleValueExtendedProperties", "multiValueExtendedProperties"}) {
        body.erase(name);
    }
    for (auto it = body.begin(); it != body.end();) {
        it = it.key().find('@') != std::string::npos ? body.erase(it) : std::next(it);
    }
    return body;
}

follow_up flag_in(const json& body) {
    std::string status = body.value("flag", json::object()).value("flagStatus", "notFlagged");
    return status == "flagged"    ? follow_up::flagged
           : status == "complete" ? follow_up::complete
                                  : follow_up::none;
}

/// Extended properties that a message is made with: flags make it no draft, times make it older.
void apply_extended(
    message& m, json& set, std::vector<std::pair<std::string, std::string>>& kept, const json& list
) {
    for (const auto& one : list) {
        std::string id = one.value("id", "");
        std::string value = one.value("value", "");
        if (iequals(id, "Integer 0x0E07") || iequals(id, "Integer 0xE07")) {
            int flags = std::atoi(value.c_str());
            bool draft = (flags & 8) != 0;
            m.flags = static_cast<std::uint8_t>(draft ? m.flags | message_draft : m.flags & ~message_draft);
            m.flags = static_cast<std::uint8_t>((flags & 1) != 0 ? m.flags | message_read : m.flags);
        } else if (iequals(id, "SystemTime 0x0E06") && parse_iso_time(value)) {
            m.received = static_cast<std::uint32_t>(std::max<std::int64_t>(0, *parse_iso_time(value)));
        } else if (iequals(id, "SystemTime 0x0039") && parse_iso_time(value)) {
            set["sentDateTime"] = iso_time(*parse_iso_time(value));
        } else {
            kept.emplace_back(std::move(id), std::move(value));
        }
    }
}

message fresh_message(const outlook_call& c, folder_index f) {
    message m;
    m.seed = mix(++c.w.serial);
    m.received = m.modified = m.created = static_cast<std::uint32_t>(c.w.now());
    m.folder = f;
    m.flags = message_own | message_draft | message_outgoing;
    return m;
}

response create_by_json(const outlook_call& c, folder_index f) {
    constexpr std::size_t largest_request = 4UL << 20;
    if (c.r.body.size() > largest_request) {
        return graph_error(413, "RequestEntityTooLarge", "The request is larger than 4 MB.");
    }
    json body = json::parse(c.r.body, nullptr, false);
    if (!body.is_object()) {
        return graph_error(400, "RequestBodyRead", "The request body is no JSON object.");
    }
    const std::string type = body.value("@odata.type", "#microsoft.graph.message");
    if (type != "#microsoft.graph.message") {
        return graph_error(400, "ErrorInvalidRequest", "Messages of this type cannot be created: " + type);
    }
    json extended = body.value("singleValueExtendedProperties", json::array());
    if (!extended.empty() &&
        (body.contains("id") || body.contains("changeKey") || body.contains("conversationId"))) {
        return graph_error(
            400, "ErrorInvalidRequest", "Requests must contain extension changes exclusively."
        );
    }
    if (!good_reply_to(body)) {
        return graph_error(400, "ErrorInvalidRecipients", "At least one recipient is not valid.");
    }
    message m = fresh_message(c, f);
    m.flags = static_cast<std::uint8_t>(body.value("isRead", false) ? m.flags | message_read : m.flags);
    m.flag = flag_in(body);
    json set = writable_message(body);
    std::vector<std::pair<std::string, std::string>> kept;
    apply_extended(m, set, kept, extended);
    message_index i = c.box.add_message(m);
    message_extra& e = c.box.make_extra(i);
    e.set = std::make_shared<json>(std::move(set));
    e.extended = std::move(kept);
    const auto attached =
        c.w.exchange.attachments_at_creation ? body.value("attachments", json::array()) : json::array();
    for (const auto& one : attached) {
        response refusal;
        if (!add_attachment(c.w, c.box, i, one, refusal)) {
            c.box.purge_message(i);
            return refusal;
        }
    }
    return message_answer(c, i, 201);
}

/// A header's first value, unfolded.
std::string header_of(const std::string& head, std::string_view name) {
    std::string folded = lower(head);
    auto at = folded.find("\n" + lower(name) + ":");
    if (at == head.npos) {
        return "";
    }
    at += name.size() + 2;
    std::string out;
    while (at < head.size()) {
        auto end = std::min(head.find("\r\n", at), head.size());
        out += head.substr(at, end - at);
        at = end + 2;
        if (at >= head.size() || (head[at] != ' ' && head[at] != '\t')) {
            break;
        }
    }
    out.erase(0, std::min(out.find_first_not_of(" \t"), out.size()));
    return out;
}

/// Base64 of MIME as text/plain makes a draft, whatever the MIME says.
response create_by_mime(const outlook_call& c, folder_index f) {
    std::string text = c.r.body;
    std::erase_if(text, [](char x) { return x == '\r' || x == '\n'; });
    auto mime = base64_decode(text);
    auto end = mime ? mime->find("\r\n\r\n") : std::string::npos;
    if (end == std::string::npos) {
        return graph_error(
            400, "ErrorMimeContentInvalidBase64String", "The MIME content is no base64 of a message."
        );
    }
    std::string head = "\n" + mime->substr(0, end + 2);
    message_index i = c.box.add_message(fresh_message(c, f));
    message_extra& e = c.box.make_extra(i);
    json set = {{"subject", header_of(head, "subject")}};
    std::string id = header_of(head, "message-id");
    if (!id.empty()) {
        set["internetMessageId"] = id;
    }
    std::string from = header_of(head, "from");
    auto open = from.rfind('<');
    std::string address = open == from.npos ? from : from.substr(open + 1, from.find('>', open) - open - 1);
    set["from"] = {{"emailAddress", {{"name", address}, {"address", address}}}};
    e.set = std::make_shared<json>(std::move(set));
    std::string path = c.w.content_path();
    std::FILE* file = std::fopen(path.c_str(), "wb");
    if (file == nullptr || std::fwrite(mime->data(), 1, mime->size(), file) != mime->size() ||
        std::fclose(file) != 0) {
        return graph_error(507, "ErrorQuotaExceeded", "The test tenant cannot store this message.");
    }
    e.mime.path = std::make_shared<const std::string>(std::move(path));
    e.mime.size = static_cast<std::int64_t>(mime->size());
    return message_answer(c, i, 201);
}

response patch_message(const outlook_call& c, message_index m) {
    json body = json::parse(c.r.body, nullptr, false);
    if (!body.is_object()) {
        return graph_error(400, "RequestBodyRead", "The request body is no JSON object.");
    }
    for (const char* name :
         {"subject", "body", "toRecipients", "ccRecipients", "bccRecipients", "from", "sender", "replyTo"}) {
        if (body.contains(name) && !c.box.at(m).has(message_draft) && !c.w.exchange.edit_received) {
            return graph_error(
                403, "ErrorAccessDenied",
                std::string("'") + name + "' of what is no draft needs Mail-Advanced.ReadWrite.All."
            );
        }
    }
    if (body.contains("flag")) {
        c.box.set_flag(m, flag_in(body));
    }
    bool read = body.value("isRead", c.box.at(m).has(message_read));
    json changes = writable_message(body);
    if (!changes.empty()) {
        message_extra& e = c.box.make_extra(m);
        json set = e.set ? *e.set : json::object();
        set.update(changes);
        e.set = std::make_shared<json>(std::move(set));
        c.box.touch(m, c.w.now());
    }
    c.box.set_read(m, read);
    return message_answer(c, m, 200);
}

/// To Deleted Items, from there to Recoverable Items; from there nothing is deleted.
response delete_message(const outlook_call& c, message_index m) {
    folder_index bin = c.box.find_well_known("deleteditems");
    folder_index recoverable = c.box.find_well_known("recoverableitemsdeletions");
    folder_index at = c.box.at(m).folder;
    if (!c.box.is_below(at, folder_root)) {
        return graph_error(403, "ErrorCannotDeleteObject", "Cannot delete the object.");
    }
    c.box.move_message(m, c.box.is_below(at, bin) ? recoverable : bin);
    return empty_response(204);
}

response send(const outlook_call& c, message_index m) {
    if (!c.box.at(m).has(message_draft)) {
        return graph_error(400, "ErrorInvalidRequest", "Only drafts can be sent.");
    }
    ++c.w.exchange.mails_sent;
    c.box.set_draft(m, false);
    c.box.move_message(m, c.box.find_well_known("sentitems"));
    return empty_response(202);
}

response act_on_message(const outlook_call& c, message_index m, const std::string& action) {
    if (action == "send") {
        return send(c, m);
    }
    if (action == "permanentDelete") {
        c.box.purge_message(m);
        return empty_response(204);
    }
    if (action != "move" && action != "copy") {
        return unknown_segment(action);
    }
    json body = json::parse(c.r.body, nullptr, false);
    std::string to = body.is_object() ? body.value("destinationId", "") : "";
    folder_index f = c.box.find_folder(to);
    if (f == nowhere) {
        return no_such_item(to);
    }
    if (action == "copy") {
        message copy = c.box.at(m);
        copy.folder = f;
        message_index i = c.box.add_message(copy);
        if (copy.has(message_extra_set)) {
            message_extra extra = *c.box.extra(m);
            c.box.make_extra(i) = std::move(extra);
        }
        return message_answer(c, i, 201);
    }
    c.box.move_message(m, f);
    return message_answer(c, m, 201);
}

}  // namespace

response write_messages(const outlook_call& c, folder_index f, std::size_t at) {
    const auto& s = c.rest;
    if (s.size() == at) {
        folder_index into = f == nowhere ? c.box.find_well_known("drafts") : f;
        if (c.r.method != "POST" || c.box.folder(into).search) {
            return graph_error(405, "Request_BadRequest", "Messages cannot be made here in this way.");
        }
        bool mime = c.r.header("content-type").starts_with("text/plain");
        return mime ? create_by_mime(c, into) : create_by_json(c, into);
    }
    message_index m = c.box.find_message(s[at]);
    if (m == nowhere) {
        return no_such_item(s[at]);
    }
    if (s.size() == at + 1 && c.r.method == "PATCH") {
        return patch_message(c, m);
    }
    if (s.size() == at + 1 && c.r.method == "DELETE") {
        return delete_message(c, m);
    }
    if (s.size() > at + 1 && c.r.method == "POST") {
        return s[at + 1] == "attachments" ? post_attachment(c, m, at + 2) : act_on_message(c, m, s[at + 1]);
    }
    return graph_error(
        405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target."
    );
}

}  // namespace m365stage::sim
