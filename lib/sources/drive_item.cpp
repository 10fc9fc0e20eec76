#include "sources/drive_item.hpp"

#include <array>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/time.hpp"
#include "sources/fields.hpp"

namespace m365stage::sources {
namespace {

using nlohmann::json;

/// Sizes as announced; negative and absurd ones count as unknown (0), the bytes decide.
std::int64_t size_of(const json& object) {
    const auto* value = member(object, "size");
    if (value == nullptr || !value->is_number_integer()) {
        return 0;
    }
    if (value->is_number_unsigned()) {
        constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
        const auto n = value->get<std::uint64_t>();
        return n <= most ? static_cast<std::int64_t>(n) : 0;
    }
    return std::max<std::int64_t>(0, value->get<std::int64_t>());
}

index::item_type type_of(const json& item) {
    if (member(item, "remoteItem") != nullptr) {
        return index::item_type::shortcut;
    }
    if (member(item, "package") != nullptr) {
        return index::item_type::package;
    }
    if (member(item, "folder") != nullptr || member(item, "root") != nullptr) {
        return index::item_type::folder;
    }
    return index::item_type::file;
}

/// fileSystemInfo.lastModifiedDateTime, or the service's own time where that is missing or unreadable.
core::unix_seconds mtime_of(const json& item) {
    const auto* info = member(item, "fileSystemInfo");
    if (info != nullptr) {
        if (auto t = core::parse_timestamp(text(*info, "lastModifiedDateTime"))) {
            return core::clamp_mtime(*t);
        }
    }
    return core::clamp_mtime(core::parse_timestamp(text(item, "lastModifiedDateTime")).value_or(0));
}

/// The quickXorHash; absent ones and the all-A string of items without content count as unknown
/// (contract 5.4).
std::string hash_of(const json& item) {
    const auto* file = member(item, "file");
    const auto* hashes = file != nullptr ? member(*file, "hashes") : nullptr;
    auto hash = hashes != nullptr ? text(*hashes, "quickXorHash") : std::string();
    if (hash == "AAAAAAAAAAAAAAAAAAAAAAAAAAA=") {
        hash.clear();
    }
    return hash;
}

/// Members that a restore or a person needs and that stay as they are while nobody changes the item. Left out
/// on purpose: eTag and cTag (move by themselves), webUrl and parentReference.path (move with an ancestor's
/// name), size and childCount of folders, download URLs (secret), media facets (derived from the content).
json metadata_of(const json& item, index::item_type type) {
    static constexpr std::array kept{"createdBy",      "createdDateTime", "description",
                                     "fileSystemInfo", "lastModifiedBy",  "lastModifiedDateTime",
                                     "malware",        "package",         "publication",
                                     "remoteItem",     "retentionLabel",  "shared",
                                     "specialFolder"};
    json out = json::object();
    for (const char* key : kept) {
        if (const auto* value = member(item, key)) {
            out[key] = *value;
        }
    }
    if (const auto* parent = member(item, "parentReference")) {
        for (const char* key : {"driveId", "driveType", "siteId"}) {
            if (const auto* value = member(*parent, key)) {
                out["parentReference"][key] = *value;
            }
        }
    }
    if (type == index::item_type::file) {
        out["size"] = size_of(item);
        if (const auto* file = member(item, "file")) {
            for (const char* key : {"mimeType", "hashes"}) {
                if (const auto* value = member(*file, key)) {
                    out["file"][key] = *value;
                }
            }
        }
    }
    if (auto* remote = out.contains("remoteItem") ? &out["remoteItem"] : nullptr;
        remote != nullptr && remote->is_object()) {
        for (const char* key :
             {"@microsoft.graph.downloadUrl", "webUrl", "size", "eTag", "cTag", "lastModifiedDateTime"}) {
            remote->erase(key);
        }
    }
    return out;
}

void read_refusal(const json& item, index::item_change& c) {
    if (member(item, "malware") != nullptr) {
        c.refusal = "malware";
        c.refusal_text = "Microsoft 365 found malware in the file and does not serve it";
    } else if (c.type == index::item_type::file && member(item, "file") == nullptr && c.url.empty()) {
        c.refusal = "unsupported";
        c.refusal_text = "the item is neither file nor folder and has no download address";
    }
}

}  // namespace

std::optional<index::item_change> parse_drive_item(const json& element) {
    index::item_change c;
    c.remote_id = text(element, "id");
    if (c.remote_id.empty()) {
        return std::nullopt;
    }
    // Tombstones carry the facet; feeds of other services mark with @removed (contract 4.2): both are taken.
    if (member(element, "deleted") != nullptr || member(element, "@removed") != nullptr) {
        c.removed = true;
        return c;
    }
    c.root = member(element, "root") != nullptr;
    c.type = type_of(element);
    c.name = text(element, "name");
    if (const auto* parent = member(element, "parentReference"); parent != nullptr && !c.root) {
        c.parent_remote_id = text(*parent, "id");
    }
    if (!c.root && (c.parent_remote_id.empty() || c.parent_remote_id == c.remote_id)) {
        return std::nullopt;  // no place in any folder; a full round would bring it again
    }
    c.size = size_of(element);
    c.mtime = mtime_of(element);
    c.etag = text(element, "eTag");
    c.ctag = text(element, "cTag");
    c.hash = hash_of(element);
    c.url = text(element, "@microsoft.graph.downloadUrl");
    c.content = c.type == index::item_type::file;
    c.permissions = member(element, "shared") != nullptr && !c.root;
    const auto* changed = member(element, "@microsoft.graph.sharedChanged");
    c.permissions_changed = changed != nullptr && (*changed == "True" || *changed == true);
    if (const auto* folder = member(element, "folder"); folder != nullptr) {
        const auto* count = member(*folder, "childCount");
        c.children = count != nullptr && count->is_number_integer() ? count->get<std::int64_t>() : 0;
    }
    read_refusal(element, c);
    const auto meta = metadata_of(element, c.type);
    c.meta = canonical(meta);
    c.mark = meta.contains("file") ? c.meta : drive_item_mark(meta);
    return c;
}

std::string drive_item_mark(const json& meta) {
    if (!meta.is_object() || meta.contains("file")) {
        return canonical(meta);
    }
    json steady = meta;
    steady.erase("lastModifiedDateTime");
    steady.erase("lastModifiedBy");
    if (steady.contains("fileSystemInfo") && steady["fileSystemInfo"].is_object()) {
        steady["fileSystemInfo"].erase("lastModifiedDateTime");
        steady["fileSystemInfo"].erase("lastAccessedDateTime");
    }
    return canonical(steady);
}

std::string drive_item_hash(const json& meta) {
    return hash_of(meta);
}

json own_permissions(const json& list) {
    json out = json::array();
    if (!list.is_array()) {
        return out;
    }
    for (const auto& permission : list) {
        const auto* inherited = member(permission, "inheritedFrom");
        // `inheritedFrom` may be an empty object: inherited all the same (contract 5.10).
        if (!permission.is_object() || inherited != nullptr) {
            continue;
        }
        json kept = permission;
        for (const char* key : {"grantedTo", "grantedToIdentities", "@odata.etag", "eTag"}) {
            kept.erase(key);  // deprecated twins of the V2 members, and what changes by itself
        }
        out.push_back(std::move(kept));
    }
    return out;
}

}  // namespace m365stage::sources
