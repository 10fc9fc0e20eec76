#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "restore/request.hpp"
#include "restore/source_tree.hpp"

namespace m365stage::restore {

struct export_counts {
    std::uint64_t files = 0, folders = 0, bytes = 0;  ///< written
    std::uint64_t present = 0;                        ///< the same file was there
    std::uint64_t failed = 0;
};

/// Copies the selected files of a tree to `to`, without sidecars, under their original names where the target
/// can hold them, with their modification times. Every file's hash is compared with its sidecar's on the way;
/// only whole files appear. Folders whose kind joins them (`kind::join`) become one file each. Nothing that
/// is there is overwritten, and no symbolic link is followed, on either side. `problem` is told of each
/// object that stays out, as one that can't be read does, and why. Errors: usage, disk (the target can't be
/// written, or is full).
core::result<export_counts> export_files(
    const source_tree& tree, const request& asked, const tree::stage_root& to,
    const std::function<void(const std::string& path, const std::string& why)>& problem
);

}  // namespace m365stage::restore
