#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "index/rows.hpp"

namespace m365stage::sources {

inline constexpr const char* settings_root = "mailbox";
inline constexpr const char* settings_id = "settings";

/// Settings of a mailbox, rules of its inbox and its categories as one element of a page; null for what the
/// service does not offer here. What moves by itself is left out.
nlohmann::json settings_element(nlohmann::json settings, nlohmann::json rules, nlohmann::json categories);

/// The element of settings of which nothing is known but that they are there: what is staged stays.
nlohmann::json kept_settings_element();

/// The change that such an element tells.
std::optional<index::item_change> parse_settings(const nlohmann::json& element);

std::string settings_content_key(const nlohmann::json& meta);

/// settings.json, from the sidecar's metadata.
std::string settings_document(const nlohmann::json& meta);

}  // namespace m365stage::sources
