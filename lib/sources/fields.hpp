#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>

#include "async/task.hpp"
#include "core/members.hpp"
#include "graph/client.hpp"
#include "graph/flat_json.hpp"

namespace m365stage::sources {

using core::member;
using core::text;

bool is_true(const nlohmann::json& object, std::string_view key);

/// True for what a feed tells of as gone (contract 4.2). A mark that is null is none.
bool is_removed(const nlohmann::json& element);
bool is_removed(const graph::flat_value& element);

/// An object of those members that are there.
nlohmann::json chosen(const nlohmann::json& object, std::span<const char* const> names);

/// "changeKey,subject": what to select. `first`: names in front of them.
std::string selection(std::string first, std::span<const char* const> names);

/// Compact text with sorted keys; what is no UTF-8 is replaced.
std::string canonical(const nlohmann::json& value);

/// One element as a page of a listing, with no link.
graph::page page_of(nlohmann::json element);

/// Asks for one object, and makes a page of it.
async::task<core::result<graph::page>> single_page(graph::client& graph, graph::call call);

/// An id as one path segment. '!' and ',' of drive and site ids stay: they are allowed there and every log
/// shows them so.
std::string segment(std::string_view id);

}  // namespace m365stage::sources
