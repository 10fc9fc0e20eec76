#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tree/sidecar.hpp"
#include "tree/stage_root.hpp"
#include "tree/verify.hpp"

namespace m365stage::sync {

/// What lies in one folder: names, and the sidecar of each.
struct staged_folder {
    staged_folder() = default;
    std::vector<std::pair<std::string, std::optional<tree::sidecar>>> objects;
    std::vector<std::pair<std::string, tree::sidecar>> alone;  ///< sidecars without an object, by file name
    bool damaged = false;
};

/// Reads a folder of tree/ with its sidecars. `inside`: of a container; above containers the folder of state
/// files is none of the objects. What can't be read goes to the log.
staged_folder read_staged_folder(
    const tree::stage_root& root, tree::verify_log& log, const std::string& path, bool inside
);

}  // namespace m365stage::sync
