#include "sync/run/owner_list.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "http/http.hpp"
#include "sources/fields.hpp"
#include "tree/names.hpp"

namespace m365stage::sync {
namespace {

using nlohmann::json;
using sources::member;
using sources::text;

told_owner user_of(const json& element) {
    sources::owner o;
    o.kind = "user";
    o.id = text(element, "id");
    o.name = text(element, "userPrincipalName");
    // It may be null (contract 5.1).
    if (text(element, "userType") == "Guest") {
        return {telling::foreign, std::move(o)};
    }
    if (o.name.empty()) {
        return {telling::partial, std::move(o)};
    }
    o.path = "users/" + tree::owner_segment(o.name, o.id);
    return {telling::ours, std::move(o)};
}

told_owner group_of(const json& element) {
    sources::owner o;
    o.kind = "group";
    o.id = text(element, "id");
    o.name = text(element, "mailNickname");
    const auto* types = member(element, "groupTypes");
    const bool known = types != nullptr && types->is_array();
    if (known && std::find(types->begin(), types->end(), json("Unified")) == types->end()) {
        return {telling::foreign, std::move(o)};
    }
    if (!known || o.name.empty()) {
        return {telling::partial, std::move(o)};
    }
    o.path = "groups/" + tree::owner_segment(o.name, o.id);
    return {telling::ours, std::move(o)};
}

told_owner site_of(const json& element) {
    sources::owner o;
    o.kind = "site";
    o.id = text(element, "id");
    const auto url = text(element, "webUrl");
    if (sources::is_true(element, "isPersonalSite") || url.find("/personal/") != std::string::npos) {
        return {telling::foreign, std::move(o)};
    }
    auto parts = http::parse_url(url);
    if (!parts) {
        return {telling::partial, std::move(o)};
    }
    std::string path = parts->target.substr(0, parts->target.find_first_of("?#"));
    if (path == "/search" && text(element, "name").empty()) {
        return {telling::foreign, std::move(o)};
    }
    o.name = parts->host;
    o.path = "sites/" + tree::owner_segment(parts->host, o.id);
    for (std::size_t at = 1; at < path.size();) {
        const auto end = std::min(path.find('/', at), path.size());
        if (end > at) {
            const auto raw = path.substr(at, end - at);
            const auto name = http::percent_decode(raw).value_or(raw);
            o.name += "/" + name;
            o.path += "/" + tree::owner_segment(name, o.id);
        }
        at = end + 1;
    }
    return {telling::ours, std::move(o)};
}

}  // namespace

std::string owner_list::select() const {
    std::string out = "$select=id";
    for (const auto& name : members) {
        out += "," + name;
    }
    return out;
}

owner_list all_users() {
    owner_list out;
    out.kind = "user";
    out.address = "/v1.0/users";
    out.members = {"userPrincipalName", "displayName", "userType", "accountEnabled"};
    out.deciding = {"userPrincipalName", "userType"};
    out.read = &user_of;
    return out;
}

owner_list all_groups() {
    owner_list out;
    out.kind = "group";
    out.address = "/v1.0/groups";
    out.members = {"displayName", "mailNickname", "groupTypes"};
    out.deciding = {"mailNickname", "groupTypes"};
    out.read = &group_of;
    return out;
}

owner_list all_sites() {
    owner_list out;
    out.kind = "site";
    out.read = &site_of;
    return out;
}

}  // namespace m365stage::sync
