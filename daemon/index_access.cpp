#include "daemon/index_access.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "tree/names.hpp"

namespace m365stage::daemon {

core::result<open_index> open_index::open(const global_options& global, index::database::mode mode) {
    auto settings = config::load(global.config_file, config::file_checks::off);
    if (!settings) {
        return settings.error();
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
            e.hint = "run this as the service's user or as root";
        }
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

const index::name_rule& local_names() {
    static const index::name_rule rule = [](const std::string& name, const std::string& id) {
        return tree::local_name(name, id);
    };
    return rule;
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

line_writer& line_writer::quoted(std::string_view text) {
    buffer_ += '"';
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            buffer_ += '\\';
            buffer_ += c;
        } else if (byte < 0x20) {
            char code[8];
            std::snprintf(code, sizeof code, "\\u%04x", byte);
            buffer_ += code;
        } else {
            buffer_ += c;
        }
    }
    buffer_ += '"';
    return *this;
}

line_writer& line_writer::number(std::int64_t n) {
    buffer_ += std::to_string(n);
    return *this;
}

line_writer& line_writer::hex(std::string_view bytes) {
    constexpr char digits[] = "0123456789abcdef";
    for (const char c : bytes) {
        buffer_ += digits[static_cast<unsigned char>(c) >> 4];
        buffer_ += digits[static_cast<unsigned char>(c) & 0xF];
    }
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
