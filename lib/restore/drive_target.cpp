#include <nlohmann/json.hpp>

#include "restore/drive_restore.hpp"
#include "restore/owner.hpp"
#include "sources/fields.hpp"

namespace m365stage::restore {
namespace {

using nlohmann::json;
using sources::text;

graph::call ask(std::string target, unsigned units, std::string object) {
    graph::call c;
    c.target = std::move(target);
    c.where = graph::scope(graph::service::sharepoint);
    c.resource_units = units;
    c.object = std::move(object);
    return c;
}

/// The drive's JSON and its root folder as a target.
task<core::result<target>> target_of(graph::client& graph, json drive, std::string label) {
    target out;
    out.id = text(drive, "id");
    out.label = std::move(label);
    if (out.id.empty()) {
        core::error e(core::error_kind::protocol, "the service lists a drive without an id");
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
    auto root = co_await graph.get_json(drive_calls(out.id).root(out.label));
    if (!root) {
        co_return root.error();
    }
    out.root = text(*root, "id");
    co_return out;
}

/// The library that the place names; empty: the default one. What is left of `where.rest` are folders.
core::result<std::string> take_library(place& where) {
    if (where.owner_kind != "site") {
        auto taken =
            take_container_name(where, where.owner_kind == "user" ? "onedrive" : "files", {"user", "group"});
        return taken ? core::result<std::string>("") : taken.error();
    }
    if (where.rest.size() < 2) {
        where.rest.clear();
        return std::string();
    }
    auto library = where.rest[1];
    where.rest.erase(where.rest.begin(), where.rest.begin() + 2);
    return library;
}

}  // namespace

task<core::result<target>> find_drive(graph::client& graph, place where) {
    auto library = take_library(where);
    if (!library) {
        co_return library.error();
    }
    auto owner = co_await find_owner(graph, where);
    if (!owner) {
        co_return owner.error();
    }
    const auto label = owner->label + (library->empty() ? "" : "/" + *library);
    core::result<json> drive = core::error();
    if (library->empty()) {
        drive = co_await graph.get_json(ask(owner->address + "/drive", graph::units::single, label));
    } else {
        drive = co_await find_in(
            graph, ask(owner->address + "/drives", graph::units::query, label), "name", *library
        );
    }
    if (!drive) {
        co_return drive.error();
    }
    auto out = co_await target_of(graph, std::move(*drive), label);
    if (out) {
        out->below = std::move(where.rest);
    }
    co_return out;
}

task<core::result<target>> find_drive_of(graph::client& graph, const container& from, std::string& note) {
    core::error why(core::error_kind::not_found, "nothing tells which drive it came from");
    if (!from.id.empty()) {
        const auto label = from.path.empty() ? "drive " + from.id : from.path;
        auto same = co_await graph.get_json(drive_calls(from.id).about(label));
        if (same) {
            auto out = co_await target_of(graph, std::move(*same), label);
            if (out) {
                out->origin = true;
            }
            co_return out;
        }
        why = same.error();
    }
    if (why.kind != core::error_kind::not_found || from.path.empty()) {
        const bool lasting = !core::is_transient(why.kind);
        why.hint = why.hint.empty() && lasting ? "--to names another place" : why.hint;
        co_return std::move(why).on(from.path);
    }
    auto name = parse_place(from.path);
    if (!name) {
        co_return std::move(why).on(from.path);
    }
    if (name->owner_kind != "site") {
        // A second drive of somebody ("drives/NAME") goes into the first one.
        name->rest.clear();
    }
    auto present = co_await find_drive(graph, std::move(*name));
    if (!present) {
        core::error e = present.error();
        e.hint = "--to names another place";
        co_return std::move(e).on(from.path);
    }
    note = from.path + ": the drive it came from is gone; its owner's current one is used";
    present->label = from.path;
    present->below.clear();
    co_return present;
}

}  // namespace m365stage::restore
