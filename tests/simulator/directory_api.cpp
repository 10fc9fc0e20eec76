// Users, groups, sites and the ways from them to drives.
#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "world.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

response missing(const char* what) {
    return graph_error(
        404, "Request_ResourceNotFound",
        std::string("Resource '") + what +
            "' does not exist or one of its queried reference-property objects are not present."
    );
}

json user_json(const user& u) {
    json j = {
        {"id", u.id},
        {"userPrincipalName", u.upn},
        {"displayName", u.display_name},
        {"mail", u.upn},
        {"accountEnabled", u.enabled},
        {"assignedLicenses", json::array()},
        {"assignedPlans", json::array()}
    };
    j["userType"] = u.user_type.empty() ? json() : json(u.user_type);
    if (u.user_type != "Guest") {
        j["assignedLicenses"].push_back(
            {{"skuId", "05e9a617-0261-4cee-bb44-138d3ef5d965"}, {"disabledPlans", json::array()}}
        );
        j["assignedPlans"].push_back({{"service", "SharePoint"}, {"capabilityStatus", "Enabled"}});
        if (u.without_mailbox == no_mailbox::has_one) {
            j["assignedPlans"].push_back({{"service", "exchange"}, {"capabilityStatus", "Enabled"}});
        }
    }
    return j;
}

json group_json(const group& g) {
    return {
        {"id", g.id},
        {"displayName", g.display_name},
        {"mailNickname", g.nickname},
        {"mail", g.nickname + "@contoso.example"},
        {"mailEnabled", true},
        {"securityEnabled", false},
        {"groupTypes", {"Unified"}},
        {"visibility", "Private"}
    };
}

json site_json(const site& s, bool in_list) {
    json j = {
        {"id", s.id},
        {"displayName", s.display_name},
        {"webUrl", s.web_url},
        {"createdDateTime", "2024-02-01T08:00:00Z"},
        {"lastModifiedDateTime", "2026-10-01T07:11:12Z"}
    };
    j["name"] = s.null_name ? json() : json(s.name);
    if (s.parent < 0) {
        j["siteCollection"] = {{"hostname", s.host}};
        j["root"] = json::object();
    }
    if (in_list) {
        j["isPersonalSite"] = s.personal;
        j.erase("siteCollection");
    }
    return j;
}

/// Keeps the members of a $select; `id` always stays, as the directory does it.
void apply_select(json& j, const std::string& select) {
    if (select.empty()) {
        return;
    }
    auto wanted = split(select, ',');
    for (auto it = j.begin(); it != j.end();) {
        bool keep = it.key() == "id" || it.key().starts_with("@") || it.key() == "isPersonalSite" ||
                    std::any_of(wanted.begin(), wanted.end(), [&](const std::string& w) {
                        return iequals(w, it.key());
                    });
        it = keep ? std::next(it) : j.erase(it);
    }
}

std::size_t number_in(const request& r, const char* name, std::size_t otherwise) {
    std::string text = r.parameter(name);
    std::from_chars(text.data(), text.data() + text.size(), otherwise);
    return otherwise;
}

/// One page of a collection; $skiptoken is the place of the next element.
response collection(const request& r, const std::vector<json>& all, std::size_t page, std::size_t most) {
    std::size_t top = std::clamp<std::size_t>(number_in(r, "$top", page), 1, most);
    std::size_t from = std::min(number_in(r, "$skiptoken", 0), all.size());
    std::size_t to = std::min(from + top, all.size());
    json value = json::array();
    for (std::size_t i = from; i < to; ++i) {
        json one = all[i];
        apply_select(one, r.parameter("$select"));
        value.push_back(std::move(one));
    }
    json out = {{"@odata.context", r.origin() + "/v1.0/$metadata#collection"}, {"value", std::move(value)}};
    if (to < all.size()) {
        std::string query;
        for (const auto& [name, v] : r.parameters) {
            if (!iequals(name, "$skiptoken")) {
                query += name + "=" + url_encode(v, ",*") + "&";
            }
        }
        out["@odata.nextLink"] = r.origin() + r.path + "?" + query + "$skiptoken=" + std::to_string(to);
    }
    return json_response(200, dump(out));
}

