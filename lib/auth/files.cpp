#include "auth/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "auth/assertion.hpp"
#include "auth/encoding.hpp"
#include "auth/token_request.hpp"

namespace m365stage::auth {
namespace {

class descriptor {
public:
    explicit descriptor(int fd) : fd_(fd) {}
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
    ~descriptor() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    int get() const { return fd_; }

private:
    int fd_;
};

core::error file_error(const std::string& path, std::string cause, std::string hint) {
    core::error e(core::error_kind::usage, std::move(cause));
    e.operation = "read";
    e.object = path;
    e.hint = std::move(hint);
    return e;
}

core::error system_failure(const std::string& path, int number) {
    std::string hint =
        number == EACCES ? "the service user must be able to read it" : "check the path in {app}";
    return file_error(path, std::system_category().message(number), std::move(hint));
}

}  // namespace

core::result<std::string> read_secret_file(const std::string& path) {
    // O_NONBLOCK: a named pipe in its place must not hang the service.
    descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (file.get() < 0) {
        return system_failure(path, errno);
    }
    struct stat facts{};
    if (::fstat(file.get(), &facts) != 0 || !S_ISREG(facts.st_mode)) {
        return file_error(path, "it is not a regular file", "check the path in {app}");
    }
    constexpr std::size_t largest = 1u << 20;
    std::string text;
    char buffer[4096];
    while (text.size() <= largest) {
        ssize_t count = ::read(file.get(), buffer, sizeof buffer);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return system_failure(path, errno);
        }
        if (count == 0) {
            break;
        }
        text.append(buffer, static_cast<std::size_t>(count));
    }
    if (text.size() > largest) {
        return file_error(path, "it is larger than 1 MiB", "this is no secret and no certificate");
    }
    text = strip_line_end(std::move(text));
    if (text.empty()) {
        return file_error(path, "it is empty", "store the secret or certificate there");
    }
    return text;
}

core::error name_section(core::error e, const std::string& section) {
    constexpr std::string_view place = "{app}";
    if (const auto at = e.hint.find(place); at != std::string::npos) {
        e.hint.replace(at, place.size(), section);
    }
    return e;
}

core::result<std::chrono::system_clock::time_point> certificate_end(
    const std::string& pem_file, const std::string& section
) {
    auto pem = read_secret_file(pem_file);
    if (!pem) {
        return name_section(pem.error(), section);
    }
    auto end = end_of_certificate(*pem);
    if (!end) {
        return end.error().during("read").on(pem_file);
    }
    return end;
}

}  // namespace m365stage::auth
