// Reads of one drive: items, paths, children, permissions, versions, content.
#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "columns.hpp"
#include "item_json.hpp"
#include "world.hpp"

namespace m365stage::sim {

namespace {

item_view single_view(world& w, const request& r, drive& d, item_index i) {
    item_view v;
    v.fields = parse_select(r.parameter("$select"));
    v.annotate_type = false;
    const item& it = d.at(i);
    if ((v.fields & field_download_url) != 0 && it.kind == item_kind::file && !it.has(flag_malware)) {
        v.download_url = download_url(w, d, i, w.download_url_lifetime);
    }
    std::string expand = r.parameter("$expand");
    if (expand.find("permissions") != std::string::npos) {
        v.expand += ",\"permissions\":" + permissions_body(w, d, i);
    }
    v.expand += expanded_list_item(d, i, expand);
    return v;
}

void append_permission(
    std::string& out, const drive& d, const permission& p, item_index holder, bool inherited
) {
    out += R"({"id":")" + p.id + R"(","roles":[")" + p.role + "\"]";
    if (!p.scope.empty()) {
        out += R"(,"shareId":"u!)" + p.id + R"(","hasPassword":false,"link":{"type":")" + p.link_type +
               R"(","scope":")" + p.scope + R"(","webUrl":"https://contoso.sharepoint.example/:x:/g/)" +
               p.id + R"(","preventsDownload":false})";
    }
    if (!p.email.empty()) {
        std::string who = R"({"user":{"id":")" + p.user_id + R"(","email":)";
        append_json(who, p.email);
        who += R"(,"displayName":)";
        append_json(who, p.display_name.empty() ? p.email : p.display_name);
        who += "}}";
        for (const auto& email : p.others) {
            who += R"(,{"user":{"email":)";
            append_json(who, email);
            who += "}}";
        }
        out += p.scope.empty() ? ",\"grantedToV2\":" + who : ",\"grantedToIdentitiesV2\":[" + who + "]";
    }
    if (!p.expiration.empty()) {
        out += R"(,"expirationDateTime":")" + p.expiration + '"';
    }
    if (inherited) {
        out += R"(,"inheritedFrom":{"driveId":")" + d.id + R"(","id":")" + d.item_id(holder) + R"("})";
    }
    out += '}';
}

}  // namespace

std::string permissions_body(world&, drive& d, item_index i) {
    std::string out = "[";
    permission owner;
    owner.id = base64url("owner" + d.id.substr(2, 6));
    owner.role = "owner";
    owner.email = "ada@contoso.example";
    owner.user_id = d.owner_id;
    owner.display_name = "Ada Example";
    append_permission(out, d, owner, root_item, i != root_item);
    for (item_index a = i; a != no_item; a = d.at(a).parent) {
        if (const auto* e = d.extra(a)) {
            for (const auto& p : e->permissions) {
                out += ',';
                append_permission(out, d, p, a, a != i);
            }
        }
    }
    return out + "]";
}

std::string item_body(world& w, const request& r, drive& d, item_index i) {
    std::string out;
    append_item(out, d, i, single_view(w, r, d, i));
    return out;
}