/// A directory feed: everything that changed after the token's number.
template <typename Element, typename ToJson>
response directory_delta(world& w, const request& r, const std::vector<Element>& all, ToJson to_json) {
    std::string token = r.parameter("$deltatoken");
    std::uint64_t since = 0;
    if (token == "latest") {
        since = w.directory.dir_seq;
    } else if (!token.empty()) {
        auto raw = base64_decode(token);
        if (!raw || !raw->starts_with("dir;")) {
            return graph_error(
                400, "syncStateNotFound",
                "The sync state generation is not found. The delta token is expired and data must be "
                "synchronized again."
            );
        }
        since = std::stoull(raw->substr(4));
    }
    json value = json::array();
    for (const auto& e : all) {
        if (e.seq <= since) {
            continue;
        }
        if (e.removed) {
            value.push_back({{"id", e.id}, {"@removed", {{"reason", "changed"}}}});
        } else {
            json one = to_json(e);
            apply_select(one, r.parameter("$select"));
            value.push_back(std::move(one));
        }
    }
    std::string query =
        r.has_parameter("$select") ? "$select=" + url_encode(r.parameter("$select"), ",") + "&" : "";
    json out = {
        {"@odata.context", r.origin() + "/v1.0/$metadata#directory"},
        {"value", std::move(value)},
        {"@odata.deltaLink", r.origin() + r.path + "?" + query +
                                 "$deltatoken=" + base64url("dir;" + std::to_string(w.directory.dir_seq))}
    };
    return json_response(200, dump(out));
}

/// How the service answers for the drive of a user who has none (contract, section 2.6).
response no_drive_answer(no_drive why) {
    switch (why) {
        case no_drive::mysite_url:
            return graph_error(400, "BadRequest", "Unable to retrieve user's mysite URL.");
        case no_drive::file_not_found:
            return graph_error(404, "UnknownError", "404 FILE NOT FOUND");
        case no_drive::no_spo_licence:
            return graph_error(400, "BadRequest", "Tenant does not have a SPO license.");
        default:
            return graph_error(404, "ResourceNotFound", "User's mysite not found.");
    }
}

/// The drive objects of an owner; a library of the system only when `system` is selected.
response drive_list(world& w, const request& r, const std::vector<std::uint32_t>& numbers) {
    bool with_system = r.parameter("$select").find("system") != std::string::npos;
    std::vector<json> all;
    for (auto n : numbers) {
        drive& d = w.directory.drive_at(n);
        if (d.removed || (d.system && !with_system)) {
            continue;
        }
        bool locked = d.locked;
        d.locked = false;
        all.push_back(json::parse(serve_drive(w, r, d, {}).body));
        d.locked = locked;
    }
    return collection(r, all, 200, 200);
}

std::vector<std::string> rest_of(const std::vector<std::string>& s, std::ptrdiff_t from) {
    return {s.begin() + from, s.end()};
}

response serve_users(world& w, const request& r, const std::vector<std::string>& s) {
    tenant& t = w.directory;
    if (s.size() == 1 || s[1].starts_with("delta")) {
        if (s.size() > 1) {
            return directory_delta(w, r, t.users, user_json);
        }
        std::vector<json> all;
        for (const auto& u : t.users) {
            if (!u.removed) {
                all.push_back(user_json(u));
            }
        }
        return collection(r, all, 100, 999);
    }
    user* u = t.find_user(url_decode(s[1]));
    if (u == nullptr) {
        return missing(s[1].c_str());
    }
    if (s.size() == 2) {
        json one = user_json(*u);
        apply_select(one, r.parameter("$select"));
        return json_response(200, dump(one));
    }
    if (s[2] == "drive" || s[2] == "drives") {
        if (u->drives.empty()) {
            return no_drive_answer(u->user_type == "Guest" ? no_drive::mysite_not_found : u->without);
        }
        return s[2] == "drives" ? drive_list(w, r, u->drives)
                                : serve_drive(w, r, t.drive_at(u->drives[0]), rest_of(s, 3));
    }
    if (is_outlook_segment(s[2])) {
        if (u->without_mailbox != no_mailbox::has_one) {
            return no_mailbox_answer(u->without_mailbox, s[2]);
        }
        return serve_outlook(w, r, mailbox_of(w, *u), rest_of(s, 2));
    }
    return graph_error(400, "BadRequest", "Resource not found for the segment '" + s[2] + "'.");
}

response serve_groups(world& w, const request& r, const std::vector<std::string>& s) {
    tenant& t = w.directory;
    if (s.size() == 1 || s[1].starts_with("delta")) {
        if (s.size() > 1) {
            return directory_delta(w, r, t.groups, group_json);
        }
        std::vector<json> all;
        for (const auto& g : t.groups) {
            if (!g.removed) {
                all.push_back(group_json(g));
            }
        }
        return collection(r, all, 100, 999);
    }
    group* g = t.find_group(url_decode(s[1]));
    if (g == nullptr) {
        return missing(s[1].c_str());
    }
    if (s.size() > 2 && is_outlook_segment(s[2])) {
        return serve_outlook(w, r, mailbox_of(w, *g), rest_of(s, 2));
    }
    if (s.size() == 2) {
        json one = group_json(*g);
        apply_select(one, r.parameter("$select"));
        return json_response(200, dump(one));
    }
    site& home = t.sites[static_cast<std::size_t>(g->site_number)];
    if (s[2] == "drive") {
        return serve_drive(w, r, t.drive_at(home.drives[0]), rest_of(s, 3));
    }
    if (s[2] == "drives") {
        return drive_list(w, r, home.drives);
    }
    if (s[2] == "sites" && s.size() >= 4 && s[3] == "root") {
        return json_response(200, dump(site_json(home, false)));
    }
    return graph_error(400, "BadRequest", "Resource not found for the segment '" + s[2] + "'.");
}

