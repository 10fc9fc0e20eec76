#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/time.hpp"

namespace m365stage::restore {

/// What to do about an object whose name is taken in the target by something else.
enum class conflict_rule {
    skip,     ///< leave what is there
    rename,   ///< put it beside, under another name
    replace,  ///< put it in its place: the service keeps the old version of a file; the rest is deleted
};

/// What a person asked for.
struct request {
    request() = default;
    std::string from;                 ///< folder with the tree, or a part of it
    std::vector<std::string> select;  ///< patterns over paths in the tree; none: everything
    std::string to;                   ///< "users/x@y[/folder]", "sites/host/path[/...]"; empty: where it was
    bool in_place = false;            ///< into the same folders
    std::string into;                 ///< name of the folder it goes into; empty: a new one, by date
    conflict_rule conflict = conflict_rule::skip;
    std::optional<core::unix_seconds> as_of;  ///< leave out what was made or changed later
    bool permissions = false;
    bool settings = false;     ///< mailbox settings, rules and categories as well
    bool mbox = false;         ///< of an export: one file for each mail folder
    std::string state_folder;  ///< where journals lie

    /// The same for the same restore, so that it goes on in its journal. `tree`: where the tree was found.
    std::string tag(const std::string& tree) const;
    /// True if this path, or a folder above it, is selected.
    bool selects(const std::string& path) const;
    /// False only if nothing at or below this path can be selected: there is no need to look.
    bool may_select_below(const std::string& path) const;
};

}  // namespace m365stage::restore
