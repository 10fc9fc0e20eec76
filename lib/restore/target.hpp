#pragma once

#include <string>
#include <vector>

#include "restore/context.hpp"
#include "restore/drive_restore.hpp"

namespace m365stage::restore {

/// A drive as a person names it.
struct drive_name {
    drive_name() = default;
    std::string owner_kind;           ///< "user" | "group" | "site"
    std::string owner;                ///< UPN, mail nickname, or host/path of the site
    std::string library;              ///< empty: the default one
    std::vector<std::string> folder;  ///< in the drive
};

/// Reads "users/x@y[/folder]", "groups/nick[/folder]", "sites/host/path[/libraries/name[/folder]]", and paths
/// of containers as `ls` prints them ("users/x@y/onedrive/folder"). Errors: usage.
core::result<drive_name> parse_target(const std::string& text);

/// Looks the drive up. Errors: not_found and what the service says.
task<core::result<drive_target>> find_drive(graph::client& graph, drive_name name);

/// The drive with this id. Errors: not_found and what the service says.
task<core::result<drive_target>> find_drive_by_id(graph::client& graph, std::string id);

/// The drive that a container of the tree goes back to: the one it came from, or the present one of its
/// owner. `note` tells if it is another one.
task<core::result<drive_target>> find_origin(graph::client& graph, const container& from, std::string& note);

}  // namespace m365stage::restore
