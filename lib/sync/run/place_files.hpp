#pragma once

#include <vector>

#include "sync/plan/content.hpp"
#include "tree/stage_root.hpp"

namespace m365stage::sync {

struct placing_result {
    placing_result() = default;
    std::vector<tree::op_outcome> folders;
    std::vector<placed> files;
};

/// Does on disk what a content batch says: folders, then all sidecars into spool/, one barrier, then the
/// renames into the tree, and a second barrier. Blocking. Errors: disk.
core::result<placing_result> place_files(const tree::stage_root& root, const content_batch& batch);

}  // namespace m365stage::sync
