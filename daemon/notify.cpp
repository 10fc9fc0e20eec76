#include "daemon/notify.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "core/log.hpp"

namespace m365stage::daemon::notify {
namespace {

/// Not sd_notify(3): that waits for as long as nobody reads, and everything else of the service with it.
/// 0, or an errno.
int send_within(const std::string& text, int milliseconds) {
    const char* where = std::getenv("NOTIFY_SOCKET");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto size = where == nullptr ? 0 : std::strlen(where);
    if (size < 2 || size >= sizeof address.sun_path || (where[0] != '/' && where[0] != '@')) {
        return 0;
    }
    std::memcpy(address.sun_path, where, size);
    if (where[0] == '@') {
        address.sun_path[0] = '\0';  // an abstract name
    }
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size);
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int failed = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), length) == 0 ? 0 : errno;
    const auto send = [&] { return ::send(fd, text.data(), text.size(), MSG_NOSIGNAL) < 0 ? errno : 0; };
    if (failed == 0) {
        failed = send();
        pollfd room{fd, POLLOUT, 0};
        if (failed == EAGAIN && milliseconds > 0 && ::poll(&room, 1, milliseconds) == 1) {
            failed = send();
        }
    }
    if (fd >= 0) {
        ::close(fd);
    }
    return failed;
}

/// What systemd waits for gets a moment; everything else comes again.
enum class weight { awaited, passing };

void send(const std::string& text, weight w) {
    constexpr int a_moment = 500;
    static bool was_told = false;
    const int failed = send_within(text, w == weight::awaited ? a_moment : 0);
    if (failed != 0 && !was_told) {
        was_told = true;
        core::log(
            core::log_level::warning,
            std::string("NOTIFY_SOCKET does not take what the service says of itself: ") +
                std::strerror(failed)
        );
    }
}

}  // namespace

void ready(const std::string& status) {
    send("READY=1\nSTATUS=" + status, weight::awaited);
}

void status(const std::string& text) {
    send("STATUS=" + text, weight::passing);
}

void reloading() {
    const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::steady_clock::now().time_since_epoch()
    );
    send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(now.count()), weight::awaited);
}

void stopping() {
    send("STOPPING=1\nSTATUS=stopping", weight::awaited);
}

void alive() {
    send("WATCHDOG=1", weight::passing);
}

std::optional<std::chrono::microseconds> watch_interval() {
    std::uint64_t microseconds = 0;
    if (::sd_watchdog_enabled(0, &microseconds) <= 0 || microseconds == 0) {
        return std::nullopt;
    }
    return std::chrono::microseconds(microseconds / 3);
}

}  // namespace m365stage::daemon::notify
