#include "item_json.hpp"

#include <algorithm>

#include "text.hpp"

namespace m365stage::sim {

namespace {

struct select_name {
    const char* name;
    std::uint32_t field;
};
constexpr select_name select_names[] = {
    {"id", field_id},
    {"name", field_name},
    {"etag", field_etag},
    {"ctag", field_ctag},
    {"createddatetime", field_created},
    {"lastmodifieddatetime", field_modified},
    {"createdby", field_created_by},
    {"lastmodifiedby", field_modified_by},
    {"weburl", field_web_url},
    {"size", field_size},
    {"file", field_file},
    {"folder", field_folder},
    {"package", field_package},
    {"root", field_root},
    {"deleted", field_deleted},
    {"malware", field_malware},
    {"shared", field_shared},
    {"parentreference", field_parent},
    {"filesysteminfo", field_fs_info},
    {"content.downloadurl", field_download_url},
    {"remoteitem", field_remote},
    {"description", field_description},
    {"specialfolder", field_special},
    {"sharepointids", field_sharepoint_ids},
};

/// Writes members with their commas.
class writer {
public:
    explicit writer(std::string& out) : out_(out) { out_ += '{'; }
    void key(const char* name) {
        if (!first_) {
            out_ += ',';
        }
        first_ = false;
        out_ += '"';
        out_ += name;
        out_ += "\":";
    }
    void text(const char* name, std::string_view v) {
        key(name);
        append_json(out_, v);
    }
    void raw(const char* name, std::string_view v) {
        key(name);
        out_ += v;
    }
    void number(const char* name, std::int64_t v) {
        key(name);
        append_number(out_, v);
    }
    void close() { out_ += '}'; }

private:
    std::string& out_;
    bool first_ = true;
};

void append_time(std::string& out, std::int64_t t, const item_view& v) {
    out += '"';
    if (v.old_dates) {
        out += "1601-01-01T00:00:00Z";
    } else {
        append_iso_time(out, t);
        if (v.fractions) {
            out.back() = '.';
            out += "1234567Z";
        }
    }
    out += '"';
}

void append_time_pair(std::string& out, const item& it, std::int64_t fs_created, const item_view& v) {
    out += R"({"createdDateTime":)";
    append_time(out, fs_created != 0 ? fs_created : it.created, v);
    out += R"(,"lastModifiedDateTime":)";
    append_time(out, it.fs_modified, v);
    out += '}';
}

void append_upper_guid(std::string& out, const drive& d, item_index i) {
    std::string guid = d.item_guid(i);
    for (char& c : guid) {
        c = c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c;
    }
    out += guid;
}

/// "{GUID},n" with the quotes inside, as the service writes its tags.
void append_tag(std::string& out, const drive& d, item_index i, const char* prefix, std::int64_t n) {
    out += "\"\\\"";
    out += prefix;
    out += '{';
    append_upper_guid(out, d, i);
    out += "},";
    append_number(out, n);
    out += "\\\"\"";
}

void append_parent(std::string& out, drive& d, item_index i, const item_view& v) {
    const item& it = d.at(i);
    out += R"({"driveType":")" + d.type + R"(","driveId":")" + d.id + '"';
    if (it.parent != no_item) {
        out += R"(,"id":")";
        d.append_item_id(out, it.parent);
        out += '"';
        if (!it.has(flag_deleted) && !v.omit_parent_path) {
            out += R"(,"path":"/drives/)" + d.id + "/root:";
            for (const auto& part : d.names_of(it.parent)) {
                out += '/';
                out += url_encode(part, "!$&'()*+,;=@");
            }
            out += '"';
        }
        if (!it.has(flag_deleted) && it.parent != root_item) {
            out += R"(,"name":)";
            append_json(out, d.at(it.parent).name);
        }
        out += R"(,"siteId":")" + d.site_id + '"';
    }
    out += '}';
}

