#pragma once

#include <chrono>
#include <cstdint>

namespace m365stage::core {

/// How many lines of one level may be written: 200 at once, then one a second, so that a storm of failures
/// fills no disk; counts what is left out. Pure: time comes in.
class log_bound {
public:
    using time_point = std::chrono::steady_clock::time_point;
    static constexpr double burst = 200, per_second = 1;
    static constexpr std::chrono::seconds between_reports{10};

    /// True: write the line.
    bool admit(time_point now);

    /// How many were left out since this was asked last; 0 if nothing was, or if it was told less than
    /// `between_reports` ago.
    std::uint64_t take_report(time_point now);

    /// The same at the end, whenever it was told last.
    std::uint64_t take_last_report();

private:
    double level_ = burst;
    bool started_ = false;
    time_point updated_{}, reported_{};
    std::uint64_t left_out_ = 0;
};

}  // namespace m365stage::core
