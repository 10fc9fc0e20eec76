#include "sync/run/room.hpp"

#include <algorithm>

namespace m365stage::sync {

std::uint64_t counted_files::bytes() const {
    std::uint64_t sum = 0;
    for (const auto* file : files_) {
        sum += static_cast<std::uint64_t>(std::max<std::int64_t>(0, file->bytes()));
    }
    return sum;
}

void expected_files::expect(std::int64_t item, std::int64_t bytes) {
    auto& known = bytes_of_[item];
    sum_ -= known;
    known = static_cast<std::uint64_t>(std::max<std::int64_t>(0, bytes));
    sum_ += known;
}

void expected_files::erase(std::int64_t item) {
    expect(item, 0);
    bytes_of_.erase(item);
}

bool expected_files::leave_room_for(std::int64_t size, std::uint64_t there, std::uint64_t most) const {
    const auto all = there + sum_;
    if (all < most || size >= large_file) {
        return all < most;
    }
    std::uint64_t largest = 0;
    for (const auto& [item, bytes] : bytes_of_) {
        largest = std::max(largest, bytes);
    }
    return all - largest < most;
}

std::optional<core::error> does_not_fit(std::int64_t size, const disk_room& room) {
    const auto taken = room.promised + std::max(room_for_index, room.least_free);
    const auto left = room.free > taken ? room.free - taken : 0;
    if (size <= 0 || static_cast<std::uint64_t>(size) <= left) {
        return std::nullopt;
    }
    auto mib = [](std::uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; };
    core::error e(
        core::error_kind::disk,
        "it has " + mib(static_cast<std::uint64_t>(size)) + ", the disk has room for " + mib(left) + " more"
    );
    e.hint = "free some space; it is tried again";
    return e;
}

}  // namespace m365stage::sync
