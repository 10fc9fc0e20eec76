#include "restore/owner.hpp"

#include <nlohmann/json.hpp>

#include "graph/paging.hpp"
#include "sources/fields.hpp"
#include "sources/outlook.hpp"

namespace m365stage::restore {
namespace {

using nlohmann::json;
using sources::text;

graph::call ask(std::string target, graph::service service, std::string label) {
    graph::call c;
    c.target = std::move(target);
    c.where = graph::scope(service);
    c.object = std::move(label);
    return c;
}

task<core::result<std::string>> id_of(graph::client& graph, graph::call call) {
    auto answer = co_await graph.get_json(call);
    if (!answer) {
        co_return answer.error();
    }
    auto id = text(*answer, "id");
    if (id.empty()) {
        core::error e(core::error_kind::protocol, "the service does not tell its id");
        co_return std::move(e).on(call.object);
    }
    co_return id;
}

/// A nickname is no key: it is asked for by a filter, whose quotes are doubled.
task<core::result<std::string>> group_id(graph::client& graph, const place& where, std::string label) {
    std::string quoted;
    for (const char c : where.owner) {
        quoted += c == '\'' ? "''" : std::string(1, c);
    }
    auto call =
        ask("/v1.0/groups?$select=id,mailNickname&$filter=mailNickname%20eq%20'" +
                http::percent_encode(quoted) + "'",
            graph::service::directory, std::move(label));
    auto group = co_await find_in(graph, std::move(call), "mailNickname", where.owner);
    if (!group) {
        core::error why = group.error();
        if (why.kind == core::error_kind::not_found) {
            why.cause = "there is no group of this mail nickname";
        }
        co_return why;
    }
    co_return text(*group, "id");
}

task<core::result<std::string>> site_id(graph::client& graph, const place& where, std::string label) {
    const auto slash = std::min(where.owner.find('/'), where.owner.size());
    std::string path;
    for (const auto& part : split_path(where.owner.substr(slash))) {
        path += "/" + http::percent_encode(part);
    }
    auto target = "/v1.0/sites/" + sources::segment(where.owner.substr(0, slash));
    target += path.empty() ? "" : ":" + path;
    auto id = co_await id_of(graph, ask(std::move(target), graph::service::sharepoint, std::move(label)));
    co_return id;
}

}  // namespace

task<core::result<json>> find_in(
    graph::client& graph, graph::call call, std::string key, std::string wanted
) {
    const auto object = call.object;
    const auto fits = [&](const json& element) { return folded(text(element, key)) == folded(wanted); };
    auto found = co_await graph::find_element(graph, std::move(call), fits);
    if (found && found->is_null()) {
        core::error e(core::error_kind::not_found, "nothing there is called " + wanted);
        co_return std::move(e).on(object);
    }
    co_return found;
}

task<core::result<found_owner>> find_owner(graph::client& graph, const place& where) {
    found_owner out;
    out.label = where.owner_kind + "s/" + where.owner;
    core::result<std::string> id = core::error();
    if (where.owner_kind == "group") {
        id = co_await group_id(graph, where, out.label);
    } else if (where.owner_kind == "site") {
        id = co_await site_id(graph, where, out.label);
    } else {
        id = where.owner;
    }
    if (!id) {
        co_return id.error();
    }
    out.id = std::move(*id);
    out.address = "/v1.0/" + where.owner_kind + "s/" + sources::segment(out.id);
    co_return out;
}

namespace {

/// Asks for something of a mailbox. Errors: as the service says.
task<core::result<found_owner>> probe_owner(graph::client& graph, found_owner owner, std::string probe) {
    auto call = sources::mailbox_call(owner.id, owner.address + probe, owner.label);
    auto answer = co_await graph.get_json(std::move(call));
    if (!answer) {
        co_return answer.error();
    }
    owner.probed = text(*answer, "id");
    co_return owner;
}

}  // namespace

task<core::result<found_owner>> find_mailbox(graph::client& graph, const place& where, std::string probe) {
    auto owner = co_await find_owner(graph, where);
    if (!owner) {
        co_return owner.error();
    }
    auto found = co_await probe_owner(graph, std::move(*owner), std::move(probe));
    co_return found;
}

task<core::result<found_owner>> find_owner_of(
    graph::client& graph, const container& from, std::string probe, std::string& note
) {
    core::error why(core::error_kind::not_found, "nothing tells whose it was");
    if (!from.owner_id.empty() && !from.owner_kind.empty()) {
        found_owner out;
        out.id = from.owner_id;
        out.address = "/v1.0/" + from.owner_kind + "s/" + sources::segment(out.id);
        out.label = from.path;
        auto same = co_await probe_owner(graph, std::move(out), probe);
        if (same || same.error().kind != core::error_kind::not_found) {
            co_return same;
        }
        why = same.error();
    }
    auto name = from.path.empty() ? core::result<place>(why) : parse_place(from.path);
    if (!name) {
        why.hint = "--to names another place";
        co_return std::move(why).on(from.path);
    }
    auto present = co_await find_mailbox(graph, *name, std::move(probe));
    if (!present) {
        core::error e = present.error();
        e.hint = "--to names another place";
        co_return std::move(e).on(from.path);
    }
    if (!from.owner_id.empty()) {
        note = from.path + ": the owner it came from is gone; it goes to the current one of that name";
    }
    present->label = from.path;
    co_return present;
}

target mailbox_target(const found_owner& owner) {
    target out;
    out.id = owner.id;
    out.root = owner.probed;
    out.label = owner.label;
    return out;
}

task<core::result<target>> find_in_mailbox(
    graph::client& graph, place where, std::string own, std::string probe
) {
    auto taken = take_container_name(where, own, {"user"});
    if (!taken) {
        co_return taken.error();
    }
    auto owner = co_await find_mailbox(graph, where, std::move(probe));
    if (!owner) {
        co_return owner.error();
    }
    auto out = mailbox_target(*owner);
    out.below = std::move(where.rest);
    co_return out;
}

task<core::result<target>> find_mailbox_origin(
    graph::client& graph, const container& from, std::string probe, std::string& note
) {
    auto owner = co_await find_owner_of(graph, from, std::move(probe), note);
    if (!owner) {
        co_return owner.error();
    }
    auto out = mailbox_target(*owner);
    out.origin = out.id == from.owner_id;
    co_return out;
}

}  // namespace m365stage::restore
