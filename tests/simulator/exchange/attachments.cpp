#include "attachments.hpp"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "../world.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

constexpr std::int64_t attachment_most = 3LL * 1024 * 1024;
constexpr std::int64_t attachment_session_most = 150LL * 1024 * 1024;

}  // namespace

response cannot_open() {
    return graph_error(
        500, "ErrorCannotOpenFileAttachment",
        "OLE conversion failed for an attachment. The attachment cannot be opened."
    );
}

std::string text_in(const json& j, const char* key) {
    return j.contains(key) && j[key].is_string() ? j[key].get<std::string>() : std::string();
}

bool append_bytes(const std::string& path, std::string_view bytes) {
    std::FILE* f = std::fopen(path.c_str(), "ab");
    if (f == nullptr) {
        return false;
    }
    bool good = std::fwrite(bytes.data(), 1, bytes.size(), f) == bytes.size();
    return std::fclose(f) == 0 && good;
}

bool read_attachment(world& w, const json& j, attachment& a, response& refusal) {
    std::string type = text_in(j, "@odata.type");
    a.name = text_in(j, "name");
    a.is_inline = j.value("isInline", false);
    a.content_id = text_in(j, "contentId");
    if (type.ends_with("itemAttachment")) {
        a.kind = attachment_kind::item;
        if (!j.contains("item") || !j["item"].is_object()) {
            refusal = graph_error(400, "ErrorInvalidRequest", "An item attachment needs its item.");
            return false;
        }
        a.item = std::make_shared<json>(j["item"]);
    } else if (type.ends_with("fileAttachment")) {
        auto bytes = base64_decode(text_in(j, "contentBytes"));
        if (!bytes || a.name.empty()) {
            refusal =
                graph_error(400, "ErrorInvalidRequest", "A file attachment needs a name and contentBytes.");
            return false;
        }
        if (static_cast<std::int64_t>(bytes->size()) > attachment_most) {
            refusal = graph_error(413, "RequestEntityTooLarge", "The attachment is larger than 3 MB.");
            return false;
        }
        std::string type_given = text_in(j, "contentType");
        a.content_type = type_given.empty() ? a.content_type : type_given;
        std::string path = w.content_path();
        if (!append_bytes(path, *bytes)) {
            refusal = graph_error(507, "ErrorQuotaExceeded", "The test tenant cannot store this attachment.");
            return false;
        }
        a.data.path = std::make_shared<const std::string>(std::move(path));
        a.data.size = static_cast<std::int64_t>(bytes->size());
    } else {
        refusal =
            graph_error(400, "ErrorInvalidRequest", "Attachments of this type cannot be created: " + type);
        return false;
    }
    return true;
}

response open_upload(const outlook_call& c, const json& body, attachment_upload up) {
    const json item = body.value("AttachmentItem", json::object());
    std::int64_t size = item.value("size", std::int64_t{0});
    if (text_in(item, "name").empty() || size <= 0) {
        return graph_error(
            400, "ErrorInvalidRequest", "An upload session needs AttachmentItem with name and size."
        );
    }
    if (size > attachment_session_most) {
        return graph_error(413, "ErrorAttachmentSizeLimitExceeded", "The attachment is larger than 150 MB.");
    }
    up.mailbox = c.box.number;
    up.what.name = text_in(item, "name");
    up.what.content_id = text_in(item, "contentId");
    up.what.is_inline = item.value("isInline", false);
    std::string type = text_in(item, "contentType");
    up.what.content_type = type.empty() ? up.what.content_type : type;
    up.what.data.size = size;
    up.path = c.w.content_path();
    std::string id = c.w.fresh_id();
    c.w.exchange.uploads[id] = std::move(up);
    json out = {
        {"@odata.context", c.r.origin() + "/v1.0/$metadata#microsoft.graph.uploadSession"},
        {"uploadUrl", c.w.files_origin + "/_upload/" + id + "?authtoken=" + hex64(hash_of(id))},
        {"expirationDateTime", iso_time(c.w.now() + 3600)},
        {"nextExpectedRanges", {"0-"}}
    };
    return json_response(201, dump(out));
}

}  // namespace m365stage::sim