const item_extra* shared_by(const drive& d, item_index i, bool inherit) {
    for (; i != no_item; i = inherit ? d.at(i).parent : no_item) {
        const auto* e = d.extra(i);
        if (e != nullptr && !e->permissions.empty()) {
            return e;
        }
    }
    return nullptr;
}

void append_shared(std::string& out, const item_extra& e) {
    std::string scope = "users";
    for (const auto& p : e.permissions) {
        if (!p.scope.empty() && scope != "anonymous") {
            scope = p.scope;
        }
    }
    out += R"({"scope":")" + scope + "\"}";
}

void append_file(std::string& out, drive& d, item_index i) {
    const item& it = d.at(i);
    out += R"({"mimeType":")" + mime_of(it.name) + R"(","hashes":{)";
    if (it.size > 0 && !it.has(flag_no_hash)) {
        out += R"("quickXorHash":")" + quick_xor::base64_of(d.hash(i)) + '"';
    }
    out += "}}";
}

void append_deleted(std::string& out, drive& d, item_index i, const item_view& v) {
    const item& it = d.at(i);
    writer w(out);
    auto want = [&](std::uint32_t f) { return (v.fields & f) != 0; };
    if (v.annotate_type) {
        w.raw("@odata.type", "\"#microsoft.graph.driveItem\"");
    }
    if (want(field_id)) {
        w.text("id", d.item_id(i));
    }
    if (v.tombstone_name && want(field_name)) {
        w.text("name", it.name);
    }
    if (want(field_deleted)) {
        w.raw("deleted", R"({"state":"deleted"})");
    }
    if (want(field_size)) {
        w.number("size", 0);
    }
    if (want(field_ctag) && !v.omit_ctag) {
        w.key("cTag");
        append_tag(out, d, i, "c:", -1);
    }
    if (want(field_parent)) {
        w.key("parentReference");
        append_parent(out, d, i, v);
    }
    if (it.kind == item_kind::folder && want(field_folder)) {
        w.raw("folder", "{}");
    } else if (it.kind == item_kind::file && want(field_file)) {
        w.raw("file", R"({"hashes":{"quickXorHash":"AAAAAAAAAAAAAAAAAAAAAAAAAAA="}})");
    }
    w.close();
}

void append_facets(std::string& out, writer& w, drive& d, item_index i, const item_view& v) {
    const item& it = d.at(i);
    const auto* e = d.extra(i);
    auto want = [&](std::uint32_t f) { return (v.fields & f) != 0; };
    if (it.kind == item_kind::folder && want(field_folder)) {
        w.key("folder");
        out += R"({"childCount":)";
        append_number(out, v.zero_child_count ? 0 : it.child_count);
        out += '}';
    } else if (it.kind == item_kind::package && want(field_package)) {
        w.raw("package", R"({"type":"oneNote"})");
    } else if (it.kind == item_kind::file && want(field_file)) {
        w.key("file");
        append_file(out, d, i);
    } else if (it.kind == item_kind::shortcut && e != nullptr && want(field_remote)) {
        w.key("remoteItem");
        out += R"({"id":")" + e->target_item + R"(","folder":{"childCount":1},"name":)";
        append_json(out, it.name);
        out += R"(,"parentReference":{"driveType":"business","driveId":")" + e->target_drive + R"(","id":")" +
               e->target_item + "\"}}";
    }
    if (it.has(flag_malware) && want(field_malware)) {
        w.key("malware");
        out += R"({"description":)";
        append_json(out, e != nullptr && !e->malware.empty() ? e->malware : "Win32/TestVirus");
        out += '}';
    }
    if (want(field_shared)) {
        if (const auto* by = shared_by(d, i, v.inherit_shared)) {
            w.key("shared");
            append_shared(out, *by);
        }
    }
    if (e != nullptr && !e->description.empty() && want(field_description)) {
        w.text("description", e->description);
    }
    if (it.kind != item_kind::package && it.kind != item_kind::shortcut && want(field_fs_info)) {
        w.key("fileSystemInfo");
        append_time_pair(out, it, e != nullptr ? e->fs_created : 0, v);
    }
    if (want(field_sharepoint_ids)) {
        w.raw(
            "sharepointIds", R"({"listItemId":")" + std::to_string(i + 1) + R"(","listItemUniqueId":")" +
                                 d.item_guid(i) + R"(","siteId":")" + d.site_id + "\"}"
        );
    }
    if (want(field_download_url) && it.kind == item_kind::file && !v.download_url.empty()) {
        w.text("@microsoft.graph.downloadUrl", v.download_url);
    }
}

}  // namespace

