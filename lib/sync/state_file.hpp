#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "tree/stage_root.hpp"

namespace m365stage::sync {

/// Puts a file into tree/.m365stage/, whole and durable, piece by piece: in memory is one piece. One that is
/// there with the same text is not touched. Blocking. Requires: inside the tree's gate, no lease is held.
/// Errors: disk.
class state_writer {
public:
    state_writer(const tree::stage_root& root, std::string name);

    core::result<void> put(std::string_view text);
    /// Nothing is in the tree before this.
    core::result<void> finish();

private:
    core::result<void> flush();
    bool is_next_of_present(std::string_view text);

    const tree::stage_root& root_;
    std::string name_;
    std::string buffer_;
    tree::unique_fd out_;
    tree::unique_fd present_;  ///< what is there, as long as it says the same
};

/// Puts a small file into tree/.m365stage/, whole and durable. One that is there with the same text is not
/// touched. Blocking. Requires: inside the tree's gate, no lease is held. Errors: disk.
core::result<void> write_state_file(
    const tree::stage_root& root, const std::string& name, const std::string& text
);

/// The same for a file that lies in spool/ under this name.
core::result<void> place_state_file(const tree::stage_root& root, const std::string& name);

/// Opens a file of tree/.m365stage/ to be read piece by piece: it may have hundreds of megabytes. Errors:
/// not_found, disk.
core::result<std::unique_ptr<std::FILE, int (*)(std::FILE*)>> open_state_file(
    const tree::stage_root& root, const std::string& name
);

}  // namespace m365stage::sync
