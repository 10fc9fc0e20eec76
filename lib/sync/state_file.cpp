#include "sync/state_file.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "tree/names.hpp"

namespace m365stage::sync {
namespace {

constexpr std::size_t write_at = 256u << 10;

const std::string& folder() {
    static const std::string path = "tree/" + std::string(tree::state_folder);
    return path;
}

}  // namespace

state_writer::state_writer(const tree::stage_root& root, std::string name)
    : root_(root), name_(std::move(name)) {
    auto present = root_.open_file(folder() + "/" + name_);
    if (present) {
        present_ = std::move(*present);
    }
}

core::result<void> state_writer::put(std::string_view text) {
    buffer_ += text;
    return buffer_.size() < write_at ? core::result<void>() : flush();
}

core::result<void> state_writer::flush() {
    if (!out_) {
        auto made = root_.create("spool/" + name_);
        if (!made) {
            return made.error();
        }
        out_ = std::move(*made);
    }
    if (present_ && !is_next_of_present(buffer_)) {
        present_ = tree::unique_fd();
    }
    auto written = root_.write_all(out_, "spool/" + name_, buffer_);
    buffer_.clear();
    return written;
}

bool state_writer::is_next_of_present(std::string_view text) {
    std::string there(text.size(), '\0');
    std::size_t have = 0;
    while (have < there.size()) {
        const auto n = ::read(present_.get(), there.data() + have, there.size() - have);
        if (n == 0 || (n < 0 && errno != EINTR)) {
            return false;
        }
        have += static_cast<std::size_t>(std::max<ssize_t>(n, 0));
    }
    return there == text;
}

core::result<void> state_writer::finish() {
    if (auto written = flush(); !written) {
        return written;
    }
    char more = 0;
    if (present_ && ::read(present_.get(), &more, 1) == 0) {
        return root_.remove_file("spool/" + name_);
    }
    return place_state_file(root_, name_);
}

core::result<void> write_state_file(
    const tree::stage_root& root, const std::string& name, const std::string& text
) {
    state_writer out(root, name);
    auto put = out.put(text);
    return put ? out.finish() : put;
}

core::result<void> place_state_file(const tree::stage_root& root, const std::string& name) {
    if (auto made = root.make_folder(folder()); !made) {
        return made;
    }
    if (auto synced = root.barrier(); !synced) {
        return synced;
    }
    return root.rename("spool/" + name, folder() + "/" + name);
}

core::result<std::unique_ptr<std::FILE, int (*)(std::FILE*)>> open_state_file(
    const tree::stage_root& root, const std::string& name
) {
    auto fd = root.open_file(folder() + "/" + name);
    if (!fd) {
        return fd.error();
    }
    return std::unique_ptr<std::FILE, int (*)(std::FILE*)>(::fdopen(fd->release(), "r"), &std::fclose);
}

}  // namespace m365stage::sync
