#include "restore/target.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace m365stage::restore {
namespace {

using nlohmann::json;

std::vector<std::string> split_path(const std::string& text) {
    std::vector<std::string> out;
    for (std::size_t at = 0; at <= text.size();) {
        const auto slash = std::min(text.find('/', at), text.size());
        if (slash > at) {
            out.push_back(text.substr(at, slash - at));
        }
        at = slash + 1;
    }
    return out;
}

core::error not_understood(const std::string& text) {
    core::error e(core::error_kind::usage, "no such kind of place");
    e.operation = "--to";
    e.object = text;
    e.hint =
        "write users/NAME@DOMAIN[/FOLDER], groups/NAME[/FOLDER] or sites/HOST/PATH[/libraries/NAME[/FOLDER]]";
    return e;
}

std::string text_of(const json& object, const char* key) {
    const auto found = object.is_object() ? object.find(key) : object.end();
    return object.is_object() && found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

graph::call ask(std::string target, unsigned units, std::string object) {
    graph::call c;
    c.target = std::move(target);
    c.where = graph::scope(graph::service::sharepoint);
    c.resource_units = units;
    c.object = std::move(object);
    return c;
}

/// The drive's JSON and its root folder as a target.
task<core::result<drive_target>> target_of(graph::client& graph, json drive, std::string label) {
    drive_target out;
    out.drive = text_of(drive, "id");
    out.label = std::move(label);
    if (out.drive.empty()) {
        core::error e(core::error_kind::protocol, "the service tells of a drive without an id");
        co_return std::move(e).on(out.label);
    }
    if (const auto quota = drive.find("quota"); quota != drive.end() && quota->is_object()) {
        const auto left = quota->find("remaining");
        const auto total = quota->find("total");
        // Missing, negative and zero totals mean: not known (contract Q116).
        if (left != quota->end() && left->is_number_integer() && total != quota->end() &&
            total->is_number_integer() && total->get<std::int64_t>() > 0 && left->get<std::int64_t>() >= 0) {
            out.room = left->get<std::int64_t>();
        }
    }
    auto root = co_await graph.get_json(drive_calls(out.drive).root(out.label));
    if (!root) {
        co_return root.error();
    }
    out.root = text_of(*root, "id");
    co_return out;
}

/// The one element of a collection that has this text under `key`.
task<core::result<json>> find_in(
    graph::client& graph, graph::call call, std::string key, std::string wanted
) {
    const auto object = call.object;
    constexpr int most_pages = 2000;
    for (int n = 0; n < most_pages; ++n) {
        auto page = co_await graph.get_page(call);
        if (!page) {
            co_return page.error();
        }
        for (const auto& element : *page->value) {
            if (folded(text_of(element, key.c_str())) == folded(wanted)) {
                co_return element;
            }
        }
        if (page->next_link.empty()) {
            break;
        }
        call.target = page->next_link;
    }
    core::error e(core::error_kind::not_found, "there is no " + wanted);
    co_return std::move(e).on(object);
}

}  // namespace

core::result<drive_name> parse_target(const std::string& text) {
    const auto parts = split_path(text);
    drive_name out;
    if (parts.size() < 2) {
        return not_understood(text);
    }
    std::size_t used = 2;
    out.owner = parts[1];
    if (parts[0] == "users" || parts[0] == "groups") {
        out.owner_kind = parts[0] == "users" ? "user" : "group";
        const std::string own = parts[0] == "users" ? "onedrive" : "files";
        if (parts.size() > 2 && parts[2] == own) {
            used = 3;
        } else if (parts.size() > 3 && parts[2] == "drives") {
            out.library = parts[3];
            used = 4;
        }
    } else if (parts[0] == "sites") {
        out.owner_kind = "site";
        for (; used < parts.size() && parts[used] != "libraries"; ++used) {
            out.owner += "/" + parts[used];
        }
        if (used + 1 < parts.size()) {
            out.library = parts[used + 1];
        }
        used = std::min(used + 2, parts.size());
    } else {
        return not_understood(text);
    }
    out.folder.assign(parts.begin() + static_cast<std::ptrdiff_t>(used), parts.end());
    return out;
}

task<core::result<drive_target>> find_drive(graph::client& graph, drive_name name) {
    const auto label = name.owner_kind + "s/" + name.owner + (name.library.empty() ? "" : "/" + name.library);
    std::string base = "/v1.0/users/" + path_segment(name.owner);
    if (name.owner_kind == "group") {
        // A nickname is no key: it is asked for by a filter, whose quotes are doubled.
        std::string quoted;
        for (const char c : name.owner) {
            quoted += c == '\'' ? "''" : std::string(1, c);
        }
        auto call =
            ask("/v1.0/groups?$select=id,mailNickname&$filter=mailNickname%20eq%20'" +
                    http::percent_encode(quoted) + "'",
                1, label);
        call.where = graph::scope(graph::service::directory);
        auto group = co_await find_in(graph, std::move(call), "mailNickname", name.owner);
        if (!group) {
            co_return group.error();
        }
        base = "/v1.0/groups/" + path_segment(text_of(*group, "id"));
    } else if (name.owner_kind == "site") {
        const auto slash = std::min(name.owner.find('/'), name.owner.size());
        std::string path;
        for (const auto& part : split_path(name.owner.substr(slash))) {
            path += "/" + http::percent_encode(part);
        }
        const auto host = path_segment(name.owner.substr(0, slash));
        auto call = ask("/v1.0/sites/" + host, graph::units::single, label);
        call.target += path.empty() ? "" : ":" + path;
        auto site = co_await graph.get_json(std::move(call));
        if (!site) {
            co_return site.error();
        }
        base = "/v1.0/sites/" + path_segment(text_of(*site, "id"));
    }
    core::result<json> drive = core::error();
    if (name.library.empty()) {
        drive = co_await graph.get_json(ask(base + "/drive", graph::units::single, label));
    } else {
        drive =
            co_await find_in(graph, ask(base + "/drives", graph::units::query, label), "name", name.library);
    }
    if (!drive) {
        co_return drive.error();
    }
    auto out = co_await target_of(graph, std::move(*drive), label);
    if (out) {
        out->below = std::move(name.folder);
    }
    co_return out;
}

task<core::result<drive_target>> find_drive_by_id(graph::client& graph, std::string id) {
    auto drive = co_await graph.get_json(drive_calls(id).about("drive " + id));
    if (!drive) {
        co_return drive.error();
    }
    auto out = co_await target_of(graph, std::move(*drive), "drive " + id);
    co_return out;
}

task<core::result<drive_target>> find_origin(graph::client& graph, const container& from, std::string& note) {
    core::error why(core::error_kind::not_found, "nothing tells which drive it came from");
    if (!from.id.empty()) {
        auto same = co_await find_drive_by_id(graph, from.id);
        if (same) {
            same->label = from.path.empty() ? same->label : from.path;
            co_return same;
        }
        why = same.error();
    }
    if (why.kind != core::error_kind::not_found || from.path.empty()) {
        why.hint = why.hint.empty() ? "--to names another place" : why.hint;
        co_return std::move(why).on(from.path);
    }
    auto name = parse_target(from.path);
    if (!name) {
        co_return std::move(why).on(from.path);
    }
    name->folder.clear();
    auto present = co_await find_drive(graph, std::move(*name));
    if (!present) {
        core::error e = present.error();
        e.hint = "--to names another place";
        co_return std::move(e).on(from.path);
    }
    note = from.path + ": the drive it came from is gone; the present one of its owner is used";
    present->label = from.path;
    co_return present;
}

}  // namespace m365stage::restore
