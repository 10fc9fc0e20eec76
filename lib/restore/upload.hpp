#pragma once

#include <functional>
#include <optional>
#include <string>

#include "async/worker.hpp"
#include "graph/client.hpp"
#include "restore/drive_calls.hpp"
#include "tree/stage_root.hpp"

namespace m365stage::restore {

/// 32 times 320 KiB: fragments are multiples of 320 KiB below 60 MiB; a lost one costs little.
constexpr std::int64_t fragment_bytes = std::int64_t{32} * 327'680;

/// The first byte that an upload session wants, from its "nextExpectedRanges" ("2097152", or "2097152-");
/// nullopt: it does not say so (Q89).
std::optional<std::int64_t> next_expected(const std::string& body);

/// A file of the tree, read and found to be what its sidecar tells.
struct local_file {
    local_file() = default;
    std::string path;  ///< below the root
    std::int64_t size = 0;
    std::string sha256;  ///< hex
    std::string quick_xor;
    std::uint64_t inode = 0;
    core::unix_seconds mtime = 0;
};

/// Reads a file whole and hashes it. Errors: disk, not_found.
core::result<local_file> examine(const tree::stage_root& root, const std::string& path);

/// Where an upload goes.
struct upload_place {
    upload_place() = default;
    drive_calls calls;
    std::string parent;  ///< remote id
    std::string name;
    bool replace = false;            ///< what has this name is replaced; otherwise it is a conflict
    nlohmann::json* info = nullptr;  ///< fileSystemInfo; lives as long as the upload
    std::string object;              ///< in the user's words
};

/// Puts a file of any size into a drive by an upload session, in fragments that are read from disk while they
/// are sent (contract 8.1). Goes on after a broken connection, and in a session that an earlier run began.
/// Errors:  conflict (the name is taken and `replace` is not set), insufficient (no room), and those of
///          graph::client. The session is kept for the next run if it is still good.
/// Memory:  one piece of 256 KiB.
/// Threads: the network thread. Lifetime: what is referred to outlives the upload.
class upload {
public:
    upload(graph::client& graph, const tree::stage_root& root, async::worker& disk)
        : graph_(graph), root_(root), disk_(disk) {}

    /// `session`: the address that an earlier run got, or empty; `keep` gets a new one before it is used (it
    /// is a secret). `moved` is told of bytes that arrived.
    task<core::result<remote_item>> run(
        const local_file& file, const upload_place& place, std::string session,
        std::function<task<void>(std::string)> keep, std::function<void(std::int64_t)> moved
    );

private:
    struct state;
    task<core::result<void>> begin(state& s);
    task<core::result<void>> ask_progress(state& s);
    task<core::result<void>> send_fragment(state& s);
    task<core::result<void>> recover(state& s, core::error failed);
    /// The file under the name it goes to, if it is there with these bytes.
    task<bool> has_arrived(state& s);

    graph::client& graph_;
    const tree::stage_root& root_;
    async::worker& disk_;
};

}  // namespace m365stage::restore
