#pragma once

#include <chrono>
#include <cstdint>

namespace m365stage::http {

using steady = std::chrono::steady_clock;

/// Says until when a transfer must have moved on. Pure arithmetic, the clock is given.
/// Two rules: something has to come within `idle`, and over each whole window of the length `idle` the mean
/// must reach `min_rate`. So a sender that trickles a byte now and then is cut after two windows at the
/// latest.
class progress {
public:
    progress(std::chrono::milliseconds idle, std::uint64_t min_bytes_per_second, steady::time_point now)
        : idle_(idle), min_rate_(min_bytes_per_second), last_(now), window_start_(now) {}

    /// `bytes` have arrived. False: the window that ends here was too slow.
    bool moved(std::uint64_t bytes, steady::time_point now);

    /// The time spent elsewhere (in the sink) does not count against the sender.
    void excuse(steady::duration pause) {
        last_ += pause;
        window_start_ += pause;
    }

    /// When the transfer has to be cut if nothing more comes.
    steady::time_point deadline() const;

private:
    bool window_is_fast_enough() const;

    std::chrono::milliseconds idle_;
    std::uint64_t min_rate_;
    steady::time_point last_;
    steady::time_point window_start_;
    std::uint64_t window_bytes_ = 0;
};

}  // namespace m365stage::http
