#include "sync/lease_clock.hpp"

namespace m365stage::sync {
namespace {

constexpr std::chrono::seconds correction(2);

}  // namespace

lease_clock::lease_clock(async::timing& clock) : clock_(clock), offset_(ahead()) {}

std::chrono::nanoseconds lease_clock::ahead() const {
    return clock_.wall().time_since_epoch() - clock_.now().time_since_epoch();
}

core::unix_seconds lease_clock::now() const {
    return std::chrono::floor<std::chrono::seconds>(clock_.now().time_since_epoch() + offset_).count();
}

bool lease_clock::has_been_set() const {
    return std::chrono::abs(ahead() - offset_) > correction;
}

core::unix_seconds lease_clock::follow() {
    const auto before = offset_;
    offset_ = ahead();
    const auto by = offset_ - before;
    return std::chrono::abs(by) > correction ? std::chrono::round<std::chrono::seconds>(by).count() : 0;
}

}  // namespace m365stage::sync
