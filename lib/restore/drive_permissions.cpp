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

/// For people: the address, else the name, else the id.
std::string person_of(const json& identities) {
    for (const char* kind : {"user", "group", "siteUser", "siteGroup", "application"}) {
        const auto& who = at(identities, kind);
        for (const char* key : {"email", "displayName", "id"}) {
            if (auto found = text(who, key); !found.empty()) {
                return found;
            }
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
    g.whom = "a link";
    for (const auto& one : at(permission, "grantedToIdentitiesV2")) {
        const auto person = person_of(one);
        g.whom += person.empty() ? "" : (g.whom == "a link" ? " for " : ", ") + person;
    }
    if (at(permission, "hasPassword") == true) {
        g.reason = "it has a password, which nobody can read: make it again by hand";
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
    g.whom = person_of(at(permission, "grantedToV2"));
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

std::vector<json> links_for_one(const json& permission) {
    std::vector<json> out;
    const auto& people = at(permission, "grantedToIdentitiesV2");
    for (const auto& one : text(at(permission, "link"), "scope") == "users" ? people : json()) {
        if (!recipient_of(one).empty()) {
            json single = permission;
            single["grantedToIdentitiesV2"] = json::array({one});
            out.push_back(std::move(single));
        }
    }
    return out;
}

namespace {

/// The rights that an item has of its own now.
task<core::result<std::set<std::string>>> present_grants(
    context& with, const drive_calls& calls, const std::string& id, const std::string& path
) {
    std::set<std::string> out;
    auto call = calls.permissions(id, path);
    const auto all = co_await graph::read_list(with.graph, std::move(call));
    if (!all) {
        co_return all.error();
    }
    for (const auto& own : sources::own_permissions(*all)) {
        out.insert(grant_key(own));
    }
    co_return out;
}

/// Gives the rights of one item.
class giver {
public:
    giver(context& with, const drive_calls& calls, std::string id, const object& o)
        : with_(with), calls_(calls), id_(std::move(id)), what_(o) {}

    task<void> run() {
        const auto wanted = json::parse(what_.meta.permissions, nullptr, false);
        int number = 0;
        for (const auto& permission : wanted.is_array() ? wanted : json::array()) {
            const auto path = what_.path + "\n" + std::to_string(number++);
            auto known = co_await with_.log.find(path, what_.mark);
            entry e = std::move(known);
            if (e.state != outcome::done && e.state != outcome::present) {
                co_await give(permission, e);
            }
            with_.count.failed += e.state == outcome::failed ? 1 : 0;
            co_await with_.log.put(path, std::move(e));
        }
    }

private:
    task<void> give(const json& permission, entry& e) {
        const auto g = grant_of(permission, core::now_seconds());
        e.kind = "permission";
        e.mark = what_.mark;
        e.name = g.who;
        e.detail = g.whom.empty() || g.reason.empty() ? g.reason : g.whom + ": " + g.reason;
        e.state = g.needless ? outcome::present : outcome::failed;
        if (!g.reason.empty()) {
            co_return;
        }
        if (!there_) {
            auto listed = co_await present_grants(with_, calls_, id_, what_.path);
            if (!listed) {
                e.detail = g.whom + ": " + reason_of(listed.error());
                co_return;
            }
            there_ = std::move(*listed);
        }
        if (there_->contains(g.who)) {
            e.state = outcome::present;
            co_return;
        }
        auto given = co_await send(g);
        if (given) {
            e.state = outcome::done;
            co_return;
        }
        e.detail = g.whom + ": " + told(given.error());
        const auto single = links_for_one(permission);
        if (g.link && single.size() > 1 && is_about_people(given.error())) {
            co_await give_one_by_one(single, e);
        }
    }

    /// Those that the service knows get their link; the others are named.
    task<void> give_one_by_one(const std::vector<json>& single, entry& e) {
        std::string without;
        for (const auto& permission : single) {
            const auto g = grant_of(permission, core::now_seconds());
            if (there_->contains(g.who)) {
                continue;
            }
            auto given = co_await send(g);
            if (!given) {
                without += (without.empty() ? "" : "; ") + g.whom + ": " + told(given.error());
            }
        }
        e.state = without.empty() ? outcome::done : outcome::failed;
        e.detail = std::move(without);
    }

    task<core::result<void>> send(const grant& g) {
        for (int round = 0;; ++round) {
            auto call =
                g.link ? calls_.create_link(id_, json(), what_.path) : calls_.invite(id_, json(), what_.path);
            call.body = g.body;
            auto given = co_await with_.graph.send(std::move(call));
            if (given) {
                co_return core::result<void>();
            }
            if (!core::is_transient(given.error().kind) || round == most_rounds) {
                co_return given.error();
            }
            // The answer may have been lost: a link that is there already would be made twice.
            auto listed = co_await present_grants(with_, calls_, id_, what_.path);
            if (!listed || listed->contains(g.who)) {
                co_return listed ? core::result<void>() : given.error();
            }
        }
    }

    static bool is_about_people(const core::error& e) {
        return folded(e.code) == "noresolvedusers" ||
               e.cause.find("could not be resolved") != std::string::npos;
    }

    /// The report names the object already.
    static std::string told(core::error e) {
        e.object.clear();
        return reason_of(e);
    }

    static constexpr int most_rounds = 3;

    context& with_;
    const drive_calls& calls_;
    const std::string id_;
    const object& what_;
    std::optional<std::set<std::string>> there_;
};

}  // namespace

task<void> restore_permissions(context& with, const drive_calls& calls, std::string id, const object& o) {
    giver g(with, calls, std::move(id), o);
    co_await g.run();
}

}  // namespace m365stage::restore
