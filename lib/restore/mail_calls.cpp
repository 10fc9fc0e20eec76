#include "restore/mail_calls.hpp"

#include <nlohmann/json.hpp>

#include "core/hash.hpp"
#include "sources/fields.hpp"
#include "sources/outlook.hpp"

namespace m365stage::restore {
namespace {

using nlohmann::json;

constexpr unsigned messages_a_page = 250;
constexpr unsigned folders_a_page = 100;
constexpr const char* compared_messages =
    "$select=id,changeKey,internetMessageId,subject,from,sentDateTime,receivedDateTime,isRead,isDraft,flag,"
    "hasAttachments,importance,categories";

}  // namespace

const char* const mark_property = "String {6e1f4b52-7d0c-4f0e-9a53-2c8be1d3a7f4} Name m365stage.restored";

std::string mark_of(const std::string& remote_id) {
    return core::short_tag(remote_id, 26);
}

std::string odata_text(std::string_view text) {
    std::string out = "'";
    for (const char c : text) {
        out += c == '\'' ? "''" : std::string(1, c);
    }
    return out + "'";
}

mail_calls::mail_calls(std::string owner_id)
    : owner_(std::move(owner_id)), base_(sources::mailbox_address("user", owner_)) {}

graph::call mail_calls::ask(std::string path, std::string object, unsigned page_size) const {
    return sources::mailbox_call(owner_, base_ + path, std::move(object), page_size);
}

graph::call mail_calls::folder(const std::string& id, std::string object) const {
    return ask(
        "/mailFolders/" + sources::segment(id) + "?$select=id,displayName,parentFolderId", std::move(object)
    );
}

graph::call mail_calls::child_folders(const std::string& parent, std::string object) const {
    return ask(
        "/mailFolders/" + sources::segment(parent) +
            "/childFolders?includeHiddenFolders=true&$select=id,displayName,parentFolderId",
        std::move(object), folders_a_page
    );
}

graph::call mail_calls::make_folder(const std::string& parent, const json& body, std::string object) const {
    auto c = ask("/mailFolders/" + sources::segment(parent) + "/childFolders", std::move(object));
    c.verb = http::method::post;
    c.body = sources::canonical(body);
    c.idempotent = false;
    return c;
}

graph::call mail_calls::messages(const std::string& folder, bool marks, std::string object) const {
    std::string path = "/mailFolders/" + sources::segment(folder) + "/messages?" + compared_messages;
    if (marks) {
        path +=
            "&$expand=" + http::percent_encode(
                              "singleValueExtendedProperties($filter=id eq " + odata_text(mark_property) + ")"
                          );
    }
    return ask(std::move(path), std::move(object), messages_a_page);
}

graph::call mail_calls::matching(
    const std::string& folder, const std::string& filter, bool marks, std::string object
) const {
    auto c = messages(folder, marks, std::move(object));
    c.target += "&$filter=" + http::percent_encode(filter);
    return c;
}

graph::call mail_calls::message(const std::string& id, std::string object) const {
    return ask(
        "/messages/" + sources::segment(id) + "?" + compared_messages + ",parentFolderId", std::move(object)
    );
}

graph::call mail_calls::create(const std::string& folder, std::string object) const {
    auto c = ask("/mailFolders/" + sources::segment(folder) + "/messages", std::move(object));
    c.verb = http::method::post;
    c.idempotent = false;
    return c;
}

graph::call mail_calls::remove(const std::string& message, std::string object) const {
    auto c = ask("/messages/" + sources::segment(message), std::move(object));
    c.verb = http::method::del;
    return c;
}

graph::call mail_calls::attachments(const std::string& message, std::string object) const {
    return ask(
        "/messages/" + sources::segment(message) + "/attachments?$select=id,name,size,contentType",
        std::move(object)
    );
}

graph::call mail_calls::attachment_bytes(
    const std::string& message, const std::string& attachment, std::string object
) const {
    return ask(
        "/messages/" + sources::segment(message) + "/attachments/" + sources::segment(attachment) + "/$value",
        std::move(object)
    );
}

graph::call mail_calls::add_attachment(const std::string& message, std::string object) const {
    auto c = ask("/messages/" + sources::segment(message) + "/attachments", std::move(object));
    c.verb = http::method::post;
    c.idempotent = false;
    return c;
}

graph::call mail_calls::begin_upload(const std::string& message, const json& body, std::string object) const {
    auto c =
        ask("/messages/" + sources::segment(message) + "/attachments/createUploadSession", std::move(object));
    c.verb = http::method::post;
    c.body = sources::canonical(body);
    return c;
}

}  // namespace m365stage::restore
