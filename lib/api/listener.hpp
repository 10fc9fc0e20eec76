#pragma once

#include <sys/types.h>

#include <string>

#include "core/error.hpp"
#include "tree/stage_root.hpp"

namespace m365stage::api {

/// A socket that listens. A Unix socket's file goes with it, unless another one lies there by then.
class listener {
public:
    /// `mode` is the file's: who may write to it may do everything. A file that an earlier process left is
    /// replaced; one at which somebody answers is not. Errors: busy, disk, usage (path too long, no socket).
    static core::result<listener> on_file(const std::string& path, mode_t mode);
    /// "127.0.0.1:8365", "localhost:8365" or "[::1]:8365"; port 0: any. Errors: usage (not of this machine's
    /// loopback), busy.
    static core::result<listener> on_port(const std::string& address);

    listener(listener&& other) noexcept;
    listener& operator=(listener&&) noexcept = delete;
    ~listener();

    int family() const { return family_; }
    std::uint16_t port() const { return port_; }  ///< 0 for a file
    /// The descriptor, for good; the file stays this object's.
    int release();

private:
    listener() = default;
    tree::unique_fd fd_;
    int family_ = 0;
    std::uint16_t port_ = 0;
    std::string path_;
    dev_t device_ = 0;
    ino_t inode_ = 0;
};

}  // namespace m365stage::api
