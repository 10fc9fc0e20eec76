#pragma once

#include "core/time.hpp"
#include "index/database.hpp"

namespace m365stage::index {

using core::unix_seconds;

/// Remembers the time of this pass. Returns by how many seconds the clock is behind that of an earlier one:
/// it was set back. Then nothing waits for a time that belongs to the wrong clock: what is owed is due now,
/// departed containers departed now, and pauses begin anew. 0: it was not set back (a minute is nothing).
unix_seconds note_time(database& db, unix_seconds now);

}  // namespace m365stage::index
