#include "sync/lease_clock.hpp"

#include <doctest/doctest.h>

#include "tests/support/fake_timing.hpp"

using namespace m365stage;
using std::chrono::seconds;

TEST_SUITE("sync") {
    TEST_CASE("lease clock: it goes with the wall, but not where somebody sets that") {
        boost::asio::io_context io;
        test::fake_timing timing(io);
        sync::lease_clock clock(timing);
        const auto start = clock.now();
        timing.advance(seconds(100));
        CHECK(clock.now() == start + 100);
        CHECK_FALSE(clock.has_been_set());
        for (const std::int64_t by : {31'536'000, -31'536'000, 10}) {
            const auto before = clock.now();
            timing.wall_set_by += seconds(by);
            CHECK(clock.has_been_set());
            CHECK(clock.now() == before);
            CHECK(clock.follow() == by);
            CHECK_FALSE(clock.has_been_set());
            CHECK(clock.now() == before + by);
        }
    }

    TEST_CASE("lease clock: corrections of a second are followed and not told") {
        boost::asio::io_context io;
        test::fake_timing timing(io);
        sync::lease_clock clock(timing);
        const auto start = clock.now();
        timing.wall_set_by += seconds(1);
        CHECK_FALSE(clock.has_been_set());
        CHECK(clock.follow() == 0);
        CHECK(clock.now() == start + 1);
    }
}
