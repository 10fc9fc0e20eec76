#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "world.hpp"

/// What all ways of writing to a drive share.
namespace m365stage::sim {

response name_taken();    ///< 409
response bad_name();      ///< 400
response precondition();  ///< 412

/// Whether the If-Match header names another state than the item's.
bool stale(const request& r, const drive& d, item_index i);

/// Of a body's fileSystemInfo, in seconds; 0: not told.
struct times {
    std::int64_t created = 0;
    std::int64_t modified = 0;
};
times times_of(const nlohmann::json& body);
void apply_times(drive& d, item_index i, std::int64_t created, std::int64_t modified);

struct stored_result {
    item_index index = no_item;
    bool created = false;
    bool conflict = false;  ///< something has the name, and nothing was stored
};
/// Puts content under a name, as the conflict behaviour wants it.
stored_result store(
    world& w, drive& d, item_index parent, std::string name, item_index existing, content data,
    const std::string& conflict
);

/// The item as the answer to a request that wrote it.
response item_response(world& w, const request& r, drive& d, item_index i, int status);

/// `mode`: as of fopen. False: the disk did not take it.
bool write_bytes(const std::string& path, std::string_view bytes, const char* mode);

}  // namespace m365stage::sim
