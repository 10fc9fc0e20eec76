#include "daemon/index_access.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "sync/rebuild.hpp"

namespace m365stage::daemon {
namespace {

constexpr const char* only_its_user = "run this as the service's user or as root";

}  // namespace

core::result<open_index> open_index::open(const global_options& global, index::database::mode mode) {
    auto settings = config::load(global.config_file, config::file_checks::off);
    if (!settings) {
        return settings.error();
    }
    if (const auto root = tree::stage_root::open_copy(settings->stage.root)) {
        if (const auto there = sync::require_index(**root);
            there.has_error() && there.error().kind == core::error_kind::index) {
            return there.error();
        }
    }
    const auto file = settings->stage.root + "/index.db";
    struct stat st{};
    if (::stat(file.c_str(), &st) != 0) {
        core::error e(core::error_kind::index, std::strerror(errno));
        e.object = file;
        if (errno == ENOENT) {
            e.cause = "there is no index yet";
            e.hint =
                "run 'm365stage sync' or start the service; for a restored tree 'm365stage index rebuild'";
        } else if (errno == EACCES) {
            e.hint = only_its_user;
        }
        return e;
    }
    const int wanted = mode == index::database::mode::read_write ? R_OK | W_OK : R_OK;
    if (::eaccess(file.c_str(), wanted) != 0 && errno == EACCES) {
        // A member of stage.group may enter the folder; SQLite would say that it can't open the file.
        core::error e(core::error_kind::index, std::strerror(EACCES));
        e.object = file;
        e.hint = only_its_user;
        return e;
    }
    open_index o;
    try {
        o.db = std::make_unique<index::database>(file, mode);
    } catch (const core::fatal& f) {
        return f.why();
    }
    o.settings = std::move(*settings);
    return o;
}

int guarded(const std::function<int()>& body) {
    try {
        return body();
    } catch (const core::fatal& f) {
        return fail(f.why());
    }
}

line_writer& line_writer::raw(std::string_view text) {
    buffer_.append(text);
    return *this;
}

line_writer& line_writer::number(std::int64_t n) {
    buffer_ += std::to_string(n);
    return *this;
}

void line_writer::end_line() {
    buffer_ += '\n';
    constexpr std::size_t piece = 1u << 16;
    if (buffer_.size() >= piece) {
        flush();
    }
}

void line_writer::flush() {
    if (wanted_ && (std::fwrite(buffer_.data(), 1, buffer_.size(), stdout) != buffer_.size() ||
                    std::fflush(stdout) != 0)) {
        wanted_ = false;
    }
    buffer_.clear();
}

}  // namespace m365stage::daemon
