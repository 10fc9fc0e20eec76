#include "http/progress.hpp"

#include <algorithm>

namespace m365stage::http {

bool progress::window_is_fast_enough() const {
    // In double: 2^64 bytes times 1000 must not wrap.
    return static_cast<double>(window_bytes_) * 1000.0 >=
           static_cast<double>(min_rate_) * static_cast<double>(idle_.count());
}

bool progress::moved(std::uint64_t bytes, steady::time_point now) {
    last_ = now;
    window_bytes_ += bytes;
    if (now - window_start_ < idle_) {
        return true;
    }
    const bool fine = window_is_fast_enough();
    window_start_ = now;
    window_bytes_ = 0;
    return fine;
}

steady::time_point progress::deadline() const {
    const auto pause_ends = last_ + idle_;
    return window_is_fast_enough() ? pause_ends : std::min(pause_ends, window_start_ + idle_);
}

}  // namespace m365stage::http
