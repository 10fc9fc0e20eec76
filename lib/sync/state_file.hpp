#pragma once

#include <string>

#include "tree/stage_root.hpp"

namespace m365stage::sync {

/// Puts a small file into tree/.m365stage/, whole and durable. One that is there with the same text is not
/// touched. Blocking. Requires: inside the tree's gate, no lease is held. Errors: disk.
core::result<void> write_state_file(
    const tree::stage_root& root, const std::string& name, const std::string& text
);

/// The same for a file that lies in spool/ under this name.
core::result<void> place_state_file(const tree::stage_root& root, const std::string& name);

}  // namespace m365stage::sync
