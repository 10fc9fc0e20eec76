#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "index/columns.hpp"
#include "sources/source.hpp"

/// A document library's own columns (contract 7.1).
namespace m365stage::sources {

/// The columns that people write, of a list's `columns`: without what is read-only, hidden, or SharePoint's
/// own.
std::vector<column> writable_columns(const nlohmann::json& list);

/// The same; none if there is nothing but the title, which every library has.
std::vector<column> own_columns(const nlohmann::json& list);

/// All columns of a drive's list.
task<core::result<nlohmann::json>> read_column_list(
    graph::client& graph, std::string drive, std::string object
);

/// What a list item's `fields` say of these columns, without those that are empty.
nlohmann::json column_values(const nlohmann::json& fields, const std::vector<column>& columns);

/// The name that a column's value has in `fields` when it is written: that of lookups ends with "LookupId".
std::string field_of(const column& c);

/// An element of the list's feed; nullopt if it does not tell which item of the drive it is.
std::optional<index::column_row> parse_column_row(
    const nlohmann::json& element, const std::vector<column>& columns
);

/// Requests to a drive's list. `drive` and `item`: ids.
graph::call column_feed_call(const std::string& drive, const std::string& link, std::string object);
graph::call list_item_call(const std::string& drive, const std::string& item, std::string object);

}  // namespace m365stage::sources
