#include "daemon/notify.hpp"

#include <systemd/sd-daemon.h>

#include <cstdint>

namespace m365stage::daemon::notify {

void ready(const std::string& status) {
    ::sd_notify(0, ("READY=1\nSTATUS=" + status).c_str());
}

void status(const std::string& text) {
    ::sd_notify(0, ("STATUS=" + text).c_str());
}

void reloading() {
    const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::steady_clock::now().time_since_epoch()
    );
    ::sd_notify(0, ("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(now.count())).c_str());
}

void stopping() {
    ::sd_notify(0, "STOPPING=1\nSTATUS=stopping");
}

void alive() {
    ::sd_notify(0, "WATCHDOG=1");
}

std::optional<std::chrono::microseconds> watch_interval() {
    std::uint64_t microseconds = 0;
    if (::sd_watchdog_enabled(0, &microseconds) <= 0 || microseconds == 0) {
        return std::nullopt;
    }
    return std::chrono::microseconds(microseconds / 2);
}

}  // namespace m365stage::daemon::notify
