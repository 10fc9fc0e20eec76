#include "sources/drive_columns.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "graph/paging.hpp"
#include "sources/fields.hpp"

namespace m365stage::sources {
namespace {

using nlohmann::json;

constexpr std::string_view title_column = "Title";

/// Columns that every library has. The name is the item's own; the others the service sets.
bool is_everywhere(std::string_view name) {
    static constexpr std::array names{"FileLeafRef",
                                      "ContentType",
                                      "Attachments",
                                      "Edit",
                                      "Created",
                                      "Modified",
                                      "Author",
                                      "Editor",
                                      "AppAuthor",
                                      "AppEditor",
                                      "MediaServiceImageTags"};
    return name.empty() || name.front() == '_' || std::find(names.begin(), names.end(), name) != names.end();
}

column_kind kind_of(const json& definition) {
    if (member(definition, "lookup") != nullptr || member(definition, "personOrGroup") != nullptr) {
        return column_kind::lookup;
    }
    for (const char* partly : {"hyperlinkOrPicture", "geolocation", "term", "thumbnail"}) {
        if (member(definition, partly) != nullptr) {
            return column_kind::unwritable;
        }
    }
    return member(definition, "dateTime") != nullptr ? column_kind::time : column_kind::plain;
}

bool is_writable(const json& definition) {
    return !is_true(definition, "readOnly") && !is_true(definition, "hidden") &&
           member(definition, "calculated") == nullptr && !is_everywhere(text(definition, "name"));
}

bool is_empty(const json& value) {
    return value.is_null() || (value.is_array() && value.empty()) || value == "";
}

graph::call list_call(const std::string& drive, const std::string& rest, unsigned units, std::string object) {
    graph::call c;
    c.target = "/v1.0/drives/" + segment(drive) + rest;
    c.where = graph::scope(graph::service::sharepoint);
    c.resource_units = units;
    c.object = std::move(object);
    return c;
}

}  // namespace

std::vector<column> writable_columns(const json& list) {
    std::vector<column> out;
    for (const auto& definition : list.is_array() ? list : json::array()) {
        if (!definition.is_object() || !is_writable(definition)) {
            continue;
        }
        column c;
        c.name = text(definition, "name");
        c.kind = kind_of(definition);
        out.push_back(std::move(c));
    }
    return out;
}

std::vector<column> own_columns(const json& list) {
    auto out = writable_columns(list);
    if (std::all_of(out.begin(), out.end(), [](const column& c) { return c.name == title_column; })) {
        out.clear();
    }
    return out;
}

task<core::result<json>> read_column_list(graph::client& graph, std::string drive, std::string object) {
    return graph::read_list(graph, list_call(drive, "/list/columns", graph::units::query, std::move(object)));
}

std::string field_of(const column& c) {
    return c.kind == column_kind::lookup ? c.name + "LookupId" : c.name;
}

json column_values(const json& fields, const std::vector<column>& columns) {
    json out = json::object();
    for (const auto& c : columns) {
        // A lookup of several values has them under its own name, one of a single value under the other.
        for (const auto& name : {c.name, field_of(c)}) {
            if (const auto* value = member(fields, name); value != nullptr && !is_empty(*value)) {
                out[name] = *value;
            }
        }
    }
    return out;
}

std::optional<index::column_row> parse_column_row(const json& element, const std::vector<column>& columns) {
    const auto* item = member(element, "driveItem");
    const auto* fields = member(element, "fields");
    if (item == nullptr || fields == nullptr || member(element, "deleted") != nullptr) {
        return std::nullopt;
    }
    index::column_row out;
    out.remote_id = text(*item, "id");
    out.etag = text(*item, "eTag");
    out.values = canonical(column_values(*fields, columns));
    return out.remote_id.empty() || out.etag.empty() ? std::nullopt : std::optional(std::move(out));
}

graph::call column_feed_call(const std::string& drive, const std::string& link, std::string object) {
    if (!link.empty()) {
        auto c = list_call(drive, "", graph::units::delta_with_token, std::move(object));
        c.target = link;
        return c;
    }
    return list_call(
        drive, "/list/items/delta?$expand=fields,driveItem($select=id,eTag)&$top=200", graph::units::query,
        std::move(object)
    );
}

graph::call list_item_call(const std::string& drive, const std::string& item, std::string object) {
    return list_call(
        drive, "/items/" + segment(item) + "/listItem?$expand=fields", graph::units::single, std::move(object)
    );
}

}  // namespace m365stage::sources
