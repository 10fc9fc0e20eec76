#include "restore/mail_json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "restore/mail_calls.hpp"
#include "sources/fields.hpp"

namespace m365stage::restore {
namespace {

using nlohmann::json;
using sources::is_true;
using sources::member;
using sources::text;

// Bits of 0x0E07, PR_MESSAGE_FLAGS: that of drafts (8) is never set here.
constexpr int flag_read = 1, flag_sent = 4;

std::string address_in(const json& recipient) {
    const auto* address = member(recipient, "emailAddress");
    return address == nullptr ? "" : text(*address, "address");
}

json recipient(const mime_person& p) {
    return {{"emailAddress", {{"name", p.name.empty() ? p.address : p.name}, {"address", p.address}}}};
}

/// A recipient without anything but name and address; null if it has neither.
json clean_recipient(const json& one) {
    const auto* address = member(one, "emailAddress");
    mime_person p;
    if (address != nullptr) {
        p.name = clean_text(text(*address, "name"), "utf-8");
        p.address = clean_text(text(*address, "address"), "utf-8");
    }
    return p.name.empty() && p.address.empty() ? json() : recipient(p);
}

json recipients(const json* staged, const std::vector<mime_person>& mime) {
    json out = json::array();
    if (staged == nullptr || !staged->is_array()) {
        for (const auto& p : mime) {
            out.push_back(recipient(p));
        }
        return out;
    }
    for (const auto& one : *staged) {
        if (auto clean = clean_recipient(one); !clean.is_null()) {
            out.push_back(std::move(clean));
        }
    }
    return out;
}

void set_person(json& out, const char* key, const json* staged, const std::vector<mime_person>& mime) {
    auto who = staged == nullptr ? json() : clean_recipient(*staged);
    if (who.is_null() && staged == nullptr && !mime.empty()) {
        who = recipient(mime.front());
    }
    if (!who.is_null()) {
        out[key] = std::move(who);
    }
}

void set_people(json& out, const json& staged, const mime_words& w) {
    set_person(out, "from", member(staged, "from"), w.from);
    set_person(out, "sender", member(staged, "sender"), w.sender.empty() ? w.from : w.sender);
    out["toRecipients"] = recipients(member(staged, "toRecipients"), w.to);
    out["ccRecipients"] = recipients(member(staged, "ccRecipients"), w.cc);
    out["bccRecipients"] = recipients(member(staged, "bccRecipients"), w.bcc);
    auto reply = recipients(member(staged, "replyTo"), w.reply_to);
    for (auto it = reply.begin(); it != reply.end();) {
        it = is_reply_address(address_in(*it)) ? std::next(it) : reply.erase(it);
    }
    out["replyTo"] = std::move(reply);
}

void add_property(json& list, const char* id, std::string value) {
    if (!value.empty()) {
        list.push_back({{"id", id}, {"value", std::move(value)}});
    }
}

std::string time_text(const json& staged, const char* key, std::optional<core::unix_seconds> instead) {
    const auto t = core::parse_timestamp(text(staged, key));
    return t ? core::format_timestamp(*t) : instead ? core::format_timestamp(*instead) : std::string();
}

json properties(const json& staged, const mime_file& mime, const std::string& mark, bool draft) {
    const auto& w = mime.words();
    json out = json::array();
    if (!draft) {
        add_property(
            out, "Integer 0x0E07", std::to_string(flag_sent + (is_true(staged, "isRead") ? flag_read : 0))
        );
        add_property(out, "String 0x007D", mime.head());
    }
    add_property(out, "SystemTime 0x0039", time_text(staged, "sentDateTime", w.date));
    add_property(out, "SystemTime 0x0E06", time_text(staged, "receivedDateTime", w.date));
    add_property(out, "String 0x1042", w.in_reply_to);
    add_property(out, "String 0x1039", w.references);
    add_property(out, mark_property, mark);
    return out;
}

/// Every text in it without control characters.
json clean(const json& value) {
    if (value.is_string()) {
        return clean_text(value.get<std::string>(), "utf-8");
    }
    json out = value;
    if (value.is_structured()) {
        for (auto& one : out) {
            one = clean(one);
        }
    }
    return out;
}

bool has_control(std::string_view s) {
    return std::any_of(s.begin(), s.end(), [](char c) {
        return static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) == 0x7f;
    });
}

}  // namespace

bool is_reply_address(std::string_view address) {
    if (has_control(address)) {
        return false;
    }
    if (address.starts_with("/o=")) {
        return address.find("/cn=") != std::string_view::npos;
    }
    const auto at = address.find('@');
    return at != std::string_view::npos && at > 0 && at + 1 < address.size() &&
           address.find('@', at + 1) == std::string_view::npos &&
           address.find_first_of("<>,;()[]\\\"") == std::string_view::npos;
}

