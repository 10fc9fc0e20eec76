#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "tree/stage_root.hpp"

namespace m365stage::tree {

// Stored in the index' journal: do not renumber.
enum class op_kind {
    rename = 1,          ///< an item; `inode` says which object is meant
    make_folder = 2,     ///< `target`
    remove_folder = 3,   ///< `target`, if it is empty
    rename_sidecar = 4,  ///< if it is there; always behind the rename of its item
};

/// One step on disk. Paths are relative to stage.root ("tree/...", "spool/...").
struct op {
    op() = default;
    op(op_kind k, std::string from, std::string to, std::uint64_t node = 0, std::int64_t item = 0)
        : kind(k), source(std::move(from)), target(std::move(to)), inode(node), item_id(item) {}
    op_kind kind = op_kind::rename;
    std::string source, target;
    std::uint64_t inode =
        0;  ///< rename: of the object; 0 if not known (then any object at `source` is meant)
    std::int64_t item_id = 0;  ///< make_folder: whose folder it is
};

/// What performing one op found out.
struct op_outcome {
    op_outcome() = default;
    bool missing = false;     ///< rename: the object is neither at source nor at target: somebody removed it
    std::uint64_t inode = 0;  ///< make_folder: of the folder
};

/// Performs ops in order. Each may have been performed before (a crash cut the batch off): that is seen by
/// the inode and passed over. Errors: disk; the ops before the failing one are done.
core::result<std::vector<op_outcome>> perform(const stage_root& root, const std::vector<op>& ops);

/// Performs what is left of a batch that a crash cut off: finds the last op that is known to be done by its
/// inode at the target, and goes on behind it.
core::result<std::vector<op_outcome>> resume(const stage_root& root, const std::vector<op>& ops);

}  // namespace m365stage::tree
