#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "world.hpp"

/// Document libraries as lists.
namespace m365stage::sim {

/// Below /drives/{id}/list, and an item's `listItem`.
response serve_list(world& w, const request& r, drive& d, const std::vector<std::string>& segments);
response serve_list_item(
    world& w, const request& r, drive& d, item_index i, const std::vector<std::string>& rest
);
/// The member `listItem` with its leading comma, if `$expand` wants it.
std::string expanded_list_item(const drive& d, item_index i, const std::string& expand);

/// Gives a library columns of its own: one of each kind, a read-only and a hidden one.
void add_columns(drive& d);
/// Sets values of columns, and what follows from that; null takes one away.
void set_fields(world& w, drive& d, item_index i, const nlohmann::json& values);
/// Values for some of those columns.
nlohmann::json random_fields(rng& r);

}  // namespace m365stage::sim