response serve_item(world& w, const request& r, drive& d, item_index i) {
    std::string id = d.item_id(i);
    if (w.faults.take("item_not_found", {&r, d.id, id}) != nullptr) {
        return not_found();
    }
    std::string body = item_body(w, r, d, i);
    body.insert(1, R"("@odata.context":")" + r.origin() + R"(/v1.0/$metadata#drives('x')/items/$entity",)");
    return json_response(200, std::move(body));
}

response serve_children(world& w, const request& r, drive& d, item_index i) {
    auto all = d.children(i);
    std::sort(all.begin(), all.end());  // by age, so that a page's end is a stable place
    std::size_t top = static_cast<std::size_t>(w.page_size);
    std::string asked = r.parameter("$top");
    if (!asked.empty()) {
        std::from_chars(asked.data(), asked.data() + asked.size(), top);
        top = std::clamp<std::size_t>(top, 1, 5000);
    }
    item_index after = 0;
    std::string skip = r.parameter("$skiptoken");
    if (!skip.empty()) {
        std::from_chars(skip.data(), skip.data() + skip.size(), after);
    }
    auto from = std::upper_bound(all.begin(), all.end(), after);
    std::string body = R"({"@odata.context":")" + r.origin() + R"(/v1.0/$metadata#children",)";
    auto left = static_cast<std::size_t>(all.end() - from);
    if (left > top) {
        std::string query;
        for (const char* kept : {"$select", "$expand", "$top"}) {
            if (r.has_parameter(kept)) {
                query += std::string(kept) + "=" + url_encode(r.parameter(kept), ",") + "&";
            }
        }
        body += R"("@odata.nextLink":")" + r.origin() + r.path + "?" + query +
                "$skiptoken=" + std::to_string(from[static_cast<std::ptrdiff_t>(top) - 1]) + "\",";
    }
    body += "\"@odata.count\":" + std::to_string(all.size()) + ",\"value\":[";
    for (std::size_t n = 0; n < std::min(left, top); ++n, ++from) {
        body += n > 0 ? "," : "";
        append_item(body, d, *from, single_view(w, r, d, *from));
    }
    return json_response(200, body + "]}");
}

response serve_permissions(world& w, const request& r, drive& d, item_index i) {
    return json_response(
        200, R"({"@odata.context":")" + r.origin() + R"(/v1.0/$metadata#permissions","value":)" +
                 permissions_body(w, d, i) + "}"
    );
}

response serve_versions(
    world& w, const request& r, drive& d, item_index i, const std::vector<std::string>& rest
) {
    const item& it = d.at(i);
    const auto* e = d.extra(i);
    if (it.kind != item_kind::file) {
        return graph_error(400, "invalidRequest", "Only files have versions.");
    }
    if (rest.empty()) {
        std::string body = R"({"value":[)";
        auto add = [&](std::uint32_t number, std::int64_t time, std::int64_t size) {
            body += body.back() == '[' ? "" : ",";
            body +=
                R"({"id":")" + std::to_string(number) + R"(.0","lastModifiedDateTime":")" + iso_time(time) +
                R"(","size":)" + std::to_string(size) +
                R"(,"lastModifiedBy":{"user":{"email":"ada@contoso.example","displayName":"Ada Example"}}})";
        };
        add(it.ctag, it.modified, it.size);
        if (e != nullptr) {
            for (auto v = e->versions.rbegin(); v != e->versions.rend(); ++v) {
                add(v->number, v->time, v->data.size);
            }
        }
        return json_response(200, body + "]}");
    }
    std::uint32_t number = 0;
    std::from_chars(rest[0].data(), rest[0].data() + rest[0].size(), number);
    if (number == it.ctag) {
        if (rest.size() > 1) {
            return graph_error(400, "invalidRequest", "You cannot get the content of the current version.");
        }
        return json_response(200, R"({"id":")" + rest[0] + R"(","size":)" + std::to_string(it.size) + "}");
    }
    for (const auto& v : e != nullptr ? e->versions : std::vector<version>()) {
        if (v.number == number && rest.size() == 2 && rest[1] == "content") {
            response out = empty_response(302);
            out.set("Location", download_url(w, d, i, w.content_url_lifetime, number));
            return out;
        }
        if (v.number == number && rest.size() == 1) {
            return json_response(
                200, R"({"id":")" + rest[0] + R"(","size":)" + std::to_string(v.data.size) + "}"
            );
        }
    }
    (void)r;
    return not_found();
}

response serve_content(world& w, const request& r, drive& d, item_index i) {
    const item& it = d.at(i);
    std::string id = d.item_id(i);
    if (w.faults.take("item_not_found", {&r, d.id, id}) != nullptr) {
        return not_found();
    }
    if (it.kind == item_kind::folder || it.kind == item_kind::package) {
        return graph_error(400, "invalidRequest", "You cannot get content for a folder.");
    }
    bool infected =
        it.has(flag_malware) && lower(r.header("prefer")).find("forceinfecteddownload") == std::string::npos;
    if (infected) {
        response out = graph_error(403, "malwareDetected", "Malware detected", "malwareDetected");
        out.set("X-Virus-Infected", "true");
        return out;
    }
    std::string etag = "\"{" + d.item_guid(i) + "}," + std::to_string(it.etag) + "\"";
    if (!r.header("if-none-match").empty() && iequals(r.header("if-none-match"), etag)) {
        return empty_response(304);
    }
    response out = empty_response(302);
    out.set("Location", download_url(w, d, i, w.content_url_lifetime));
    return out;
}

