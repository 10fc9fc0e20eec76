#include "core/log_bound.hpp"

#include <doctest/doctest.h>

namespace m365stage::core {
namespace {

log_bound::time_point at(double seconds) {
    const auto since = std::chrono::duration<double>(seconds);
    return log_bound::time_point(std::chrono::duration_cast<std::chrono::steady_clock::duration>(since));
}

TEST_SUITE("core") {
    TEST_CASE("log: 200 lines may come at once, then one a second; the rest is counted") {
        log_bound b;
        int written = 0;
        for (int i = 0; i < 1000; ++i) {
            written += b.admit(at(1000)) ? 1 : 0;
        }
        CHECK(written == 200);
        CHECK(b.take_report(at(1009)) == 0);  // not yet
        CHECK(b.take_report(at(1010)) == 800);
        CHECK(b.take_report(at(1010)) == 0);
        CHECK(b.admit(at(1010)));
    }

    TEST_CASE(
        "log: two hours of 100 failures a second are 7,400 lines and as many as 720 counts, which are "
        "complete"
    ) {
        log_bound b;
        std::uint64_t written = 0, told = 0, lines = 0;
        constexpr std::uint64_t hours = 2, all = hours * 3600 * 100;
        for (std::uint64_t i = 0; i < all; ++i) {
            const auto now = at(static_cast<double>(i) / 100);
            written += b.admit(now) ? 1 : 0;
            const auto report = b.take_report(now);
            told += report;
            lines += report > 0 ? 1 : 0;
        }
        CHECK(written <= 200 + hours * 3600 + 1);
        CHECK(lines <= hours * 360 + 1);
        CHECK(written + told + b.take_last_report() == all);
    }

    TEST_CASE(
        "log: after a quiet time everything is written again, and a clock that stands still does no harm"
    ) {
        log_bound b;
        for (int i = 0; i < 300; ++i) {
            b.admit(at(5));
        }
        CHECK(b.take_last_report() == 100);
        for (int i = 0; i < 200; ++i) {
            CHECK(b.admit(at(205)));
        }
        CHECK_FALSE(b.admit(at(205)));
    }
}

}  // namespace
}  // namespace m365stage::core
