#include "restore/drive_permissions.hpp"

#include <nlohmann/json.hpp>
#include <set>

#include "graph/paging.hpp"
#include "restore/kind.hpp"
#include "sources/drive_item.hpp"
#include "sources/fields.hpp"

namespace m365stage::restore {
namespace {

using nlohmann::json;
using sources::text;

const json& at(const json& object, const char* key) {
    static const json nothing;
    const auto found = object.is_object() ? object.find(key) : object.end();
    return object.is_object() && found != object.end() ? *found : nothing;
}

bool has_role(const json& permission, const char* role) {
    const auto& roles = at(permission, "roles");
    return roles.is_array() && std::find(roles.begin(), roles.end(), role) != roles.end();
}

json recipient_of(const json& identities) {
    for (const char* kind : {"user", "group"}) {
        const auto& who = at(identities, kind);
        if (const auto email = text(who, "email"); !email.empty() && std::string_view(kind) == "user") {
            return json{{"email", email}};
        }
        if (const auto id = text(who, "id"); !id.empty()) {
            return json{{"objectId", id}};
        }
    }
    return {};
}

std::string identity_key(const json& identities) {
    for (const char* kind : {"user", "group"}) {
        if (const auto id = text(at(identities, kind), "id"); !id.empty()) {
            return std::string(kind) + ":" + id;
        }
        if (const auto email = text(at(identities, kind), "email"); !email.empty()) {
            return std::string(kind) + ":" + email;
        }
    }
    return {};
}

bool is_over(const json& permission, core::unix_seconds now) {
    const auto end = core::parse_timestamp(text(permission, "expirationDateTime"));
    return end && *end <= now;
}

grant link_grant(const json& permission, grant g) {
    const auto& link = at(permission, "link");
    g.link = true;
    if (at(permission, "hasPassword") == true) {
        g.reason = "a link with a password, which nobody can read: make it again by hand";
        return g;
    }
    json body{{"type", text(link, "type")}, {"scope", text(link, "scope")}, {"sendNotification", false}};
    if (body["scope"] == "users") {
        body["recipients"] = json::array();
        for (const auto& one : at(permission, "grantedToIdentitiesV2")) {
            if (auto who = recipient_of(one); !who.empty()) {
                body["recipients"].push_back(std::move(who));
            }
        }
    }
    if (const auto end = text(permission, "expirationDateTime"); !end.empty()) {
        body["expirationDateTime"] = end;
    }
    g.body = body.dump(-1, ' ', false, json::error_handler_t::replace);
    return g;
}

}  // namespace

std::string grant_key(const json& permission) {
    const auto& link = at(permission, "link");
    if (link.is_object()) {
        std::string out = "link:" + text(link, "type") + ":" + text(link, "scope");
        std::set<std::string> whom;
        for (const auto& one : at(permission, "grantedToIdentitiesV2")) {
            whom.insert(identity_key(one));
        }
        for (const auto& one : whom) {
            out += "," + one;
        }
        return out;
    }
    const auto role = has_role(permission, "write") ? "write " : "read ";
    return role + identity_key(at(permission, "grantedToV2"));
}

grant grant_of(const json& permission, core::unix_seconds now) {
    grant g;
    g.who = grant_key(permission);
    if (is_over(permission, now)) {
        g.reason = "it has ended";
        g.needless = true;
        return g;
    }
    if (at(permission, "link").is_object()) {
        return link_grant(permission, std::move(g));
    }
    if (has_role(permission, "owner")) {
        g.reason = "the owner of the new place has it";
        g.needless = true;
        return g;
    }
    auto who = recipient_of(at(permission, "grantedToV2"));
    if (who.empty()) {
        g.reason = "a right of a SharePoint group or of somebody without an id, which Graph can't give";
        return g;
    }
    if (!has_role(permission, "read") && !has_role(permission, "write")) {
        g.reason = "a role that Graph can't give";
        return g;
    }
    json body{
        {"recipients", json::array({std::move(who)})},
        {"roles", {has_role(permission, "write") ? "write" : "read"}},
        {"requireSignIn", true},
        {"sendInvitation", false}
    };
    if (const auto end = text(permission, "expirationDateTime"); !end.empty()) {
        body["expirationDateTime"] = end;
    }
    g.body = body.dump(-1, ' ', false, json::error_handler_t::replace);
    return g;
}

namespace {

/// The rights that an item has of its own now.
task<core::result<std::set<std::string>>> present_grants(
    context& with, const drive_calls& calls, const std::string& id, const std::string& path
) {
    std::set<std::string> out;
    auto call = calls.permissions(id, path);
    graph::paged_list pages(with.graph, std::move(call));
    for (;;) {
        const auto page = co_await pages.next();
        if (!page) {
            co_return page.error();
        }
        if (*page == nullptr) {
            co_return out;
        }
        for (const auto& own : sources::own_permissions(**page)) {
            out.insert(grant_key(own));
        }
    }
}

}  // namespace

task<void> restore_permissions(context& with, const drive_calls& calls, std::string id, const object& o) {
    const auto wanted = json::parse(o.meta.permissions, nullptr, false);
    std::optional<std::set<std::string>> there;
    int number = 0;
    for (const auto& permission : wanted.is_array() ? wanted : json::array()) {
        const auto path = o.path + "\n" + std::to_string(number++);
        auto known = co_await with.log.find(path, o.mark);
        entry e = std::move(known);
        if (e.state != outcome::done && e.state != outcome::present) {
            const auto g = grant_of(permission, core::now_seconds());
            e.kind = "permission";
            e.mark = o.mark;
            e.name = g.who;
            e.detail = g.reason;
            e.state = g.reason.empty() ? outcome::open : g.needless ? outcome::present : outcome::failed;
            if (g.reason.empty() && !there) {
                auto listed = co_await present_grants(with, calls, id, o.path);
                if (listed) {
                    there = std::move(*listed);
                } else {
                    e.state = outcome::failed;
                    e.detail = reason_of(listed.error());
                }
            }
            if (e.state == outcome::open && there->contains(g.who)) {
                e.state = outcome::present;
            }
            if (e.state == outcome::open) {
                auto call = g.link ? calls.create_link(id, json(), o.path) : calls.invite(id, json(), o.path);
                call.body = g.body;
                auto given = co_await with.graph.send(std::move(call));
                e.state = given ? outcome::done : outcome::failed;
                e.detail = given ? "" : reason_of(given.error());
            }
        }
        with.count.failed += e.state == outcome::failed ? 1 : 0;
        co_await with.log.put(path, std::move(e));
    }
}

}  // namespace m365stage::restore
