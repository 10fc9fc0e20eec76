#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "index/rows.hpp"

namespace m365stage::sources {

/// Stands for the top of To Do, where the lists are: the service has no id for it.
inline constexpr const char* todo_root = "todo";

/// A task list of a page or of GET todoTaskList (contract 6.7); nullopt for the list that mirrors flagged
/// mail and for what has no id.
std::optional<index::item_change> parse_task_list(const nlohmann::json& element);

/// A task of a list's page. Tolerates every missing, mistyped and unknown member; nullopt if it has no id.
std::optional<index::item_change> parse_task(const nlohmann::json& element, const std::string& list);

/// What is kept of a task; null, empty and missing members are the same.
nlohmann::json task_facts(const nlohmann::json& element);

/// True for an element that tells only what changed (contract Q69).
bool is_sparse_task(const nlohmann::json& element);

/// What stands for the file of a task, from its sidecar's metadata.
std::string task_content_key(const nlohmann::json& meta);

/// The elements of a list that belongs to a task, without ids and in an order of their own: the service
/// promises none. `members`: what is kept of each.
nlohmann::json task_parts(const nlohmann::json& elements, std::initializer_list<const char*> members);

/// The first part of a task's file, up to where the first attachment begins: an object with the task and what
/// belongs to it.
std::string task_document(
    const nlohmann::json& meta, const nlohmann::json& checklist, const nlohmann::json& links
);

/// One attachment up to where its bytes begin.
std::string task_attachment(const nlohmann::json& element, bool first);

inline constexpr const char* task_attachment_bytes = ",\n      \"contentBytes\": \"";

}  // namespace m365stage::sources
