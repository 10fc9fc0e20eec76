#include "message_json.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "odata.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

enum field : unsigned {
    f_id,
    f_created,
    f_modified,
    f_change_key,
    f_categories,
    f_received,
    f_sent,
    f_has_attachments,
    f_internet_id,
    f_subject,
    f_preview,
    f_importance,
    f_parent,
    f_conversation,
    f_conversation_index,
    f_delivery_receipt,
    f_read_receipt,
    f_is_read,
    f_is_draft,
    f_web_link,
    f_inference,
    f_body,
    f_sender,
    f_from,
    f_to,
    f_cc,
    f_bcc,
    f_reply_to,
    f_flag,
    f_headers,
    f_unique_body,
    field_count
};

constexpr std::array<std::string_view, field_count> field_names = {
    "id",
    "createdDateTime",
    "lastModifiedDateTime",
    "changeKey",
    "categories",
    "receivedDateTime",
    "sentDateTime",
    "hasAttachments",
    "internetMessageId",
    "subject",
    "bodyPreview",
    "importance",
    "parentFolderId",
    "conversationId",
    "conversationIndex",
    "isDeliveryReceiptRequested",
    "isReadReceiptRequested",
    "isRead",
    "isDraft",
    "webLink",
    "inferenceClassification",
    "body",
    "sender",
    "from",
    "toRecipients",
    "ccRecipients",
    "bccRecipients",
    "replyTo",
    "flag",
    "internetMessageHeaders",
    "uniqueBody"
};

constexpr message_fields bit(unsigned f) {
    return message_fields{1} << f;
}

/// Members of an object, each behind its comma.
class members {
public:
    explicit members(std::string& out) : out_(out) { out_ += '{'; }
    void name(std::string_view n) {
        out_ += first_ ? "\"" : ",\"";
        first_ = false;
        out_ += n;
        out_ += "\":";
    }
    void text(std::string_view n, std::string_view value) {
        name(n);
        append_json(out_, value);
    }
    void time(std::string_view n, std::int64_t value) {
        name(n);
        out_ += '"';
        append_iso_time(out_, value);
        out_ += '"';
    }
    void yes_no(std::string_view n, bool value) {
        name(n);
        out_ += value ? "true" : "false";
    }
    void number(std::string_view n, std::int64_t value) {
        name(n);
        append_number(out_, value);
    }
    void close() { out_ += '}'; }

private:
    std::string& out_;
    bool first_ = true;
};

void append_person(std::string& out, const mail_address& a) {
    out += R"({"emailAddress":{"name":)";
    append_json(out, a.name);
    out += R"(,"address":)";
    append_json(out, a.address);
    out += "}}";
}

void append_people(std::string& out, const std::vector<mail_address>& list) {
    out += '[';
    for (std::size_t i = 0; i < list.size(); ++i) {
        out += i == 0 ? "" : ",";
        append_person(out, list[i]);
    }
    out += ']';
}

void append_body(std::string& out, const mail_view& v, bool as_text) {
    bool text = as_text || v.body_is_text;
    out += text ? R"({"contentType":"text","content":)" : R"({"contentType":"html","content":)";
    append_json(out, text ? v.text() : v.body);
    out += '}';
}

void append_flag(std::string& out, const mailbox& b, message_index m) {
    const message_extra* e = b.extra(m);
    follow_up f = b.at(m).flag;
    const char* status = f == follow_up::flagged    ? "flagged"
                         : f == follow_up::complete ? "complete"
                                                    : "notFlagged";
    if (e != nullptr && e->set && e->set->contains("flag") && (*e->set)["flag"].is_object()) {
        json full = (*e->set)["flag"];
        full["flagStatus"] = status;
        out += full.dump();
        return;
    }
    out += R"({"flagStatus":")" + std::string(status) + "\"}";
}

