#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "core/error.hpp"

namespace m365stage::sync {

/// Files from here on are looked at before they are fetched: does the disk have room for them?
/// Smaller ones come and go in numbers; for those `stage.min_free_bytes` stops the pass in time.
inline constexpr std::int64_t large_file = std::int64_t{8} << 20;

/// With less than that the index can't record what was done: nobody is to rely on such a disk.
inline constexpr std::uint64_t room_for_index = std::uint64_t{16} << 20;

/// A file on its way into the spool, as somebody counts it.
class counted_file {
public:
    virtual ~counted_file() = default;
    virtual std::int64_t bytes() const = 0;  ///< below 0 counts as 0
};

/// What is on its way into the spool, counted one way. Network thread only.
class counted_files {
public:
    void add(const counted_file& f) { files_.insert(&f); }
    void remove(const counted_file& f) { files_.erase(&f); }
    std::uint64_t bytes() const;

private:
    std::set<const counted_file*> files_;
};

/// Where the bytes of a file would go.
struct disk_room {
    disk_room() = default;
    std::uint64_t free = 0;        ///< now
    std::uint64_t promised = 0;    ///< to files that are on their way
    std::uint64_t least_free = 0;  ///< stage.min_free_bytes
};

/// nullopt: a file of `size` bytes fits and leaves the index room to record it. Otherwise the reason for
/// which it is owed: disk.
std::optional<core::error> does_not_fit(std::int64_t size, const disk_room& room);

}  // namespace m365stage::sync
