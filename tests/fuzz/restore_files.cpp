// Any bytes as a file of a restored tree: a message (taken apart by GMime), a task's file, a vCard with a
// photo.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "memory_stage.hpp"
#include "restore/embedded.hpp"
#include "restore/mime_file.hpp"

namespace {

using namespace m365stage;
using fuzz::require;

bool is_clean(std::string_view text) {
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if ((byte < 0x20 && c != '\n' && c != '\r' && c != '\t') || byte == 0x7f) {
            return false;
        }
    }
    return true;
}

void read_message(const tree::stage_root& root) {
    auto opened = restore::mime_file::open(root, "spool/file");
    if (!opened) {
        return;
    }
    auto& mime = **opened;
    require(mime.head().size() <= restore::mime_file::longest_head);
    const auto& words = mime.words();
    require(words.body.size() <= restore::mime_file::longest_body);
    require(is_clean(words.subject) && is_clean(words.body) && is_clean(words.message_id));
    const auto& parts = mime.parts();
    for (std::size_t i = 0; i < parts.size() && i < 64; ++i) {
        require(!parts[i].name.empty() && parts[i].size >= 0);
        if (parts[i].kind == restore::mime_part::what::message) {
            (void)mime.nested(i);
        }
        auto reader = mime.read_part(i);
        std::array<std::byte, 4096> piece{};
        std::int64_t got = 0;
        for (auto n = reader->read(piece); n && *n > 0; n = reader->read(piece)) {
            got += static_cast<std::int64_t>(*n);
        }
        if (parts[i].kind == restore::mime_part::what::file) {
            require(got == parts[i].size);
        }
    }
}

void read_embedded(const tree::stage_root& root, std::int64_t size) {
    const auto inside = [size](const restore::embedded_bytes& b) {
        return b.offset >= 0 && b.length >= 0 && b.offset <= size && b.length <= size - b.offset;
    };
    if (const auto task = restore::read_task_file(root, "spool/file")) {
        for (const auto& b : task->bytes) {
            require(inside(b));
            restore::embedded_reader reader(root, "spool/file", b);
            for (auto piece = reader.read(3000); piece && !piece->empty(); piece = reader.read(3000)) {
            }
        }
    }
    const auto photo = restore::find_photo(root, "spool/file");
    if (photo && *photo) {
        require(inside((*photo)->where));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const fuzz::memory_stage here;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    require(here.root->write_file("spool/file", text).has_value());
    read_message(*here.root);
    read_embedded(*here.root, static_cast<std::int64_t>(size));
    return 0;
}
