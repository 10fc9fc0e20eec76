#include "core/log_bound.hpp"

#include <algorithm>
#include <utility>

namespace m365stage::core {

bool log_bound::admit(time_point now) {
    if (!started_) {
        started_ = true;
        updated_ = now;
    }
    const double elapsed = std::chrono::duration<double>(now - updated_).count();
    level_ = std::min(burst, level_ + std::max(0.0, elapsed) * per_second);
    updated_ = now;
    if (level_ < 1) {
        if (left_out_++ == 0) {
            reported_ = now;
        }
        return false;
    }
    level_ -= 1;
    return true;
}

std::uint64_t log_bound::take_report(time_point now) {
    if (left_out_ == 0 || now - reported_ < between_reports) {
        return 0;
    }
    return take_last_report();
}

std::uint64_t log_bound::take_last_report() {
    return std::exchange(left_out_, 0);
}

}  // namespace m365stage::core
