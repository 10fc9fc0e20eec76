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
