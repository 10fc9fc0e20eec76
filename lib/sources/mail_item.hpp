#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "graph/flat_json.hpp"
#include "index/rows.hpp"

namespace m365stage::sources {

/// The members of a message that its sidecar holds, for $select.
std::string_view message_members();

/// A mail folder of a page or of GET mailFolder (contract 6.1); nullopt for search folders, whose messages
/// lie elsewhere, and for what has no id.
std::optional<index::item_change> parse_mail_folder(const nlohmann::json& element);

/// A message of a folder's page or of GET message (contract 6.2); `folder` is where the page is from, for
/// elements that do not say. Tolerates every missing, mistyped and unknown member; nullopt if it has no id.
std::optional<index::item_change> parse_message(const graph::flat_value& element, const std::string& folder);
std::optional<index::item_change> parse_message(const nlohmann::json& element, const std::string& folder);

/// True for an element that tells only what changed (contract Q69), however much that is: taken for the whole
/// message it would wipe the rest.
bool is_sparse_message(const graph::flat_value& element);
bool is_sparse_message(const nlohmann::json& element);

/// What stands for the MIME of a message, from its sidecar's metadata. A draft's moves with every change.
/// What was sent or received moves when one of the members does that can't change without the MIME: read
/// state, flags and categories are not in it.
std::string message_content_key(const nlohmann::json& meta);

/// "20261123-091502_Quarterly figures_k3j9d0a1pq.eml".
std::string message_file_name(
    core::unix_seconds received, std::string_view subject, std::string_view remote_id
);

}  // namespace m365stage::sources
