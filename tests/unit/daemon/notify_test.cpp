#include "daemon/notify.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>

using namespace m365stage;

namespace {

/// What stands for systemd; `name` as NOTIFY_SOCKET has it.
class reader {
public:
    explicit reader(const std::string& name)
        : name_(name), fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, name.data(), name.size());
        if (name[0] == '@') {
            address.sun_path[0] = '\0';
        }
        const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
        REQUIRE(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), length) == 0);
        ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
    }
    ~reader() {
        ::unsetenv("NOTIFY_SOCKET");
        ::close(fd_);
        ::unlink(name_.c_str());
    }
    reader(const reader&) = delete;
    reader& operator=(const reader&) = delete;

    /// Empty: nothing is there.
    std::string next() {
        std::array<char, 4096> text;
        const auto n = ::recv(fd_, text.data(), text.size(), MSG_DONTWAIT);
        return n < 0 ? std::string() : std::string(text.data(), static_cast<std::size_t>(n));
    }

private:
    std::string name_;
    int fd_;
};

std::string name_of(const char* prefix) {
    return prefix + std::string("m365stage-notify-") + std::to_string(::getpid());
}

}  // namespace

TEST_SUITE("daemon") {
    TEST_CASE("notify: what is said arrives, at a path and at an abstract name") {
        for (const char* prefix : {"/tmp/", "@"}) {
            CAPTURE(prefix);
            reader r(name_of(prefix));
            daemon::notify::ready("all is well");
            CHECK(r.next() == "READY=1\nSTATUS=all is well");
            daemon::notify::alive();
            CHECK(r.next() == "WATCHDOG=1");
            CHECK(r.next().empty());
        }
        daemon::notify::alive();  // nobody wants to know
    }

    TEST_CASE("notify: a reader that does not read holds nobody up") {
        reader r(name_of("/tmp/"));
        constexpr int more_than_any_queue = 20'000;
        for (int i = 0; i < more_than_any_queue; ++i) {
            daemon::notify::alive();
        }
        daemon::notify::stopping();
        while (!r.next().empty()) {
        }
        daemon::notify::status("it reads again");
        CHECK(r.next() == "STATUS=it reads again");
    }

    TEST_CASE("notify: a reader that is gone, or was never there, holds nobody up") {
        ::setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
        daemon::notify::ready("x");
        ::setenv("NOTIFY_SOCKET", "nonsense", 1);
        daemon::notify::ready("x");
        ::unsetenv("NOTIFY_SOCKET");
    }
}
