#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/error.hpp"
#include "tree/sidecar.hpp"
#include "tree/stage_root.hpp"

namespace m365stage::tree {

enum class problem_kind {
    missing,          ///< it should be there
    damaged,          ///< other bytes, another size, or not a file
    wrong_time,       ///< another modification time
    extra,            ///< nothing explains it
    sidecar_missing,  ///< an object without its metadata file
    sidecar_damaged,  ///< a metadata file that can't be read, or that tells something else
    unreadable,       ///< the file system refused
};

/// "missing", "damaged", "wrong-time", "extra", "sidecar-missing", "sidecar-damaged", "unreadable": part of
/// the output format.
std::string_view to_string(problem_kind k);

struct problem {
    problem() = default;
    problem(problem_kind k, std::string where, std::string what, std::int64_t number = 0)
        : kind(k), path(std::move(where)), detail(std::move(what)), item(number) {}
    problem_kind kind = problem_kind::missing;
    std::string path;  ///< below tree/, or below the folder that is verified
    std::string detail;
    std::int64_t item = 0;  ///< row in the index; 0: none
};

/// What a verification saw so far. Threads: any.
class verify_log {
public:
    /// `sink` gets each problem, one at a time, from whatever thread found it.
    explicit verify_log(std::function<void(const problem&)> sink) : sink_(std::move(sink)) {}

    void found(const problem& p) {
        const std::lock_guard guard(mutex_);
        ++problems;
        sink_(p);
    }

    std::atomic<std::uint64_t> files = 0, folders = 0, sidecars = 0, bytes = 0, problems = 0;

private:
    std::mutex mutex_;
    std::function<void(const problem&)> sink_;
};

/// One file whose bytes are to be compared.
struct file_check {
    file_check() = default;
    std::string path;   ///< below the root
    std::string shown;  ///< how problems name it
    std::int64_t size = 0;
    std::string sha256;  ///< hex
    std::int64_t item = 0;
};

/// Hashes files on threads of its own; the queue is bounded, so `check` may block. Problems go to the log.
class hash_pool {
public:
    hash_pool(const stage_root& root, verify_log& log, std::size_t threads = 2);
    ~hash_pool();
    hash_pool(const hash_pool&) = delete;
    hash_pool& operator=(const hash_pool&) = delete;

    void check(file_check c);
    void finish();  ///< returns when everything was hashed; nothing can be added afterwards

private:
    void work();
    void hash(const file_check& c);

    const stage_root& root_;
    verify_log& log_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<file_check> queue_;
    bool ended_ = false;
    std::vector<std::jthread> threads_;
};

/// The sidecar at `path` below the root. Errors: not_found, protocol (damaged), disk.
core::result<sidecar> read_sidecar(const stage_root& root, const std::string& path);

/// A problem for an error of `read_sidecar` or of the file system.
problem problem_of(const core::error& e, const std::string& shown, std::int64_t item = 0);

/// A restored copy, or any part of one, against its own sidecars: every sidecar is whole, has its object, and
/// every file has the size and hash that its sidecar tells; every object inside of a container has a sidecar.
/// Memory: the names of one folder and those of the folders on the way. Errors: disk, if the copy itself
/// can't be read.
core::result<void> verify_copy(const stage_root& copy, verify_log& log);

}  // namespace m365stage::tree
