#include "sources/drive_item.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/time.hpp"
#include "sources/fields.hpp"
#include "sources/object_writer.hpp"

namespace m365stage::sources {
namespace {

using nlohmann::json;

using graph::flat_value;

/// Sizes as announced; negative and absurd ones count as unknown (0), the bytes decide.
std::int64_t size_of(const flat_value& item) {
    return std::max<std::int64_t>(0, item.member("size").integer().value_or(0));
}

index::item_type type_of(const flat_value& item) {
    if (item.member("remoteItem")) {
        return index::item_type::shortcut;
    }
    if (item.member("package")) {
        return index::item_type::package;
    }
    if (item.member("folder") || item.member("root")) {
        return index::item_type::folder;
    }
    return index::item_type::file;
}

/// fileSystemInfo.lastModifiedDateTime, or the service's own time where that is missing or unreadable.
core::unix_seconds mtime_of(const flat_value& item) {
    constexpr std::string_view name = "lastModifiedDateTime";
    auto t = core::parse_timestamp(item.member("fileSystemInfo").member(name).text());
    if (!t) {
        t = core::parse_timestamp(item.member(name).text());
    }
    return core::clamp_mtime(t.value_or(0));
}

/// The quickXorHash; the all-A string of items without content counts as unknown (contract 5.4).
std::string known_hash(std::string_view hash) {
    return hash == "AAAAAAAAAAAAAAAAAAAAAAAAAAA=" ? std::string() : std::string(hash);
}

/// What is shared from elsewhere, without what moves there by itself and without addresses.
std::string remote_item(const flat_value& value) {
    std::string out;
    value.write_canonical(out);
    if (value.is_object()) {
        auto kept = json::parse(out);
        for (const char* key :
             {"@microsoft.graph.downloadUrl", "webUrl", "size", "eTag", "cTag", "lastModifiedDateTime"}) {
            kept.erase(key);
        }
        out = canonical(kept);
    }
    return out;
}

/// Members that a restore or a person needs and that stay as they are while nobody changes the item. Left out
/// on purpose: eTag and cTag (move by themselves), webUrl and parentReference.path (move with an ancestor's
/// name), size and childCount of folders, download URLs (secret), media facets (derived from the content).
std::string metadata_of(const flat_value& item, bool is_file) {
    object_writer out;
    const auto keep = [&](std::initializer_list<std::string_view> names) { out.keep(item, names); };
    keep({"createdBy", "createdDateTime", "description"});
    if (is_file) {
        out.add_some("file", item.member("file"), {"hashes", "mimeType"});
    }
    keep({"fileSystemInfo", "lastModifiedBy", "lastModifiedDateTime", "malware", "package"});
    out.add_some("parentReference", item.member("parentReference"), {"driveId", "driveType", "siteId"});
    keep({"publication"});
    if (const auto remote = item.member("remoteItem")) {
        out.add_text("remoteItem", remote_item(remote));
    }
    keep({"retentionLabel", "shared"});
    if (is_file) {
        out.add_text("size", std::to_string(size_of(item)));
    }
    keep({"specialFolder"});
    return out.finish();
}

void read_refusal(const flat_value& item, index::item_change& c) {
    if (item.member("malware")) {
        c.refusal = "malware";
        c.refusal_text = "Microsoft 365 found malware in the file and does not serve it";
    } else if (c.type == index::item_type::file && !item.member("file") && c.url.empty()) {
        c.refusal = "unsupported";
        c.refusal_text = "the item is neither file nor folder and has no download address";
    }
}

/// Where an item is and what it is called; false for one that has no place in any folder.
bool read_place(const flat_value& item, index::item_change& c) {
    c.root = static_cast<bool>(item.member("root"));
    c.type = type_of(item);
    c.name = item.member("name").text();
    if (!c.root) {
        c.parent_remote_id = item.member("parentReference").member("id").text();
        return !c.parent_remote_id.empty() && c.parent_remote_id != c.remote_id;
    }
    return true;
}

}  // namespace

std::optional<index::item_change> parse_drive_item(const flat_value& element) {
    index::item_change c;
    c.remote_id = element.member("id").text();
    if (c.remote_id.empty()) {
        return std::nullopt;
    }
    // Tombstones carry the facet; feeds of other services mark with @removed (contract 4.2): both are taken.
    if (element.member("deleted") || is_removed(element)) {
        c.removed = true;
        return c;
    }
    if (!read_place(element, c)) {
        return std::nullopt;  // a full round would bring it again
    }
    c.size = size_of(element);
    c.mtime = mtime_of(element);
    c.etag = element.member("eTag").text();
    c.ctag = element.member("cTag").text();
    c.hash = known_hash(element.member("file").member("hashes").member("quickXorHash").text());
    c.url = element.member("@microsoft.graph.downloadUrl").text();
    c.content = c.type == index::item_type::file;
    c.permissions = element.member("shared") && !c.root;
    const auto changed = element.member("@microsoft.graph.sharedChanged");
    c.permissions_changed = changed.text() == "True" || changed.is_true();
    c.children = element.member("folder").member("childCount").integer().value_or(0);
    read_refusal(element, c);
    c.meta = metadata_of(element, c.content);
    const auto file = element.member("file");
    const bool plain = c.content && (file.member("hashes") || file.member("mimeType"));
    c.mark = plain ? c.meta : drive_item_mark(json::parse(c.meta));
    return c;
}

std::optional<index::item_change> parse_drive_item(const json& element) {
    const auto flat = graph::flat_json::parse(canonical(element));
    return flat ? parse_drive_item(flat->root()) : std::nullopt;
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
    const auto* file = member(meta, "file");
    const auto* hashes = file != nullptr ? member(*file, "hashes") : nullptr;
    return known_hash(hashes != nullptr ? text(*hashes, "quickXorHash") : std::string());
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