response serve_site(world& w, const request& r, site& one, const std::vector<std::string>& rest) {
    tenant& t = w.directory;
    if (one.locked) {
        return graph_error(
            423, "notAllowed",
            "Access to this site has been blocked. Please contact the administrator to resolve this problem.",
            "resourceLocked"
        );
    }
    if (rest.empty()) {
        json j = site_json(one, false);
        apply_select(j, r.parameter("$select"));
        return json_response(200, dump(j));
    }
    if (rest[0] == "drives") {
        return drive_list(w, r, one.drives);
    }
    if (rest[0] == "drive") {
        if (one.drives.empty()) {
            return graph_error(404, "itemNotFound", "The resource could not be found.");
        }
        return serve_drive(w, r, t.drive_at(one.drives[0]), rest_of(rest, 1));
    }
    if (rest[0] == "sites") {
        std::vector<json> all;
        for (const auto& s : t.sites) {
            if (!s.removed && s.parent >= 0 && t.sites[static_cast<std::size_t>(s.parent)].id == one.id) {
                all.push_back(site_json(s, false));
            }
        }
        return collection(r, all, 100, 999);
    }
    return graph_error(400, "BadRequest", "Resource not found for the segment '" + rest[0] + "'.");
}

response serve_sites(world& w, const request& r, const std::vector<std::string>& s) {
    tenant& t = w.directory;
    bool listing = s.size() == 1 || s[1].starts_with("getAllSites");
    if (listing) {
        std::vector<json> all;
        for (const auto& one : t.sites) {
            // The old search finds neither what is new nor what is nameless; getAllSites has no subsites.
            bool shown = s.size() > 1 ? one.parent < 0 : !one.null_name && !one.personal;
            if (!one.removed && shown) {
                all.push_back(site_json(one, s.size() > 1));
            }
        }
        return collection(r, all, 100, 999);
    }
    std::string id = url_decode(s[1]);
    std::size_t used = 2;
    site* one = nullptr;
    auto colon = id.find(':');
    if (colon != std::string::npos) {
        // host:/path or host:/path:/rest
        std::string text;
        for (std::size_t i = 2; i < s.size(); ++i) {
            text += (text.empty() ? "" : "/") + url_decode(s[i]);
        }
        auto end = text.find(':');
        one = t.find_site_by_path(id.substr(0, colon), text.substr(0, end));
        if (one == nullptr) {
            return graph_error(404, "itemNotFound", "Requested site could not be found");
        }
        return serve_site(
            w, r, *one, end == text.npos ? std::vector<std::string>() : split(text.substr(end + 1), '/')
        );
    }
    one = t.find_site(id);
    if (one == nullptr) {
        one = s.size() == 2 ? t.find_site_by_path(id, "") : nullptr;
    }
    if (one == nullptr) {
        return graph_error(404, "itemNotFound", "Requested site could not be found");
    }
    return serve_site(w, r, *one, rest_of(s, static_cast<std::ptrdiff_t>(used)));
}

}  // namespace

response serve_directory(world& w, const request& r, const std::vector<std::string>& s) {
    if (s[0] == "users") {
        return serve_users(w, r, s);
    }
    if (s[0] == "groups") {
        return serve_groups(w, r, s);
    }
    if (s[0] == "sites") {
        return serve_sites(w, r, s);
    }
    if (s[0] == "me" && !w.directory.users.empty()) {
        // Delegated tools see the first user.
        std::vector<std::string> as_user = {"users", w.directory.users.front().id};
        as_user.insert(as_user.end(), s.begin() + 1, s.end());
        return serve_users(w, r, as_user);
    }
    if (s[0] == "organization") {
        return json_response(
            200,
            R"({"value":[{"id":"9c1f5a36-0b7e-4d0c-8f5e-6a2b3c4d5e6f","displayName":"Contoso","verifiedDomains":[{"name":"contoso.example","isDefault":true}]}]})"
        );
    }
    return graph_error(400, "BadRequest", "Resource not found for the segment '" + s[0] + "'.");
}

}  // namespace m365stage::sim
