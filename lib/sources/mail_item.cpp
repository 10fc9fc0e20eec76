#include "sources/mail_item.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "core/hash.hpp"
#include "core/time.hpp"
#include "sources/fields.hpp"
#include "sources/object_writer.hpp"
#include "sources/outlook.hpp"
#include "tree/names.hpp"

namespace m365stage::sources {
namespace {

using graph::flat_value;
using nlohmann::json;

constexpr std::array message_kept{
    "bccRecipients",
    "bodyPreview",
    "categories",
    "ccRecipients",
    "conversationId",
    "conversationIndex",
    "createdDateTime",
    "flag",
    "from",
    "hasAttachments",
    "importance",
    "inferenceClassification",
    "internetMessageId",
    "isDeliveryReceiptRequested",
    "isDraft",
    "isRead",
    "isReadReceiptRequested",
    "receivedDateTime",
    "replyTo",
    "sender",
    "sentDateTime",
    "subject",
    "toRecipients",
};

/// What the MIME has as well.
constexpr std::array in_content{"bccRecipients",  "bodyPreview",  "ccRecipients",      "from",
                                "hasAttachments", "importance",   "internetMessageId", "replyTo",
                                "sender",         "sentDateTime", "subject",           "toRecipients"};

/// What every message has, drafts too, and never as null: a whole element tells all of these, even where the
/// service leaves out what is null. An element that tells what changed lacks at least one of them.
constexpr std::array always_told{"hasAttachments", "isDraft", "isRead", "lastModifiedDateTime"};

/// Left out are changeKey and lastModifiedDateTime of what was sent or received: they move when it is moved.
std::string metadata_of(const flat_value& message) {
    object_writer out;
    // Meeting requests and their like.
    const auto type = message.member("@odata.type");
    if (type.is_string() && !type.text().empty() && type.text() != "#microsoft.graph.message") {
        out.add("@odata.type", type);
    }
    out.keep(message, message_kept);
    if (!message.member("isDraft").is_true()) {
        return out.finish();
    }
    auto draft = json::parse(out.finish());
    object_writer more;
    more.keep(message, std::array{"changeKey", "lastModifiedDateTime"});
    draft.update(json::parse(more.finish()));
    return canonical(draft);
}

std::string content_key(const flat_value& message) {
    if (message.member("isDraft").is_true()) {
        return "draft " + std::string(message.member("changeKey").text());
    }
    object_writer out;
    out.keep(message, in_content);
    return "mime " + core::short_tag(out.finish());
}

core::unix_seconds time_of(const flat_value& message) {
    for (const char* key : {"receivedDateTime", "sentDateTime", "createdDateTime"}) {
        if (const auto t = core::parse_timestamp(message.member(key).text())) {
            return core::clamp_mtime(*t);
        }
    }
    return 0;
}

}  // namespace

std::string_view message_members() {
    static const auto all = selection("changeKey,lastModifiedDateTime,parentFolderId", message_kept);
    return all;
}

std::optional<index::item_change> parse_mail_folder(const json& element) {
    auto c = change_of(element);
    if (!c || text(element, "@odata.type") == "#microsoft.graph.mailSearchFolder") {
        return std::nullopt;
    }
    if (c->removed) {
        return c;
    }
    c->type = index::item_type::folder;
    c->parent_remote_id = text(element, "parentFolderId");
    c->name = text(element, "displayName");
    if (c->parent_remote_id.empty() || c->parent_remote_id == c->remote_id) {
        return std::nullopt;
    }
    constexpr std::array told{"isHidden", "wellKnownName"};
    c->meta = c->mark = canonical(chosen(element, told));
    return c;
}

bool is_sparse_message(const json& element) {
    return element.is_object() && !is_removed(element) &&
           !std::all_of(always_told.begin(), always_told.end(), [&](const char* key) {
               return element.contains(key);
           });
}

bool is_sparse_message(const flat_value& element) {
    return element.is_object() && !is_removed(element) &&
           !std::all_of(always_told.begin(), always_told.end(), [&](const char* key) {
               return element.has(key);
           });
}

std::string message_content_key(const json& meta) {
    const auto flat = graph::flat_json::parse(canonical(meta));
    return content_key(flat ? flat->root() : flat_value());
}

std::string message_file_name(
    core::unix_seconds received, std::string_view subject, std::string_view remote_id
) {
    // "2026-11-23T09:15:02Z" without what file systems and people dislike.
    const auto t = core::format_timestamp(received);
    const auto stamp = t.substr(0, 4) + t.substr(5, 2) + t.substr(8, 2) + "-" + t.substr(11, 2) +
                       t.substr(14, 2) + t.substr(17, 2);
    constexpr std::size_t longest_subject = 120;
    constexpr std::size_t tag_length = 10;
    return stamp + "_" + tree::readable(subject, longest_subject, "no subject") + "_" +
           core::short_tag(remote_id, tag_length) + ".eml";
}

std::optional<index::item_change> parse_message(const flat_value& element, const std::string& folder) {
    index::item_change c;
    c.remote_id = element.member("id").text();
    if (c.remote_id.empty()) {
        return std::nullopt;
    }
    c.removed = is_removed(element);
    if (c.removed) {
        return c;
    }
    c.type = index::item_type::file;
    c.parent_remote_id = element.member("parentFolderId").text();
    if (c.parent_remote_id.empty()) {
        c.parent_remote_id = folder;
    }
    c.mtime = time_of(element);
    c.subfolder = core::format_timestamp(c.mtime).substr(0, 7);
    c.name = message_file_name(c.mtime, element.member("subject").text(), c.remote_id);
    c.etag = element.member("changeKey").text();
    c.etag_is_exact = true;
    c.etag_tells_place = true;
    c.content = true;
    c.hash = content_key(element);
    c.meta = c.mark = metadata_of(element);
    return c;
}

std::optional<index::item_change> parse_message(const json& element, const std::string& folder) {
    const auto flat = graph::flat_json::parse(canonical(element));
    return flat ? parse_message(flat->root(), folder) : std::nullopt;
}

}  // namespace m365stage::sources
