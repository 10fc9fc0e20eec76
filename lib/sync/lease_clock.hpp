#pragma once

#include <chrono>

#include "async/timing.hpp"
#include "core/time.hpp"

namespace m365stage::sync {

/// The time that leases are judged by: the clock of the wall, but for the moment somebody sets it. A lease of
/// twelve hours shall neither end at once because the clock went a year ahead, nor last a year because it
/// went back. Whoever keeps the leases asks `has_been_set` now and then, moves them by what `follow`
/// returns, and from then on this clock agrees with the wall again.
/// Threads: the io_context's thread only. Lifetime: `clock` outlives it.
class lease_clock {
public:
    explicit lease_clock(async::timing& clock = async::system_timing());

    core::unix_seconds now() const;

    /// Small corrections, as NTP makes them, are followed in silence.
    bool has_been_set() const;

    /// Agrees with the wall from now on; by how much it moved, 0 if it had not been set.
    core::unix_seconds follow();

private:
    std::chrono::nanoseconds ahead() const;  ///< of the steady clock: the wall

    async::timing& clock_;
    std::chrono::nanoseconds offset_;
};

}  // namespace m365stage::sync
