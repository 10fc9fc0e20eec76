#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "drive.hpp"

/// The JSON form of a driveItem (contract, section 5.3), written by hand: feeds are most of the work.
namespace m365stage::sim {

enum item_field : std::uint32_t {
    field_id = 1U << 0,
    field_name = 1U << 1,
    field_etag = 1U << 2,
    field_ctag = 1U << 3,
    field_created = 1U << 4,
    field_modified = 1U << 5,
    field_created_by = 1U << 6,
    field_modified_by = 1U << 7,
    field_web_url = 1U << 8,
    field_size = 1U << 9,
    field_file = 1U << 10,
    field_folder = 1U << 11,
    field_package = 1U << 12,
    field_root = 1U << 13,
    field_deleted = 1U << 14,
    field_malware = 1U << 15,
    field_shared = 1U << 16,
    field_parent = 1U << 17,
    field_fs_info = 1U << 18,
    field_download_url = 1U << 19,
    field_remote = 1U << 20,
    field_description = 1U << 21,
    field_special = 1U << 22,
    field_sharepoint_ids = 1U << 23,  ///< only with $select
};
inline constexpr std::uint32_t default_fields = 0xffffffffU & ~field_sharepoint_ids;

/// The fields of a $select; default_fields when it is empty. Knows that selecting the annotation by its own
/// name loses it, and that content.downloadUrl brings it.
std::uint32_t parse_select(const std::string& select);

struct item_view {
    std::uint32_t fields = default_fields;
    bool annotate_type = true;
    bool inherit_shared = true;   ///< also what is below a shared item has the facet
    bool shared_changed = false;  ///< @microsoft.graph.sharedChanged
    bool omit_parent_path = false;
    bool omit_ctag = false;
    bool tombstone_name = false;
    bool negative_size = false;
    bool old_dates = false;
    bool fractions = false;
    bool zero_child_count = false;
    std::string download_url;  ///< empty: none
    std::string expand;        ///< members to add at the end, with their leading comma
};

/// Appends the item as a JSON object.
void append_item(std::string& out, drive& d, item_index i, const item_view& view);
std::string mime_of(std::string_view name);

}  // namespace m365stage::sim
