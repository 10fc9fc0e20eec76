#include "sync/run/room.hpp"

#include <doctest/doctest.h>

using namespace m365stage;
using sync::does_not_fit;

namespace {

constexpr std::int64_t mib = 1 << 20;

sync::disk_room room(std::int64_t free, std::int64_t promised = 0, std::int64_t least = 0) {
    sync::disk_room r;
    r.free = static_cast<std::uint64_t>(free * mib);
    r.promised = static_cast<std::uint64_t>(promised * mib);
    r.least_free = static_cast<std::uint64_t>(least * mib);
    return r;
}

struct counted final : sync::counted_file {
    explicit counted(std::int64_t bytes) : left(bytes) {}
    std::int64_t bytes() const override { return left; }
    std::int64_t left;
};

}  // namespace

TEST_SUITE("sync") {
    TEST_CASE("room: a file is fetched if it fits and leaves some room to record it") {
        CHECK_FALSE(does_not_fit(84 * mib, room(100)));
        CHECK(does_not_fit(84 * mib + 1, room(100)));
        CHECK(does_not_fit(mib, room(16)));
        CHECK(does_not_fit(mib, room(0)));
        CHECK_FALSE(does_not_fit(0, room(0)));   // nothing is announced
        CHECK_FALSE(does_not_fit(-1, room(0)));  // or nonsense
    }

    TEST_CASE("room: what is on its way and stage.min_free_bytes count") {
        CHECK_FALSE(does_not_fit(34 * mib, room(100, 50)));
        CHECK(does_not_fit(35 * mib, room(100, 50)));
        CHECK(does_not_fit(21 * mib, room(100, 0, 80)));
        CHECK_FALSE(does_not_fit(20 * mib, room(100, 0, 80)));
        CHECK(does_not_fit(1, room(100, 200, 0)));
    }

    TEST_CASE("room: the reason says how much is needed and how much there is") {
        const auto e = does_not_fit(4096 * mib, room(116));
        REQUIRE(e);
        CHECK(e->kind == core::error_kind::disk);
        CHECK(e->cause == "it has 4096 MiB, the disk has room for 100 MiB more");
    }

    TEST_CASE(
        "room: what is counted changes while a file comes, is never below nothing, and ends with the file"
    ) {
        sync::counted_files promised;
        CHECK(promised.bytes() == 0);
        counted a(10);
        counted b(5);
        promised.add(a);
        promised.add(b);
        CHECK(promised.bytes() == 15);
        a.left = 3;
        CHECK(promised.bytes() == 8);
        a.left = -2;  // more came than was announced
        CHECK(promised.bytes() == 5);
        promised.remove(b);
        CHECK(promised.bytes() == 0);
    }

    TEST_CASE("room: what is queued counts, but nobody small waits for the largest of it") {
        constexpr std::uint64_t most = 100 * mib;
        constexpr std::int64_t small = mib, large = 8 * mib;
        sync::expected_files queued;
        CHECK(queued.leave_room_for(large, 0, most));
        CHECK_FALSE(queued.leave_room_for(small, most, most));
        for (std::int64_t item = 1; item <= 4; ++item) {
            CHECK(queued.leave_room_for(large, 0, most));
            queued.expect(item, 30 * mib);
        }
        CHECK_FALSE(queued.leave_room_for(large, 0, most));
        CHECK(queued.leave_room_for(small, 9 * mib, most));
        CHECK_FALSE(queued.leave_room_for(small, 10 * mib, most));
        queued.expect(1, 3 * mib);  // shorter than announced
        CHECK(queued.leave_room_for(large, 0, most));
        queued.expect(2, -1);
        queued.erase(3);
        CHECK(queued.size() == 3);
        CHECK(queued.leave_room_for(large, 66 * mib, most));
        CHECK_FALSE(queued.leave_room_for(large, 67 * mib, most));
    }
}
