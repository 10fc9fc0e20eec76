#pragma once

#include <cstdint>

#include "index/database.hpp"
#include "index/rows.hpp"

namespace m365stage::sync {

/// When a round's deletions are held for a person (promise 8).
struct guard_limits {
    guard_limits() = default;
    double max_deleted_share = 0.3;       ///< of the items the container had
    std::int64_t min_deleted_items = 50;  ///< fewer deletions than this are never held
};

/// What the guard makes of a round.
struct guard_verdict {
    guard_verdict() = default;
    std::int64_t held = 0;             ///< deletions that are held
    std::int64_t removable_after = 0;  ///< removals of rounds up to this one may be done
};

/// Counts what the container's round would delete, with everything below deleted folders, holds it if it is
/// too much, and notes that with the container. Inside the caller's transaction.
guard_verdict judge_deletions(index::database& db, const index::container& c, const guard_limits& limits);

}  // namespace m365stage::sync