void append_headers(std::string& out, const mailbox& b, message_index m) {
    content c = mime_of(b, m);
    std::string head(static_cast<std::size_t>(std::min<std::int64_t>(c.size, 16384)), '\0');
    head.resize(content_reader(c).read(0, head.data(), head.size()));
    head.resize(std::min(head.find("\r\n\r\n"), head.size()));
    out += '[';
    bool first = true;
    for (std::size_t at = 0; at < head.size();) {
        std::size_t end = head.find("\r\n", at);
        while (end != head.npos && end + 2 < head.size() && (head[end + 2] == ' ' || head[end + 2] == '\t')) {
            end = head.find("\r\n", end + 2);
        }
        std::string line = head.substr(at, end == head.npos ? end : end - at);
        auto colon = line.find(':');
        if (colon != line.npos) {
            std::erase_if(line, [](char c2) { return c2 == '\r' || c2 == '\n'; });
            out += first ? "{\"name\":" : ",{\"name\":";
            first = false;
            append_json(out, line.substr(0, colon));
            out += ",\"value\":";
            append_json(out, line.substr(std::min(line.size(), line.find_first_not_of(" \t", colon + 1))));
            out += '}';
        }
        at = end == head.npos ? head.size() : end + 2;
    }
    out += ']';
}

void append_bookkeeping(members& o, const mailbox& b, message_index m, const message_style& s) {
    const message& it = b.at(m);
    auto wants = [&](unsigned f) { return (s.fields & bit(f)) != 0; };
    if (wants(f_created)) {
        o.time("createdDateTime", it.created);
    }
    if (wants(f_modified)) {
        o.time("lastModifiedDateTime", it.modified);
    }
    if (wants(f_change_key)) {
        o.text("changeKey", change_key(b, m));
    }
    if (wants(f_received)) {
        o.time("receivedDateTime", it.received);
    }
    if (wants(f_parent)) {
        o.text("parentFolderId", b.folder_id(it.folder));
    }
    if (wants(f_is_read)) {
        o.yes_no("isRead", it.has(message_read));
    }
    if (wants(f_is_draft)) {
        o.yes_no("isDraft", it.has(message_draft));
    }
    if (wants(f_delivery_receipt)) {
        o.yes_no("isDeliveryReceiptRequested", false);
    }
    if (wants(f_read_receipt)) {
        o.yes_no("isReadReceiptRequested", false);
    }
}

void append_words(members& o, std::string& out, const mail_view& v, const message_style& s) {
    auto wants = [&](unsigned f) { return (s.fields & bit(f)) != 0; };
    if (wants(f_sent)) {
        o.time("sentDateTime", v.sent);
    }
    if (wants(f_internet_id)) {
        o.text("internetMessageId", v.internet_id);
    }
    if (wants(f_subject)) {
        o.text("subject", v.subject);
    }
    if (wants(f_importance)) {
        o.text("importance", v.importance);
    }
    if (wants(f_has_attachments)) {
        o.yes_no("hasAttachments", v.has_attachments());
    }
    if (wants(f_conversation)) {
        o.text(
            "conversationId",
            "AAQkAGE" + base64url(hex64(v.conversation) + hex64(mix(v.conversation))) + "AAA="
        );
    }
    if (wants(f_conversation_index)) {
        o.text("conversationIndex", "AQH" + base64(hex64(v.conversation)));
    }
    if (wants(f_inference)) {
        o.text("inferenceClassification", "focused");
    }
    if (wants(f_categories)) {
        o.name("categories");
        out += json(v.categories).dump();
    }
    if (wants(f_preview)) {
        std::string text = v.text();
        std::size_t n = std::min<std::size_t>(255, text.size());
        while (n < text.size() && n > 0 && (static_cast<unsigned char>(text[n]) & 0xc0) == 0x80) {
            --n;
        }
        o.text("bodyPreview", text.substr(0, n));
    }
    if (wants(f_body)) {
        o.name("body");
        append_body(out, v, s.text_body);
    }
    if (wants(f_unique_body)) {
        o.name("uniqueBody");
        append_body(out, v, s.text_body);
    }
}

void append_persons(members& o, std::string& out, const mail_view& v, const message_style& s) {
    auto wants = [&](unsigned f) { return (s.fields & bit(f)) != 0; };
    if (v.has_from && wants(f_sender)) {
        o.name("sender");
        append_person(out, v.sender);
    }
    if (v.has_from && wants(f_from)) {
        o.name("from");
        append_person(out, v.from);
    }
    const std::pair<unsigned, const std::vector<mail_address>*> lists[] = {
        {f_to, &v.to}, {f_cc, &v.cc}, {f_bcc, &v.bcc}, {f_reply_to, &v.reply_to}
    };
    for (const auto& [f, list] : lists) {
        if (wants(f)) {
            o.name(field_names[f]);
            append_people(out, *list);
        }
    }
}

