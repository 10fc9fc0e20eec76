#include "restore/embedded.hpp"

#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "auth/encoding.hpp"
#include "core/text.hpp"
#include "restore/source_tree.hpp"
#include "sources/task_item.hpp"

namespace m365stage::restore {
namespace {

using nlohmann::json;

constexpr std::size_t longest_document = 32u << 20;

core::error odd_file(const std::string& path) {
    core::error e(core::error_kind::protocol, "this is no file that m365stage wrote");
    e.operation = "read";
    e.object = path;
    return e;
}

/// At most `size` bytes; empty at the end.
core::result<std::string> read_some(int fd, std::size_t size, std::int64_t at, const std::string& path) {
    std::string out(size, '\0');
    std::size_t got = 0;
    while (got < size) {
        const auto n = ::pread(fd, out.data() + got, size - got, at + static_cast<std::int64_t>(got));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return core::disk_error(errno).during("read").on(path);
        }
        if (n == 0) {
            break;
        }
        got += static_cast<std::size_t>(n);
    }
    out.resize(got);
    return out;
}

/// Finds a text in a file from an offset on; -1: it is not there.
core::result<std::int64_t> find_text(
    int fd, std::string_view text, std::int64_t from, const std::string& path
) {
    for (std::int64_t at = from;;) {
        auto bytes = read_some(fd, file_piece, at, path);
        if (!bytes) {
            return bytes.error();
        }
        if (const auto found = bytes->find(text); found != std::string::npos) {
            return at + static_cast<std::int64_t>(found);
        }
        if (bytes->size() < file_piece) {
            return std::int64_t{-1};
        }
        at += static_cast<std::int64_t>(file_piece - text.size() + 1);
    }
}

}  // namespace

core::result<task_file> read_task_file(const tree::stage_root& root, const std::string& path) {
    auto fd = root.open_file(path);
    if (!fd) {
        return fd.error();
    }
    // No text of the document can hold the mark: a line break is escaped in it.
    const std::string_view mark = sources::task_attachment_bytes;
    std::vector<embedded_bytes> found;
    std::string text;
    for (std::int64_t at = 0;;) {
        auto begin = find_text(fd->get(), mark, at, path);
        if (!begin) {
            return begin.error();
        }
        const bool last = *begin < 0;
        const auto upto = last ? static_cast<std::int64_t>(longest_document) + at
                               : *begin + static_cast<std::int64_t>(mark.size());
        if (upto - at > static_cast<std::int64_t>(longest_document)) {
            return odd_file(path);
        }
        auto part = read_some(fd->get(), static_cast<std::size_t>(upto - at), at, path);
        if (!part) {
            return part.error();
        }
        text += *part;
        if (last) {
            break;
        }
        auto end = find_text(fd->get(), "\"", upto, path);
        if (!end || *end < 0) {
            return end ? odd_file(path) : end.error();
        }
        embedded_bytes bytes;
        bytes.offset = upto;
        bytes.length = *end - upto;
        found.push_back(bytes);
        at = *end;
    }
    task_file out;
    out.document = std::make_shared<const json>(json::parse(text, nullptr, false));
    const auto attachments = out.document->is_object() ? out.document->value("attachments", json()) : json();
    if (!attachments.is_array() || !out.document->contains("task")) {
        return odd_file(path);
    }
    std::size_t next = 0;
    for (const auto& one : attachments) {
        const bool has = one.is_object() && one.contains("contentBytes") && next < found.size();
        out.bytes.push_back(has ? found[next++] : embedded_bytes());
    }
    return out;
}

core::result<std::optional<card_photo>> find_photo(const tree::stage_root& root, const std::string& path) {
    auto fd = root.open_file(path);
    if (!fd) {
        return fd.error();
    }
    constexpr std::string_view mark = "\r\nPHOTO;ENCODING=b;TYPE=";
    auto begin = find_text(fd->get(), mark, 0, path);
    if (!begin) {
        return begin.error();
    }
    if (*begin < 0) {
        return std::optional<card_photo>();
    }
    const auto after = *begin + static_cast<std::int64_t>(mark.size());
    auto head = read_some(fd->get(), 64, after, path);
    auto end = find_text(fd->get(), "\r\nEND:VCARD", after, path);
    if (!head || !end) {
        return !head ? head.error() : end.error();
    }
    const auto colon = head->find(':');
    // A colon behind the end is that of another line.
    if (colon == std::string::npos || *end <= after + static_cast<std::int64_t>(colon)) {
        return odd_file(path);
    }
    card_photo out;
    out.media_type = "image/" + core::lowered(std::string_view(*head).substr(0, colon));
    out.where.offset = after + static_cast<std::int64_t>(colon) + 1;
    out.where.length = *end - out.where.offset;
    return std::optional(std::move(out));
}

core::result<void> each_piece(
    const tree::stage_root& root, const std::string& path,
    const std::function<core::result<void>(std::string_view)>& take
) {
    auto fd = root.open_file(path);
    if (!fd) {
        return fd.error();
    }
    for (std::int64_t at = 0;;) {
        auto part = read_some(fd->get(), file_piece, at, path);
        if (!part) {
            return part.error();
        }
        if (part->empty()) {
            return core::result<void>();
        }
        if (auto taken = take(*part); !taken) {
            return taken;
        }
        at += static_cast<std::int64_t>(part->size());
    }
}

core::result<std::string> embedded_reader::read(std::size_t size) {
    if (!fd_) {
        auto fd = root_.open_file(path_);
        if (!fd) {
            return fd.error();
        }
        fd_ = std::move(*fd);
    }
    const std::size_t wanted = size / 3 * 4;
    std::string text;
    while (text.size() < wanted && left_.length > 0) {
        const auto most = static_cast<std::size_t>(
            std::min<std::int64_t>(left_.length, static_cast<std::int64_t>(wanted - text.size()))
        );
        auto part = read_some(fd_.get(), most, left_.offset, path_);
        if (!part || part->empty()) {
            return part ? odd_file(path_) : part.error();
        }
        left_.offset += static_cast<std::int64_t>(part->size());
        left_.length -= static_cast<std::int64_t>(part->size());
        std::erase_if(*part, [](char c) { return c == '\r' || c == '\n' || c == ' '; });
        text += *part;
    }
    auto bytes = auth::base64_decode(text);
    if (!bytes) {
        return odd_file(path_);
    }
    return std::move(*bytes);
}

}  // namespace m365stage::restore
