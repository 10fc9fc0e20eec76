#include "api/listener.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

namespace m365stage::api {
namespace {

using core::error_kind;

constexpr int backlog = 512;

core::error failed(error_kind kind, std::string_view setting, const std::string& where, std::string why) {
    core::error e(kind, std::move(why));
    e.operation = "listening on " + std::string(setting);
    e.object = where;
    return e;
}

core::error failed_now(std::string_view setting, const std::string& where) {
    const int why = errno;
    auto e =
        failed(why == EADDRINUSE ? error_kind::busy : error_kind::disk, setting, where, std::strerror(why));
    if (why == ENOENT) {
        e.hint = "make the folder, or name another one in api.socket";
    } else if (why == EADDRINUSE) {
        e.hint = "another program has it: stop that one, or configure another address";
    }
    return e;
}

bool somebody_answers(const sockaddr_un& at) {
    const tree::unique_fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    // A full queue (EAGAIN) is somebody as well; refused means that nobody has it open.
    return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0 ||
           (errno != ECONNREFUSED && errno != ENOENT);
}

core::result<void> make_room(const std::string& path, const sockaddr_un& at) {
    struct stat there{};
    if (::lstat(path.c_str(), &there) != 0) {
        return {};
    }
    if (!S_ISSOCK(there.st_mode)) {
        return failed(error_kind::usage, "api.socket", path, "there is something that is no socket");
    }
    if (somebody_answers(at)) {
        auto e = failed(error_kind::busy, "api.socket", path, "another process answers there");
        e.hint = "one service for one socket: 'm365stage status' asks it";
        return e;
    }
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
        return failed_now("api.socket", path);
    }
    return {};
}

struct tcp_address {
    tcp_address() = default;
    bool v6 = false;
    std::string host;
    std::uint16_t port = 0;
};

std::optional<tcp_address> parse(const std::string& text) {
    const auto colon = text.rfind(':');
    if (colon == std::string::npos) {
        return std::nullopt;
    }
    tcp_address out;
    out.host = text.substr(0, colon);
    const char* end = text.data() + text.size();
    const auto read = std::from_chars(text.data() + colon + 1, end, out.port);
    if (read.ec != std::errc() || read.ptr != end) {
        return std::nullopt;
    }
    out.v6 = out.host == "[::1]";
    out.host = out.host == "localhost" ? "127.0.0.1" : out.host;
    in_addr v4{};
    if (!out.v6 && (::inet_pton(AF_INET, out.host.c_str(), &v4) != 1 || (ntohl(v4.s_addr) >> 24) != 127)) {
        return std::nullopt;
    }
    return out;
}

}  // namespace

core::result<listener> listener::on_file(const std::string& path, mode_t mode) {
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    if (path.size() >= sizeof at.sun_path) {
        return failed(
            error_kind::usage, "api.socket", path,
            "the path is longer than the " + std::to_string(sizeof at.sun_path - 1) +
                " bytes of a socket's name"
        );
    }
    std::memcpy(at.sun_path, path.c_str(), path.size());
    if (auto free = make_room(path, at); !free) {
        return free.error();
    }
    listener out;
    out.family_ = AF_UNIX;
    out.fd_ = tree::unique_fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    // The mode of the descriptor becomes that of the file, so it is never open to more than these; what the
    // umask took away is given back behind it.
    if (!out.fd_ || ::fchmod(out.fd_.get(), mode) != 0 ||
        ::bind(out.fd_.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 ||
        ::chmod(path.c_str(), mode) != 0) {
        return failed_now("api.socket", path);
    }
    struct stat made{};
    if (::lstat(path.c_str(), &made) == 0) {
        out.path_ = path;
        out.device_ = made.st_dev;
        out.inode_ = made.st_ino;
    }
    if (::listen(out.fd_.get(), backlog) != 0) {
        return failed_now("api.socket", path);
    }
    return out;
}

core::result<listener> listener::on_port(const std::string& address) {
    const auto wanted = parse(address);
    if (!wanted) {
        auto e = failed(error_kind::usage, "api.listen", address, "this is no loopback address with a port");
        e.hint = "127.0.0.1:8365 or [::1]:8365; for other machines put a proxy with TLS in front";
        return e;
    }
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(wanted->port);
    six.sin6_addr = in6addr_loopback;
    sockaddr_in four{};
    four.sin_family = AF_INET;
    four.sin_port = htons(wanted->port);
    ::inet_pton(AF_INET, wanted->host.c_str(), &four.sin_addr);
    auto* at = wanted->v6 ? reinterpret_cast<sockaddr*>(&six) : reinterpret_cast<sockaddr*>(&four);
    socklen_t size = wanted->v6 ? sizeof six : sizeof four;
    listener out;
    out.family_ = wanted->v6 ? AF_INET6 : AF_INET;
    out.fd_ = tree::unique_fd(::socket(out.family_, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int yes = 1;
    if (!out.fd_ || ::setsockopt(out.fd_.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        ::bind(out.fd_.get(), at, size) != 0 || ::listen(out.fd_.get(), backlog) != 0 ||
        ::getsockname(out.fd_.get(), at, &size) != 0) {
        return failed_now("api.listen", address);
    }
    out.port_ = ntohs(wanted->v6 ? six.sin6_port : four.sin_port);
    return out;
}

listener::listener(listener&& other) noexcept
    : fd_(std::move(other.fd_)),
      family_(other.family_),
      port_(other.port_),
      path_(std::exchange(other.path_, std::string())),
      device_(other.device_),
      inode_(other.inode_) {}

listener::~listener() {
    struct stat there{};
    if (!path_.empty() && ::lstat(path_.c_str(), &there) == 0 && there.st_dev == device_ &&
        there.st_ino == inode_) {
        ::unlink(path_.c_str());
    }
}

int listener::release() {
    const int fd = ::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0);
    fd_ = tree::unique_fd();
    return fd;
}

}  // namespace m365stage::api