unsigned parts_of(const message_style& s) {
    constexpr message_fields people =
        bit(f_sender) | bit(f_from) | bit(f_to) | bit(f_cc) | bit(f_bcc) | bit(f_reply_to);
    constexpr message_fields bodies = bit(f_body) | bit(f_preview) | bit(f_unique_body);
    unsigned parts = (s.fields & people) != 0 ? compose_people : 0U;
    parts |= (s.fields & bodies) != 0 ? compose_body : 0U;
    return parts |
           ((s.fields & bit(f_has_attachments)) != 0 || s.expand_attachments ? compose_attachments : 0U);
}

void append_extended(
    std::string& out, const mailbox& b, message_index m, const std::vector<std::string>& ids
) {
    out += '[';
    bool first = true;
    for (const auto& id : ids) {
        std::string value = extended_value(b, m, id);
        if (!value.empty()) {
            out += first ? "{\"id\":" : ",{\"id\":";
            first = false;
            append_json(out, id);
            out += ",\"value\":";
            append_json(out, value);
            out += '}';
        }
    }
    out += ']';
}

}  // namespace

const message_fields message_fields_default = (bit(field_count) - 1) & ~(bit(f_headers) | bit(f_unique_body));

std::optional<message_fields> message_fields_of(const std::vector<std::string>& names, std::string& unknown) {
    message_fields out = bit(f_id);
    for (const auto& n : names) {
        auto at = std::find_if(field_names.begin(), field_names.end(), [&](std::string_view f) {
            return iequals(f, n);
        });
        if (at == field_names.end()) {
            unknown = n;
            return std::nullopt;
        }
        out |= bit(static_cast<unsigned>(at - field_names.begin()));
    }
    return out;
}

bool only_light(message_fields f) {
    constexpr message_fields light = bit(f_id) | bit(f_change_key) | bit(f_parent) | bit(f_received) |
                                     bit(f_modified) | bit(f_created) | bit(f_is_read);
    return (f & ~light) == 0;
}

std::string change_key(const mailbox& b, message_index m) {
    return "CQAAAB" + base64url(hex64(mix(b.seed + m)) + std::to_string(b.at(m).version));
}

void append_message(std::string& out, const mailbox& b, message_index m, const message_style& s) {
    const message& it = b.at(m);
    mail_view v = compose(b, m, parts_of(s));
    members o(out);
    if (v.meeting) {
        o.text("@odata.type", "#microsoft.graph.eventMessageRequest");
    } else if (s.annotate_type) {
        o.text("@odata.type", "#microsoft.graph.message");
    }
    o.text("@odata.etag", "W/\"" + change_key(b, m) + "\"");
    std::string id = b.message_id(m, s.immutable);
    o.text("id", id);
    append_bookkeeping(o, b, m, s);
    append_words(o, out, v, s);
    append_persons(o, out, v, s);
    if ((s.fields & bit(f_flag)) != 0) {
        o.name("flag");
        append_flag(out, b, m);
    }
    if ((s.fields & bit(f_web_link)) != 0) {
        o.text(
            "webLink", "https://outlook.office365.com/owa/?ItemID=" + url_encode(id) +
                           "&exvsurl=1&viewmodel=ReadMessageItem"
        );
    }
    if ((s.fields & bit(f_headers)) != 0 && !it.has(message_draft)) {
        o.name("internetMessageHeaders");
        append_headers(out, b, m);
    }
    if (v.meeting && s.fields == message_fields_default) {
        o.text("meetingMessageType", "meetingRequest");
    }
    if (!s.extended.empty()) {
        o.name("singleValueExtendedProperties");
        append_extended(out, b, m, s.extended);
    }
    if (s.expand_attachments) {
        o.name("attachments");
        out += '[';
        for (std::size_t i = 0; i < v.attachments.size(); ++i) {
            out += i == 0 ? "" : ",";
            append_attachment(out, b, m, v.attachments[i], s.immutable, true, false);
        }
        out += ']';
    }
    o.close();
}

void append_sparse(std::string& out, const mailbox& b, message_index m, bool immutable) {
    members o(out);
    o.text("@odata.type", "#microsoft.graph.message");
    o.text("id", b.message_id(m, immutable));
    o.yes_no("isRead", b.at(m).has(message_read));
    o.text("parentFolderId", b.folder_id(b.at(m).folder));
    // What else comes along differs.
    if (m % 3 == 1) {
        o.text("changeKey", change_key(b, m));
        o.time("receivedDateTime", b.at(m).received);
    } else if (m % 3 == 2) {
        const auto words = compose(b, m, 0);
        o.text("subject", words.subject);
        o.text("internetMessageId", words.internet_id);
    }
    o.close();
}