std::string mime_of(std::string_view name) {
    static constexpr std::pair<std::string_view, std::string_view> types[] = {
        {".txt", "text/plain"},
        {".pdf", "application/pdf"},
        {".jpg", "image/jpeg"},
        {".csv", "text/csv"},
        {".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
        {".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
        {".pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
        {".one", "application/msonenote"},
    };
    for (const auto& [suffix, type] : types) {
        if (name.ends_with(suffix)) {
            return std::string(type);
        }
    }
    return "application/octet-stream";
}

std::uint32_t parse_select(const std::string& select) {
    if (select.empty()) {
        return default_fields;
    }
    std::uint32_t fields = 0;
    for (auto part : split(select, ',')) {
        part = lower(part);
        part.erase(0, part.find_first_not_of(' '));
        for (const auto& s : select_names) {
            fields |= part == s.name ? s.field : 0;
        }
    }
    return fields;
}

void append_item(std::string& out, drive& d, item_index i, const item_view& v) {
    const item& it = d.at(i);
    if (it.has(flag_deleted)) {
        append_deleted(out, d, i, v);
        return;
    }
    auto want = [&](std::uint32_t f) { return (v.fields & f) != 0; };
    static const std::string actor =
        R"({"application":{"id":"4345a7b9-9a63-4910-a426-35363201d503","displayName":"Microsoft Office"},"user":{"id":"87d349ed-44d7-43e1-9a83-5f2406dee5bd","email":"ada@contoso.example","displayName":"Ada Example"}})";
    writer w(out);
    if (v.annotate_type) {
        w.raw("@odata.type", "\"#microsoft.graph.driveItem\"");
    }
    if (want(field_id)) {
        w.key("id");
        out += '"';
        d.append_item_id(out, i);
        out += '"';
    }
    if (want(field_name)) {
        w.text("name", it.name);
    }
    if (want(field_etag) && i != root_item) {
        w.key("eTag");
        append_tag(out, d, i, "", it.etag);
    }
    if (want(field_ctag) && !v.omit_ctag && it.kind == item_kind::file) {
        w.key("cTag");
        append_tag(out, d, i, "c:", it.ctag);
    }
    if (want(field_created)) {
        w.key("createdDateTime");
        append_time(out, it.created, v);
    }
    if (want(field_modified)) {
        w.key("lastModifiedDateTime");
        append_time(out, it.modified, v);
    }
    if (i != root_item && want(field_created_by)) {
        w.raw("createdBy", actor);
    }
    if (i != root_item && want(field_modified_by)) {
        w.raw("lastModifiedBy", actor);
    }
    if (want(field_web_url)) {
        w.key("webUrl");
        std::string url = d.web_url;
        for (const auto& part : d.names_of(i)) {
            url += '/';
            url += url_encode(part);
        }
        append_json(out, url);
    }
    if (want(field_size)) {
        w.number("size", v.negative_size ? -1 - it.size : it.size);
    }
    if (i == root_item && want(field_root)) {
        w.raw("root", "{}");
    }
    if (want(field_parent)) {
        w.key("parentReference");
        append_parent(out, d, i, v);
    }
    append_facets(out, w, d, i, v);
    if (v.shared_changed) {
        w.raw("@microsoft.graph.sharedChanged", "\"True\"");
    }
    out += v.expand;
    w.close();
}

}  // namespace m365stage::sim
