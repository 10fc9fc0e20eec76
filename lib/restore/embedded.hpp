#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "tree/stage_root.hpp"

namespace m365stage::restore {

/// Bytes that lie in a file of the tree as base64.
struct embedded_bytes {
    std::int64_t offset = 0, length = 0;  ///< of the base64 text
};

/// A task's file: its document without the bytes of attachments, and where these are, in the order of
/// its "attachments" (length 0 for one that could not be read).
struct task_file {
    task_file() = default;
    std::shared_ptr<const nlohmann::json> document;
    std::vector<embedded_bytes> bytes;
};

/// Errors: disk; protocol if it is none that m365stage wrote. Memory: all but the attachments.
core::result<task_file> read_task_file(const tree::stage_root& root, const std::string& path);

/// The photo of a vCard.
struct card_photo {
    card_photo() = default;
    std::string media_type;
    embedded_bytes where;
};

/// nullopt if it has none. Errors: disk. Memory: a piece of the file.
core::result<std::optional<card_photo>> find_photo(const tree::stage_root& root, const std::string& path);

/// Gives a file's bytes to `take`, a piece at a time. Errors: disk, and those of `take`.
core::result<void> each_piece(
    const tree::stage_root& root, const std::string& path,
    const std::function<core::result<void>(std::string_view)>& take
);

/// Reads embedded bytes in pieces. Threads: one at a time.
class embedded_reader {
public:
    embedded_reader(const tree::stage_root& root, std::string path, embedded_bytes where)
        : root_(root), path_(std::move(path)), left_(where) {}

    /// The next decoded bytes: `size` of them (a multiple of 3), less only at the end, where it is empty.
    /// Errors: disk, protocol.
    core::result<std::string> read(std::size_t size);

private:
    const tree::stage_root& root_;
    std::string path_;
    embedded_bytes left_;
    tree::unique_fd fd_;
};

}  // namespace m365stage::restore
