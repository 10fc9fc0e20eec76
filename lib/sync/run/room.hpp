#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

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

/// Items that are on their way into the spool, with their sizes as announced: the bound of the spool counts
/// them from the moment they are queued.
class expected_files {
public:
    /// So many bytes of that item come; below 0 counts as 0.
    void expect(std::int64_t item, std::int64_t bytes);
    void erase(std::int64_t item);

    /// True if one of `size` bytes may come too, where `there` have come and the spool holds `most`. Who is
    /// small waits for no large one, which may take hours: the largest on its way does not count then. So the
    /// spool gets one large file and one small one more than it may hold, at most.
    bool leave_room_for(std::int64_t size, std::uint64_t there, std::uint64_t most) const;

    bool contains(std::int64_t item) const { return bytes_of_.contains(item); }
    bool empty() const { return bytes_of_.empty(); }
    std::size_t size() const { return bytes_of_.size(); }

private:
    std::unordered_map<std::int64_t, std::uint64_t> bytes_of_;
    std::uint64_t sum_ = 0;
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
