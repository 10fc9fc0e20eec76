#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "graph/flat_json.hpp"
#include "index/rows.hpp"

namespace m365stage::sources {

/// A driveItem of a delta page or of GET item as a change (contract 5.3 to 5.5). Tolerates every missing,
/// mistyped and unknown member; nullopt if it has no id.
std::optional<index::item_change> parse_drive_item(const graph::flat_value& element);
std::optional<index::item_change> parse_drive_item(const nlohmann::json& element);

/// What decides whether a driveItem's metadata changed: all of `meta` but the modification times of folders,
/// which the service moves whenever something inside changes.
std::string drive_item_mark(const nlohmann::json& meta);

/// The quickXorHash that the service gave; empty if it is unknown.
std::string drive_item_hash(const nlohmann::json& item);

/// The permissions of an item, without what is only inherited and without the secrets in sharing links'
/// invitations.
nlohmann::json own_permissions(const nlohmann::json& list);

}  // namespace m365stage::sources
