#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <sstream>

#include "config/config.hpp"
#include "config/decode.hpp"
#include "config/schema_check.hpp"

namespace m365stage::config {
namespace {

core::error failed(const std::string& text) {
    core::error e(core::error_kind::usage, text);
    e.operation = "read the configuration";
    return e;
}

core::error unreadable(const std::string& path, int number) {
    std::string what = std::strerror(number);
    if (number == ENOENT) {
        what = "the file does not exist; expected the configuration there, or its path with --config";
    } else if (number == EACCES) {
        what = "the file is not readable for this user; expected read permission on it and its folders";
    }
    return failed(path + ": " + what);
}

class descriptor {
public:
    explicit descriptor(int fd) : fd_(fd) {}
    ~descriptor() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
    int get() const { return fd_; }

private:
    int fd_;
};

core::result<std::string> read_file(const std::string& path) {
    // Not to hang on a FIFO that somebody gave as the file.
    const descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat info = {};
    if (file.get() < 0 || ::fstat(file.get(), &info) != 0) {
        return unreadable(path, errno);
    }
    if (!S_ISREG(info.st_mode)) {
        return failed(path + ": not a regular file; expected a YAML file");
    }
    std::string text;
    std::array<char, 16'384> buffer;
    while (true) {
        const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return unreadable(path, errno);
        }
        if (got == 0) {
            return text;
        }
        text.append(buffer.data(), static_cast<std::size_t>(got));
        if (text.size() > longest_file_bytes) {
            return text;  // parse() says so
        }
    }
}

}  // namespace

core::result<settings> parse(std::string_view text, const std::string& name, file_checks checks) {
    problem_list problems(name);
    if (text.size() > longest_file_bytes) {
        problems.add(0, "", "the file is too large; expected at most 1 MiB");
        return failed(problems.text());
    }
    const node document = read_yaml(text, problems);
    if (!problems.empty() && document.type == node_type::null) {
        return failed(problems.text());  // nothing was read: every key would be called missing
    }
    check_schema(document, problems);
    settings values = decode(document, problems);
    check_files(document, values, checks, problems);
    if (!problems.empty()) {
        return failed(problems.text());
    }
    return values;
}

namespace {

/// The socket that a text names which is no YAML because of a mistake somewhere: `socket:` on a line of its
/// own below `api:`.
std::optional<std::string> socket_line(const std::string& text) {
    constexpr std::string_view key = "socket:";
    bool below_api = false;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        const auto first = line.find_first_not_of(" \t");
        if (first == std::string::npos || line[first] == '#') {
            continue;
        }
        if (first == 0) {
            below_api = line.starts_with("api:");
        } else if (below_api && line.compare(first, key.size(), key) == 0) {
            const auto from = line.find_first_not_of(" \t\"'", first + key.size());
            const auto value = from == std::string::npos ? std::string() : line.substr(from);
            const auto path = value.substr(0, value.find_first_of(" \t\r\"'#"));
            return path.empty() ? std::nullopt : std::optional(path);
        }
    }
    return std::nullopt;
}

}  // namespace

core::result<std::string> load_socket(const std::string& path) {
    const auto text = read_file(path);
    if (text.has_error()) {
        return text.error();
    }
    problem_list problems(path);
    const node document = read_yaml(*text, problems);
    if (document.type != node_type::map) {
        if (auto named = socket_line(*text)) {
            return std::move(*named);
        }
        return failed(problems.empty() ? path + ": no mapping; expected a configuration" : problems.text());
    }
    return decode(document, problems).api.socket;
}

core::result<settings> load(const std::string& path, file_checks checks) {
    const auto text = read_file(path);
    if (text.has_error()) {
        return text.error();
    }
    return parse(*text, path, checks);
}

}  // namespace m365stage::config
