#pragma once

#include <string>
#include <vector>

#include "async/task.hpp"
#include "async/worker.hpp"
#include "core/hash.hpp"
#include "http/http.hpp"
#include "tree/stage_root.hpp"

namespace m365stage::sync {

using async::task;

/// Takes a download into a file of spool/, hashing while it streams. Small files are written in one go at the
/// end. Memory: two buffers of at most 256 KiB. Writing a piece overlaps with receiving the next one.
/// Threads: network thread; the file work runs on `disk`. Lifetime: `finish` or `discard` is awaited before
/// destruction.
class spool_file final : public http::body_sink {
public:
    static constexpr std::int64_t usual_bearable = std::int64_t{1} << 30;

    spool_file(const tree::stage_root& root, async::worker& disk, std::string name);
    ~spool_file() override;

    task<core::result<void>> begin(const http::response& head) override;
    task<core::result<void>> write(std::span<const std::byte> bytes) override;
    std::span<std::byte> room() override;
    task<core::result<void>> filled(std::size_t bytes) override;

    /// Bytes taken so far: where to resume.
    std::int64_t received() const;

    /// True if it was put together from several answers and nothing in them says that they are of one version
    /// (contract Q46): file hosts give an ETag mostly, not always.
    bool is_unproven() const { return unproven_; }

    /// How large the content is said to be. A compressed answer that becomes more than twice of that and more
    /// than `bearable` is refused: nothing else would end it before the disk is full.
    void expect(std::int64_t size, std::int64_t bearable = usual_bearable);

    /// True if what has come was compressed: where it ends says nothing of where to resume.
    bool is_encoded() const { return encoded_; }

    /// True if the answer said that it is a web page.
    bool is_web_page() const { return web_page_; }

    /// Throws away what has come and starts at byte 0 again.
    task<core::result<void>> restart();

    struct outcome {
        outcome() = default;
        std::int64_t size = 0;
        std::string sha256;     ///< 32 bytes
        std::string quick_xor;  ///< as Graph writes it
        std::uint64_t inode = 0;
    };
    /// Writes the rest, sets mode, group and mtime. Errors: disk.
    task<core::result<outcome>> finish(core::unix_seconds mtime);

    /// Removes the file.
    task<void> discard();

    /// Time spent on disk work so far.
    std::chrono::nanoseconds disk_time() const;

private:
    struct shared;
    struct piece {
        std::unique_ptr<char[]> bytes;
        std::size_t capacity = 0;
        std::size_t size = 0;
        bool is_full() const { return size == capacity; }
    };
    void announce(const http::response& head);
    task<core::result<void>> flush();
    task<core::result<void>> wait_for_writer();

    std::shared_ptr<shared> shared_;  // shared with the write that is on its way on the other thread
    piece buffer_;
    std::int64_t announced_ = -1;  ///< where the answer at hand ends, if it says
    std::int64_t total_ = -1;      ///< bytes of the whole, if an answer told
    std::string version_;          ///< ETag of the first answer; a resumed part must have the same
    std::int64_t most_decoded_ = usual_bearable;  ///< bytes of a compressed answer's content
    bool encoded_ = false;
    bool unproven_ = false;
    bool web_page_ = false;
};

}  // namespace m365stage::sync
