#pragma once

#include <chrono>
#include <optional>
#include <string>

/// The notify protocol of systemd (sd_notify(3)). Without NOTIFY_SOCKET nothing happens. None waits for a
/// reader that does not read, but for half a second where systemd waits for the word; the first that is lost
/// is logged.
namespace m365stage::daemon::notify {

void ready(const std::string& status);
void status(const std::string& text);
void reloading();
void stopping();
void alive();

/// How often `alive` is to be said: a third of what systemd waits for, since a word may be lost; nullopt: it
/// does not watch.
std::optional<std::chrono::microseconds> watch_interval();

}  // namespace m365stage::daemon::notify
