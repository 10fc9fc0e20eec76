#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "index/leases.hpp"

namespace m365stage::index {

/// What once happened to the object at a path, and the backup that holds what was there from then on.
struct version_row {
    version_row() = default;
    std::int64_t generation = 0;
    unix_seconds at = 0;  ///< when that generation was finished
    change_kind what = change_kind::created;
    std::optional<std::string> old_path, new_path;  ///< at that change
    /// Where `job` has it: a folder above it may have been renamed since the change. Without a job: where it
    /// was then.
    std::string path;
    /// The first saved job that read the tree when this was the latest version; nullopt: none did.
    std::optional<job_row> job;
};

/// The versions of whatever lies or lay at a path (below tree/), oldest first. An object that came there by a
/// rename brings its history along; a rename of a folder above it is the folder's history, and no version.
/// Reads all rows of `change`. A job that lost its lease before it had read the tree holds nothing for
/// certain.
std::vector<version_row> versions_of(database& db, std::string_view path);

}  // namespace m365stage::index
