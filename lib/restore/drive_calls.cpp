#include "restore/drive_calls.hpp"

#include <nlohmann/json.hpp>

#include "restore/kind.hpp"
#include "sources/fields.hpp"

namespace m365stage::restore {
namespace {

using nlohmann::json;
using sources::member;
using sources::text;

std::string dumped(const json& body) {
    return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

const char* behaviour(bool replace) {
    return replace ? "replace" : "fail";
}

}  // namespace

std::optional<remote_item> parse_remote_item(const json& item) {
    remote_item out;
    out.id = text(item, "id");
    if (out.id.empty()) {
        return std::nullopt;
    }
    out.name = text(item, "name");
    if (const auto* size = member(item, "size"); size != nullptr && size->is_number_integer()) {
        out.size = size->get<std::int64_t>();
    }
    if (const auto* file = member(item, "file")) {
        out.file = true;
        if (const auto* hashes = member(*file, "hashes")) {
            out.hash = text(*hashes, "quickXorHash");
        }
    }
    out.folder = member(item, "folder") != nullptr && member(item, "remoteItem") == nullptr;
    out.shared = member(item, "shared") != nullptr;
    if (const auto* info = member(item, "fileSystemInfo")) {
        out.created = core::parse_timestamp(text(*info, "createdDateTime"));
        out.modified = core::parse_timestamp(text(*info, "lastModifiedDateTime"));
    }
    return out;
}

std::optional<remote_item> announced_item(const json& staged) {
    json item = staged.is_object() ? staged : json::object();
    item["id"] = "-";
    return parse_remote_item(item);
}

json file_system_info(const json& item) {
    json out = json::object();
    const auto* info = member(item, "fileSystemInfo");
    for (const char* key : {"createdDateTime", "lastModifiedDateTime"}) {
        if (const auto t = info != nullptr ? core::parse_timestamp(text(*info, key)) : std::nullopt) {
            out[key] = core::format_timestamp(*t);
        }
    }
    return out;
}

graph::call drive_calls::base(std::string path, unsigned units, std::string object) const {
    graph::call c;
    c.target = "/v1.0/drives/" + sources::segment(drive_) + path;
    c.where = graph::scope(graph::service::sharepoint);
    c.resource_units = units;
    c.object = std::move(object);
    return c;
}

graph::call drive_calls::about(std::string object) const {
    return base("", graph::units::single, std::move(object));
}

graph::call drive_calls::root(std::string object) const {
    return base("/root", graph::units::single, std::move(object));
}

graph::call drive_calls::item(const std::string& id, std::string object) const {
    return base("/items/" + sources::segment(id), graph::units::single, std::move(object));
}

graph::call drive_calls::child(const std::string& parent, const std::string& name, std::string object) const {
    return base(
        "/items/" + sources::segment(parent) + ":/" + http::percent_encode(name), graph::units::single,
        std::move(object)
    );
}

graph::call drive_calls::path(const std::string& names, std::string object) const {
    std::string encoded;
    for (const char c : names) {
        encoded += c == '/' ? std::string(1, c) : http::percent_encode(std::string_view(&c, 1));
    }
    return base("/root:/" + encoded, graph::units::single, std::move(object));
}

graph::call drive_calls::children(const std::string& parent, std::string object, bool columns) const {
    return base(
        "/items/" + sources::segment(parent) + "/children?$top=" + (columns ? "200" : "500") +
            "&$select=id,name,size,file,folder,package,remoteItem,fileSystemInfo,shared" +
            (columns ? "&$expand=listItem($expand=fields)" : ""),
        graph::units::query, std::move(object)
    );
}

graph::call drive_calls::make_folder(
    const std::string& parent, const std::string& name, const json& info, std::string object
) const {
    auto c = base("/items/" + sources::segment(parent) + "/children", graph::units::write, std::move(object));
    c.verb = http::method::post;
    json body{{"name", name}, {"folder", json::object()}, {"@microsoft.graph.conflictBehavior", "fail"}};
    if (!info.empty()) {
        body["fileSystemInfo"] = info;
    }
    c.body = dumped(body);
    return c;
}

graph::call drive_calls::put_empty(
    const std::string& parent, const std::string& name, bool replace, std::string object
) const {
    auto c = base(
        "/items/" + sources::segment(parent) + ":/" + http::percent_encode(name) +
            ":/content?@microsoft.graph.conflictBehavior=" + behaviour(replace),
        graph::units::write, std::move(object)
    );
    c.verb = http::method::put;
    c.fields.set("Content-Type", "application/octet-stream");
    return c;
}

graph::call drive_calls::begin_upload(
    const std::string& parent, const std::string& name, bool replace, const json& info, std::string object
) const {
    auto c = base(
        "/items/" + sources::segment(parent) + ":/" + http::percent_encode(name) + ":/createUploadSession",
        graph::units::write, std::move(object)
    );
    c.verb = http::method::post;
    json item{{"@microsoft.graph.conflictBehavior", behaviour(replace)}, {"name", name}};
    if (!info.empty()) {
        item["fileSystemInfo"] = info;
    }
    c.body = dumped(json{{"item", std::move(item)}});
    return c;
}

graph::call drive_calls::change(const std::string& id, const json& body, std::string object) const {
    auto c = base("/items/" + sources::segment(id), graph::units::write, std::move(object));
    c.verb = http::method::patch;
    c.body = dumped(body);
    return c;
}

graph::call drive_calls::change_fields(const std::string& id, const json& fields, std::string object) const {
    auto c =
        base("/items/" + sources::segment(id) + "/listItem/fields", graph::units::write, std::move(object));
    c.verb = http::method::patch;
    c.body = dumped(fields);
    return c;
}

graph::call drive_calls::permissions(const std::string& id, std::string object) const {
    return base(
        "/items/" + sources::segment(id) + "/permissions", graph::units::permissions, std::move(object)
    );
}

graph::call drive_calls::invite(const std::string& id, const json& body, std::string object) const {
    auto c = base("/items/" + sources::segment(id) + "/invite", graph::units::permissions, std::move(object));
    c.verb = http::method::post;
    c.idempotent = false;
    c.body = dumped(body);
    return c;
}

graph::call drive_calls::create_link(const std::string& id, const json& body, std::string object) const {
    auto c =
        base("/items/" + sources::segment(id) + "/createLink", graph::units::permissions, std::move(object));
    c.verb = http::method::post;
    c.idempotent = false;
    c.body = dumped(body);
    return c;
}

}  // namespace m365stage::restore