std::optional<remote_message> parse_remote_message(const json& message, std::string id) {
    remote_message m;
    m.id = id.empty() ? text(message, "id") : std::move(id);
    if (m.id.empty()) {
        return std::nullopt;
    }
    m.internet_id = text(message, "internetMessageId");
    m.subject = clean_text(text(message, "subject"), "utf-8");
    if (const auto* from = member(message, "from")) {
        m.from = address_in(*from);
    }
    m.importance = text(message, "importance");
    m.change_key = text(message, "changeKey");
    if (const auto* flag = member(message, "flag")) {
        m.flag = text(*flag, "flagStatus");
    }
    const auto* categories = member(message, "categories");
    m.categories = categories == nullptr ? "[]" : sources::canonical(*categories);
    m.sent = core::parse_timestamp(text(message, "sentDateTime"));
    m.received = core::parse_timestamp(text(message, "receivedDateTime"));
    m.read = is_true(message, "isRead");
    m.draft = is_true(message, "isDraft");
    m.attachments = is_true(message, "hasAttachments");
    const auto* extended = member(message, "singleValueExtendedProperties");
    for (const auto& one : extended != nullptr && extended->is_array() ? *extended : json::array()) {
        // The service may write the parts of the name in another case.
        const auto name = text(one, "id");
        m.mark = name.ends_with("m365stage.restored") ? text(one, "value") : m.mark;
    }
    return m;
}

json message_to_create(const json& staged, const mime_file& mime, const std::string& mark) {
    const auto& w = mime.words();
    const bool draft = is_true(staged, "isDraft");
    json out = json::object();
    out["subject"] =
        member(staged, "subject") == nullptr ? w.subject : clean_text(text(staged, "subject"), "utf-8");
    out["body"] = {{"contentType", w.html ? "html" : "text"}, {"content", w.body}};
    set_people(out, staged, w);
    out["isRead"] = is_true(staged, "isRead");
    for (const char* key : {"flag", "categories", "importance", "inferenceClassification"}) {
        if (const auto* value = member(staged, key)) {
            out[key] = clean(*value);
        }
    }
    const auto id = text(staged, "internetMessageId");
    if (!id.empty() || !w.message_id.empty()) {
        out["internetMessageId"] = id.empty() ? w.message_id : id;
    }
    for (const char* key : {"isDeliveryReceiptRequested", "isReadReceiptRequested"}) {
        if (draft && is_true(staged, key)) {
            out[key] = true;
        }
    }
    out["singleValueExtendedProperties"] = properties(staged, mime, mark, draft);
    return out;
}

json item_to_attach(const mime_words& w) {
    json out{
        {"@odata.type", "#microsoft.graph.message"},
        {"subject", w.subject},
        {"body", {{"contentType", w.html ? "html" : "text"}, {"content", w.body}}}
    };
    set_people(out, json::object(), w);
    if (!w.message_id.empty()) {
        out["internetMessageId"] = w.message_id;
    }
    if (w.date) {
        out["sentDateTime"] = core::format_timestamp(*w.date);
        out["receivedDateTime"] = core::format_timestamp(*w.date);
    }
    return out;
}

std::string file_name_of(const mime_part& part) {
    const bool eml = part.kind == mime_part::what::message && !part.name.ends_with(".eml");
    return part.name + (eml ? ".eml" : "");
}

json file_to_attach(const mime_part& part) {
    json out{
        {"@odata.type", "#microsoft.graph.fileAttachment"},
        {"name", file_name_of(part)},
        {"contentType", part.content_type},
        {"isInline", part.is_inline}
    };
    if (!part.content_id.empty()) {
        out["contentId"] = part.content_id;
    }
    return out;
}

bool is_same_message(const remote_message& wanted, const remote_message& there) {
    const bool touched = wanted.draft && !wanted.change_key.empty() && wanted.change_key != there.change_key;
    return wanted.internet_id == there.internet_id && wanted.subject == there.subject &&
           wanted.from == there.from && wanted.sent == there.sent && wanted.draft == there.draft &&
           wanted.attachments == there.attachments && !touched;
}

std::string difference(const remote_message& wanted, const remote_message& there, bool settable) {
    std::string out;
    auto tell = [&out](bool differs, const char* what) {
        out += differs ? (out.empty() ? "" : ", ") + std::string(what) : "";
    };
    const bool fixed = settable || !wanted.draft;  // a draft's owner may change everything
    tell(fixed && wanted.subject != there.subject, "subject");
    tell(fixed && wanted.sent && wanted.sent != there.sent, "time sent");
    tell(fixed && wanted.received && wanted.received != there.received, "time received");
    tell(wanted.draft != there.draft, "draft or not");
    if (!settable) {
        return out;
    }
    tell(wanted.read != there.read, "read state");
    tell(!wanted.flag.empty() && wanted.flag != there.flag, "flag");
    tell(wanted.categories != there.categories, "categories");
    tell(!wanted.importance.empty() && wanted.importance != there.importance, "importance");
    return out;
}

}  // namespace m365stage::restore