namespace {

response serve_drive_object(world&, const request& r, drive& d) {
    nlohmann::json body = {
        {"id", d.id},
        {"driveType", d.type},
        {"name", d.name},
        {"webUrl", d.web_url},
        {"createdDateTime", iso_time(d.at(root_item).created)},
        {"lastModifiedDateTime", iso_time(d.at(root_item).modified)},
        {"quota",
         {{"total", 1099511627776LL},
          {"used", d.at(root_item).size},
          {"remaining", 1099511627776LL - d.at(root_item).size},
          {"deleted", 0},
          {"state", "normal"}}}
    };
    if (d.owner_kind == "user" || d.owner_kind == "group") {
        body["owner"] = {{d.owner_kind, {{"id", d.owner_id}, {"displayName", d.name}}}};
    }
    if (d.system && r.parameter("$select").find("system") != std::string::npos) {
        body["system"] = nlohmann::json::object();
    }
    return json_response(200, body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

response serve_item_rest(world& w, const request& r, drive& d, item_index i, std::vector<std::string> rest) {
    const std::string& verb = rest.empty() ? r.method : rest[0];
    if (rest.empty()) {
        if (r.method == "GET") {
            return serve_item(w, r, d, i);
        }
        if (r.method == "PATCH") {
            return patch_item(w, r, d, i);
        }
        if (r.method == "DELETE") {
            return delete_item(w, r, d, i);
        }
    } else if (verb == "children") {
        return r.method == "POST" ? create_child(w, r, d, i) : serve_children(w, r, d, i);
    } else if (verb == "permissions") {
        if (r.method == "DELETE" && rest.size() == 2) {
            return delete_permission(w, d, i, rest[1]);
        }
        return serve_permissions(w, r, d, i);
    } else if (verb == "versions") {
        rest.erase(rest.begin());
        return serve_versions(w, r, d, i, rest);
    } else if (verb == "content") {
        return r.method == "PUT" ? put_content(w, r, d, d.at(i).parent, d.at(i).name, i)
                                 : serve_content(w, r, d, i);
    } else if (verb == "createUploadSession" || verb == "microsoft.graph.createUploadSession") {
        return create_upload_session(w, r, d, d.at(i).parent, d.at(i).name, i);
    } else if (verb == "copy") {
        return copy_item(w, r, d, i);
    } else if (verb == "createLink") {
        return create_link(w, r, d, i);
    } else if (verb == "invite") {
        return invite(w, r, d, i);
    } else if (verb == "permanentDelete" && r.method == "POST") {
        return delete_item(w, r, d, i);
    } else if (verb == "listItem") {
        rest.erase(rest.begin());
        return serve_list_item(w, r, d, i, rest);
    } else if (verb == "retentionLabel") {
        return not_found();
    } else if (verb.starts_with("delta") && i != root_item) {
        w.manners.violation(
            "delta_below_root", r, "delta was asked of a folder, which this service does not offer"
        );
        return graph_error(400, "invalidRequest", "Delta is only supported on the root of a drive.");
    }
    return graph_error(400, "invalidRequest", "Resource not found for the segment '" + verb + "'.");
}

/// What an address of the form base:/a/b:/rest names: an item, or a name that is free in a folder.
struct address {
    item_index found = no_item;
    item_index parent = no_item;
    std::string name;
};

address resolve(const drive& d, item_index base, const std::vector<std::string>& names) {
    address a;
    a.found = d.find_path(base, names);
    if (names.empty()) {
        return a;
    }
    std::vector<std::string> up(names.begin(), names.end() - 1);
    a.parent = d.find_path(base, up);
    a.name = names.back();
    return a;
}

/// An address below a drive, taken apart. Segments are still percent-encoded; a ':' that is not encoded
/// starts or ends a path.
struct parsed_address {
    std::vector<std::string> segments;  ///< "items", an id and what follows, or "root" and what follows
    std::string path;                   ///< between two colons, or behind one
    std::string after;                  ///< behind the second colon
    bool has_path = false;
};

parsed_address parse_address(const std::vector<std::string>& s) {
    std::string rest = s[0];
    for (std::size_t i = 1; i < s.size(); ++i) {
        rest += '/' + s[i];
    }
    parsed_address out;
    auto colon = rest.starts_with("items/") || rest.starts_with("root") ? rest.find(':') : rest.npos;
    out.segments = split(rest.substr(0, colon), '/');
    if (colon != rest.npos) {
        out.path = rest.substr(colon + 1);
        auto end = out.path.rfind(':');
        if (end != out.path.npos) {
            out.after = out.path.substr(end + 1);
            out.path.resize(end);
        }
    }
    out.has_path = !out.path.empty() || !out.after.empty();
    return out;
}

/// "delta", or "delta(token='...')".
response serve_delta_segment(world& w, const request& r, drive& d, const std::string& segment) {
    auto open = segment.find("token='");
    if (open == segment.npos) {
        return serve_delta(w, r, d, r.parameter("token"), r.has_parameter("token"));
    }
    auto close = segment.rfind('\'');
    return serve_delta(w, r, d, url_decode(segment.substr(open + 7, close - open - 7)), true);
}

/// An upload makes the folders that its path needs.
item_index make_folders(world& w, drive& d, item_index at, const std::vector<std::string>& names) {
    for (const auto& name : names) {
        item_index next = d.find_child(at, name);
        at = next != no_item ? next : d.create(at, name, item_kind::folder, {}, w.now());
    }
    return at;
}

/// What is addressed by a path from the item `base` on.
response serve_by_path(world& w, const request& r, drive& d, item_index base, const parsed_address& at) {
    std::vector<std::string> names;
    for (const auto& part : split(at.path, '/')) {
        names.push_back(url_decode(part));
    }
    address a = resolve(d, base, names);
    auto verbs = split(at.after, '/');
    bool creates = !verbs.empty() && ((r.method == "PUT" && verbs[0] == "content") ||
                                      verbs[0].ends_with("createUploadSession"));
    if (creates && !names.empty()) {
        if (a.parent == no_item) {
            a.parent = make_folders(w, d, base, {names.begin(), names.end() - 1});
        }
        return verbs[0] == "content" ? put_content(w, r, d, a.parent, a.name, a.found)
                                     : create_upload_session(w, r, d, a.parent, a.name, no_item);
    }
    return a.found == no_item ? not_found() : serve_item_rest(w, r, d, a.found, verbs);
}

}  // namespace

response serve_drive(world& w, const request& r, drive& d, std::vector<std::string> s) {
    if (d.locked) {
        return graph_error(
            423, "notAllowed",
            "Access to this site has been blocked. Please contact the administrator to resolve this problem.",
            "resourceLocked"
        );
    }
    if (s.empty()) {
        return serve_drive_object(w, r, d);
    }
    if (s[0] == "list") {
        s.erase(s.begin());
        return serve_list(w, r, d, s);
    }
    auto at = parse_address(s);
    auto& segments = at.segments;
    if (segments.empty() || (segments[0] != "root" && segments[0] != "items") ||
        (segments[0] == "items" && segments.size() < 2)) {
        return graph_error(400, "invalidRequest", "Resource not found for the segment '" + s[0] + "'.");
    }
    bool by_id = segments[0] == "items";
    item_index i = by_id ? d.find_id(url_decode(segments[1])) : root_item;
    segments.erase(segments.begin(), segments.begin() + (by_id ? 2 : 1));
    if (i == no_item || d.at(i).has(flag_deleted)) {
        return not_found();
    }
    if (i == root_item && segments.size() == 1 && segments[0].starts_with("delta")) {
        return serve_delta_segment(w, r, d, segments[0]);
    }
    return at.has_path ? serve_by_path(w, r, d, i, at) : serve_item_rest(w, r, d, i, segments);
}

}  // namespace m365stage::sim
