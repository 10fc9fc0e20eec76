#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "index/rows.hpp"

namespace m365stage::sources {

/// The members of a contact that are staged, for $select.
std::string_view contact_members();

/// A contact folder of a page or of GET contactFolder (contract 6.6); nullopt for what has no id or no
/// parent.
std::optional<index::item_change> parse_contact_folder(const nlohmann::json& element);

/// A contact of a folder's page or of GET contact; `folder` is where the page is from, for elements that do
/// not say. Tolerates every missing, mistyped and unknown member; nullopt if it has no id.
std::optional<index::item_change> parse_contact(const nlohmann::json& element, const std::string& folder);

/// What is kept of a contact; null, empty and missing members are the same.
nlohmann::json contact_facts(const nlohmann::json& element);

/// True for an element that tells only what changed (contract Q69).
bool is_sparse_contact(const nlohmann::json& element);

/// What stands for the vCard of a contact, from its sidecar's metadata.
std::string contact_content_key(const nlohmann::json& meta);

/// The name that people know the contact by: its display name, or what else it has.
std::string contact_name(const nlohmann::json& meta);

}  // namespace m365stage::sources
