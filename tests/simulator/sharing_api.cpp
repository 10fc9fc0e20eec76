// Sharing of a drive's items: links, invitations, and their end.
#include <nlohmann/json.hpp>

#include "world.hpp"

namespace m365stage::sim {

using nlohmann::json;

response create_link(world& w, const request& r, drive& d, item_index i) {
    json body = json::parse(r.body, nullptr, false);
    if (!body.is_object()) {
        return graph_error(400, "invalidRequest", "The body is no JSON object.");
    }
    permission p;
    p.id = base64url(w.fresh_id());
    p.link_type = body.value("type", "view");
    p.role = p.link_type == "edit" ? "write" : "read";
    p.scope = body.value("scope", "organization");
    for (const auto& who : p.scope == "users" ? body.value("recipients", json::array()) : json::array()) {
        const user* u = w.directory.find_user(who.value("objectId", who.value("email", "")));
        if (u == nullptr) {
            return graph_error(400, "noResolvedUsers", "One or more users could not be resolved.");
        }
        if (p.email.empty()) {
            p.email = u->upn;
            p.user_id = u->id;
            p.display_name = u->display_name;
        } else {
            p.others.push_back(u->upn);
        }
    }
    d.make_extra(i).permissions.push_back(p);
    d.touch_sharing(i, w.now());
    json out = {
        {"id", p.id},
        {"roles", {p.role}},
        {"link",
         {{"type", p.link_type},
          {"scope", p.scope},
          {"webUrl", "https://contoso.sharepoint.example/:x:/g/" + p.id}}}
    };
    return json_response(201, out.dump());
}

response invite(world& w, const request& r, drive& d, item_index i) {
    json body = json::parse(r.body, nullptr, false);
    if (!body.is_object() || !body.value("recipients", json()).is_array() ||
        !body.value("roles", json()).is_array() || body["roles"].empty()) {
        return graph_error(400, "invalidRequest", "recipients and roles are needed.");
    }
    std::vector<permission> given;
    for (const auto& who : body["recipients"]) {
        std::string key = who.value("objectId", who.value("email", who.value("alias", "")));
        const user* u = w.directory.find_user(key);
        if (u == nullptr) {
            return graph_error(400, "noResolvedUsers", "One or more users could not be resolved.");
        }
        permission p;
        p.id = base64url(w.fresh_id());
        p.role = body["roles"][0].get<std::string>();
        p.email = u->upn;
        p.user_id = u->id;
        p.display_name = u->display_name;
        p.expiration = body.value("expirationDateTime", "");
        given.push_back(std::move(p));
    }
    if (given.empty() || (given[0].role != "read" && given[0].role != "write")) {
        return graph_error(400, "invalidRequest", "The role cannot be granted.");
    }
    ++(body.value("sendInvitation", false) ? w.invitations_sent : w.invitations_silent);
    json value = json::array();
    for (auto& p : given) {
        value.push_back(
            {{"id", p.id},
             {"roles", {p.role}},
             {"grantedToV2",
              {{"user", {{"id", p.user_id}, {"email", p.email}, {"displayName", p.display_name}}}}}}
        );
        d.make_extra(i).permissions.push_back(std::move(p));
    }
    d.touch_sharing(i, w.now());
    return json_response(200, json{{"value", value}}.dump());
}

response delete_permission(world& w, drive& d, item_index i, const std::string& id) {
    auto* e = d.extra(i);
    bool gone =
        e != nullptr && std::erase_if(e->permissions, [&](const permission& p) { return p.id == id; }) > 0;
    if (!gone) {
        return not_found();
    }
    d.touch_sharing(i, w.now());
    return empty_response(204);
}

}  // namespace m365stage::sim
