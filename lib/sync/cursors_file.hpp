#pragma once

#include <functional>
#include <string>
#include <vector>

#include "index/database.hpp"
#include "tree/stage_root.hpp"

/// tree/.m365stage/cursors.json: the containers and their cursors, for a rebuild on a bare machine. A mailbox
/// has a cursor for each folder, so it is large in large tenants; nothing here holds more of it than one
/// container's part. An older copy merely replays.
namespace m365stage::sync {

/// What it tells of one container.
struct container_cursors {
    container_cursors() = default;
    struct one {
        one() = default;
        std::string folder, cursor, shape;
    };
    std::string kind, id, state;
    std::vector<one> streams;  ///< none if something of it was open: it is enumerated from the start
};

/// Writes it as the index has it; one that says the same is not touched. Blocking. Requires and errors: as
/// `write_state_file`.
core::result<void> write_cursors(index::database& db, const tree::stage_root& root);

/// How long a file of this many bytes is good enough: it is written as a whole, so a large one is not written
/// for every change. Seconds, a day at most; 0 up to 1 MiB.
core::unix_seconds rest_between_writes(std::int64_t bytes);

/// True if the file is as old as that, or not there. Blocking.
bool cursors_are_old(const tree::stage_root& root, core::unix_seconds now);

/// Gives each container to `take`. Blocking. Errors: not_found, disk; protocol: it is damaged, from some
/// place on or as a whole.
core::result<void> read_cursors(
    const tree::stage_root& root, const std::function<void(container_cursors)>& take
);

}  // namespace m365stage::sync
