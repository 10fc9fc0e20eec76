#pragma once

#include <string>

#include "async/task.hpp"
#include "async/worker.hpp"
#include "index/store.hpp"
#include "tree/stage_root.hpp"

namespace m365stage::sync {

/// The kernel's name of this boot; empty where it does not tell.
std::string this_boot();

/// At the first start after a boot: what was fetched and not placed yet had not been synced, so a power cut
/// may have taken its bytes while the index kept the row. Each such file is hashed once, and what is not what
/// the index says is fetched again. `boot` names the present one; with an empty name each start counts as the
/// first. Returns how many files were lost. Lifetime: the three outlive the call. Errors: throws core::fatal
/// for index and disk.
async::task<std::size_t> check_spool_after_boot(
    index::store& store, const tree::stage_root& root, async::worker& disk, std::string boot
);

}  // namespace m365stage::sync
