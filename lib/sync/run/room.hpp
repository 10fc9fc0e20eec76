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

/// A large file on its way: what the service announced, and what has come.
class expected_file {
public:
    virtual ~expected_file() = default;
    virtual std::int64_t to_come() const = 0;  ///< bytes; 0 if more came than was announced
};

/// What is on its way into the spool and will still take room there. Network thread only.
class promised_room {
public:
    void add(const expected_file& f) { files_.insert(&f); }
    void remove(const expected_file& f) { files_.erase(&f); }
    std::uint64_t bytes() const;

private:
    std::set<const expected_file*> files_;
};

/// A file that comes, however large it was announced.
class arriving_file {
public:
    virtual ~arriving_file() = default;
    virtual std::int64_t beyond_announced() const = 0;  ///< bytes that came and that nobody had announced
};

/// What comes into the spool just now. Network thread only.
class arriving_files {
public:
    void add(const arriving_file& f) { files_.insert(&f); }
    void remove(const arriving_file& f) { files_.erase(&f); }
    std::uint64_t beyond_announced() const;

private:
    std::set<const arriving_file*> files_;
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
