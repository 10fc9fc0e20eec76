#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/time.hpp"

namespace m365stage::tree {

/// A file descriptor that closes itself.
class unique_fd {
public:
    unique_fd() = default;
    explicit unique_fd(int fd) : fd_(fd) {}
    unique_fd(unique_fd&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
    unique_fd& operator=(unique_fd&& other) noexcept;
    ~unique_fd();
    int get() const { return fd_; }
    int release() { return std::exchange(fd_, -1); }  ///< the caller closes it
    explicit operator bool() const { return fd_ >= 0; }

private:
    int fd_ = -1;
};

struct root_options {
    root_options() = default;
    mode_t file_mode = 0600;
    mode_t folder_mode = 0700;
    std::optional<gid_t> group;  ///< of everything in tree/; nullopt: the service's own
};

/// What stat(2) says, as far as it matters here.
struct file_facts {
    file_facts() = default;
    std::uint64_t inode = 0;
    std::int64_t size = 0;
    core::unix_seconds mtime = 0;
    bool folder = false, regular = false;
};

/// Why `stage_root::open` could not make a root that is not there yet, as advice; empty: it most likely can.
/// Makes nothing.
std::string why_no_root(const std::string& path);

/// stage.root: tree/, spool/ and the barrier that makes both durable. All paths are relative to it, with '/'
/// between names; they may be longer than PATH_MAX. No path ever follows a symbolic link out of the root.
/// Errors:  `disk`, with the path and what to do; ENOENT comes as `not_found`, EEXIST as `conflict`, but not
/// of the root itself. Threads: any; the object has no state that changes.
class stage_root {
public:
    /// Makes the folders if they are missing and checks that tree/ and spool/ are on one file system. In a
    /// root that is the service's, what root makes from then on becomes the service's, which could not go on
    /// otherwise.
    static core::result<std::unique_ptr<stage_root>> open(const std::string& path, root_options options);

    /// Any folder as it is, to be read: nothing is made or checked. For restored copies.
    static core::result<std::unique_ptr<stage_root>> open_copy(const std::string& path);

    /// Takes the one lock of this root; it lasts as long as the returned descriptor. `busy` names the holder.
    core::result<unique_fd> lock();

    const std::string& path() const { return path_; }

    core::result<file_facts> look(const std::string& path) const;
    core::result<void> rename(const std::string& from, const std::string& to) const;

    /// The folders of the last targets, kept open for the next ones: files that come together mostly lie
    /// together. Nobody else may rename folders while one is in use. Threads: one at a time.
    class open_folders {
    public:
        open_folders() = default;

    private:
        friend class stage_root;
        struct entry {
            entry() = default;
            std::string path;
            unique_fd fd;
        };
        std::array<entry, 2> entries_;  // a folder and its folder for sidecars
        std::size_t oldest_ = 0;
    };
    core::result<void> rename(const std::string& from, const std::string& to, open_folders& folders) const;

    /// As rename, but `conflict` if there is something at `to`.
    core::result<void> rename_new(const std::string& from, const std::string& to) const;
    core::result<void> make_folder(const std::string& path) const;  ///< fine if it is there
    core::result<void> remove_empty_folder(const std::string& path
    ) const;                                                        ///< fine if it is not empty or not there
    core::result<void> remove_file(const std::string& path) const;  ///< fine if it is not there
    core::result<void> remove_all(const std::string& path) const;   ///< a folder with everything in it
    core::result<void> set_mtime(const std::string& path, core::unix_seconds t) const;

    /// A new, empty file for writing, with the tree's mode and group.
    core::result<unique_fd> create(const std::string& path) const;
    core::result<unique_fd> open_file(const std::string& path) const;

    /// All of the text at the file's end; `path` is for errors.
    core::result<void> write_all(const unique_fd& file, const std::string& path, std::string_view text) const;

    /// Writes a small file whole (not atomically: write to spool/, then rename).
    core::result<void> write_file(const std::string& path, std::string_view text) const;
    /// At most `limit` bytes; `too_large` beyond that.
    core::result<std::string> read_file(const std::string& path, std::size_t limit) const;

    /// Names in a folder, sorted by byte; without "." and "..".
    core::result<std::vector<std::string>> list(const std::string& path) const;

    /// One barrier for everything written and renamed before on this file system (syncfs(2)).
    core::result<void> barrier() const;

    /// Free bytes for the service's user.
    core::result<std::uint64_t> free_bytes() const;

private:
    stage_root() = default;

    /// The folder a path's last name is in: the root itself for short paths, otherwise opened step by step.
    struct place {
        unique_fd held;
        int folder = -1;
        std::string leaf;
    };
    core::result<place> locate(const std::string& path) const;

    /// What root made in a root that is the service's becomes the service's: its user could not open it
    /// otherwise. Nothing is done for anybody else.
    core::result<void> give_to_owner(const std::string& path) const;
    core::result<void> rename(
        const std::string& from, const std::string& to, int folder, const std::string& leaf
    ) const;
    core::error fail(std::string_view what, const std::string& path, int code) const;

    std::string path_;
    root_options options_;
    uid_t owner_ = static_cast<uid_t>(-1);  // of what is made; -1: nobody else than who makes it
    unique_fd root_;
    unique_fd spool_;  ///< none in a copy
};

}  // namespace m365stage::tree