void append_attachment(
    std::string& out, const mailbox& b, message_index m, const attachment& a, bool immutable, bool with_bytes,
    bool with_item
) {
    static const char* types[] = {"fileAttachment", "itemAttachment", "referenceAttachment"};
    members o(out);
    o.text("@odata.type", std::string("#microsoft.graph.") + types[static_cast<int>(a.kind)]);
    if (a.kind == attachment_kind::file) {
        o.text("@odata.mediaContentType", a.content_type);
    }
    o.text("id", b.attachment_id(m, a.number, immutable));
    o.time("lastModifiedDateTime", a.modified);
    o.text("name", a.name);
    o.name("contentType");
    if (a.kind == attachment_kind::file) {
        append_json(out, a.content_type);
    } else {
        out += "null";
    }
    o.number(
        "size", a.kind == attachment_kind::item ? static_cast<std::int64_t>(mime_of_item(*a.item).size())
                                                : a.data.size + 150
    );
    o.yes_no("isInline", a.is_inline);
    if (a.kind == attachment_kind::file) {
        o.name("contentId");
        if (a.content_id.empty()) {
            out += "null";
        } else {
            append_json(out, a.content_id);
        }
        o.name("contentLocation");
        out += "null";
        if (with_bytes) {
            std::string bytes(static_cast<std::size_t>(a.data.size), '\0');
            bytes.resize(content_reader(a.data).read(0, bytes.data(), bytes.size()));
            o.text("contentBytes", base64(bytes));
        }
    }
    if (a.kind == attachment_kind::item && with_item) {
        o.name("item");
        out += dump(*a.item);
    }
    o.close();
}

void append_folder(
    std::string& out, const mailbox& b, folder_index f, const std::optional<std::vector<std::string>>& names,
    bool null_parents
) {
    const mail_folder& it = b.folder(f);
    const mail_folder& counted = it.search ? b.folder(it.source) : it;
    json j = {
        {"id", b.folder_id(f)},
        {"displayName", it.name},
        {"parentFolderId", b.folder_id(it.parent)},
        {"childFolderCount", b.children(f).size()},
        {"unreadItemCount", counted.unread},
        {"totalItemCount", counted.total},
        {"sizeInBytes", static_cast<std::int64_t>(counted.total) * 4096},
        {"isHidden", it.hidden}
    };
    if (null_parents && it.parent == folder_root) {
        j["parentFolderId"] = nullptr;
    }
    if (it.search) {
        j["@odata.type"] = "#microsoft.graph.mailSearchFolder";
        j["isSupported"] = true;
        j["includeNestedFolders"] = false;
        j["sourceFolderIds"] = json::array({b.folder_id(it.source)});
        j["filterQuery"] = "isRead eq false";
    }
    keep_selected(j, names);
    out += dump(j);
}

std::string extended_value(const mailbox& b, message_index m, std::string_view id) {
    const message& it = b.at(m);
    const message_extra* e = b.extra(m);
    if (e != nullptr) {
        for (const auto& [name, value] : e->extended) {
            if (iequals(name, id)) {
                return value;
            }
        }
    }
    if (iequals(id, "Integer 0x0E07") || iequals(id, "Integer 0xE07")) {
        int flags = (it.has(message_read) ? 1 : 0) + (it.has(message_draft) ? 8 : 0);
        return std::to_string(flags + (compose(b, m, compose_attachments).has_attachments() ? 16 : 0));
    }
    if (iequals(id, "Integer 0x0E08") || iequals(id, "Long 0x0E08")) {
        return std::to_string(mime_of(b, m).size);
    }
    if (iequals(id, "SystemTime 0x0E06")) {
        return iso_time(it.received);
    }
    if (iequals(id, "SystemTime 0x0039")) {
        return iso_time(compose(b, m, 0).sent);
    }
    if (iequals(id, "String 0x1035")) {
        return compose(b, m, 0).internet_id;
    }
    if (iequals(id, "String 0x001A")) {
        return compose(b, m, 0).meeting ? "IPM.Schedule.Meeting.Request" : "IPM.Note";
    }
    return "";
}

}  // namespace m365stage::sim
