#pragma once

#include <chrono>
#include <optional>

#include "graph/errors.hpp"

namespace m365stage::graph {

/// The retries of one call, as a state machine: a failed answer goes in, what to do next comes out.
/// Pure: pauses of a scope are the governor's; chance comes from the caller.
class retry_state {
public:
    enum class action {
        give_up,
        wait,      ///< for `pause`, then the same call again
        throttle,  ///< tell the governor, then wait for the scope
        sign_in,   ///< reject the token, wait for `pause`, then again
    };
    struct step {
        action what = action::give_up;
        std::chrono::milliseconds pause{0};
    };

    /// `max_attempts` counts the first try, and not what `retry_class::brief` repeats. With `repeatable`
    /// false nothing is repeated that may have been executed.
    retry_state(unsigned max_attempts, bool repeatable)
        : max_attempts_(max_attempts), repeatable_(repeatable) {}

    /// `chance` is even in [0, 1).
    step next(const verdict& failed, double chance);

    unsigned attempts() const { return attempts_; }

private:
    step after_sign_in(const verdict& failed);
    static step wait_after(const verdict& failed, unsigned failures, double chance);

    const unsigned max_attempts_;
    const bool repeatable_;
    unsigned attempts_ = 0;
    unsigned brief_ = 0;
    unsigned sign_ins_ = 0;
    unsigned unavailable_ = 0;
};

/// Full jitter: even between 0 and base * 2^(failed - 1), at most 60 s. `failed` counts from 1.
std::chrono::milliseconds jittered_pause(unsigned failed, double chance);

}  // namespace m365stage::graph
