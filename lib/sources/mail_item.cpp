#include "sources/mail_item.hpp"

#include <array>
#include <nlohmann/json.hpp>

#include "core/hash.hpp"
#include "core/time.hpp"
#include "sources/fields.hpp"
#include "sources/outlook.hpp"
#include "tree/names.hpp"

namespace m365stage::sources {
namespace {

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

/// Left out are changeKey and lastModifiedDateTime of what was sent or received: they move when it is moved.
json metadata_of(const json& message) {
    json out = chosen(message, message_kept);
    if (is_true(message, "isDraft")) {
        constexpr std::array of_drafts{"changeKey", "lastModifiedDateTime"};
        out.update(chosen(message, of_drafts));
    }
    // Meeting requests and their like.
    if (const auto type = text(message, "@odata.type"); !type.empty() && type != "#microsoft.graph.message") {
        out["@odata.type"] = type;
    }
    return out;
}

core::unix_seconds time_of(const json& message) {
    for (const char* key : {"receivedDateTime", "sentDateTime", "createdDateTime"}) {
        if (const auto t = core::parse_timestamp(text(message, key))) {
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
    return element.is_object() && !element.contains("@removed") && !element.contains("subject") &&
           !element.contains("internetMessageId") && !element.contains("receivedDateTime");
}

std::string message_content_key(const json& meta) {
    if (is_true(meta, "isDraft")) {
        return "draft " + text(meta, "changeKey");
    }
    return "mime " + core::short_tag(canonical(chosen(meta, in_content)));
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

std::optional<index::item_change> parse_message(const json& element, const std::string& folder) {
    auto c = change_of(element);
    if (!c || c->removed) {
        return c;
    }
    c->type = index::item_type::file;
    c->parent_remote_id = text(element, "parentFolderId");
    if (c->parent_remote_id.empty()) {
        c->parent_remote_id = folder;
    }
    c->mtime = time_of(element);
    c->subfolder = core::format_timestamp(c->mtime).substr(0, 7);
    c->name = message_file_name(c->mtime, text(element, "subject"), c->remote_id);
    c->etag = text(element, "changeKey");
    c->etag_is_exact = true;
    c->etag_tells_place = true;
    c->content = true;
    const auto meta = metadata_of(element);
    c->hash = message_content_key(meta);
    c->meta = c->mark = canonical(meta);
    return c;
}

}  // namespace m365stage::sources
