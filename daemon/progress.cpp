#include "daemon/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cmath>
#include <cstdio>

namespace m365stage::daemon {

progress::progress(const graph::client& graph, const http::reach_watch& reach)
    : graph_(graph), reach_(reach), terminal_(::isatty(STDERR_FILENO) == 1) {}

std::string progress::count(std::uint64_t n) {
    auto digits = std::to_string(n);
    for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3) {
        digits.insert(static_cast<std::size_t>(at), ",");
    }
    return digits;
}

std::string progress::number(std::int64_t n) {
    return count(static_cast<std::uint64_t>(std::max<std::int64_t>(0, n)));
}

std::string progress::bytes(std::uint64_t n) {
    constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB"};
    auto value = static_cast<double>(n);
    std::size_t unit = 0;
    while (value >= 1024 && unit + 1 < units.size()) {
        value /= 1024;
        ++unit;
    }
    std::array<char, 40> text{};
    std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return text.data();
}

std::string progress::duration(double seconds) {
    const auto s = std::lround(seconds);
    if (s >= 3600) {
        return std::to_string(s / 3600) + " h " + std::to_string(s / 60 % 60) + " min";
    }
    return s >= 60 ? std::to_string(s / 60) + " min " + std::to_string(s % 60) + " s"
                   : std::to_string(s) + " s";
}

std::string progress::line() const {
    if (const auto& silence = reach_.trouble()) {
        const auto since =
            std::chrono::duration<double>(std::chrono::system_clock::now() - silence->since).count();
        return "no answer for " + duration(std::max(since, 0.0)) +
               ", trying again: " + core::describe(silence->why);
    }
    const auto& c = pass_->counters;
    const auto elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    std::string out = count(c.containers_done) + "/" + count(c.containers) + " containers, " +
                      count(c.items_seen) + " items seen";
    if (c.to_fetch > 0) {
        out +=
            ", " + count(c.fetched) + "/" + count(std::max(c.to_fetch, c.fetched)) + " files, " +
            bytes(c.fetched_bytes) + ", " +
            bytes(static_cast<std::uint64_t>(static_cast<double>(c.fetched_bytes) / std::max(elapsed, 0.001))
            ) +
            "/s";
    }
    if (pass_->enumerated && c.fetched > 0 && c.to_fetch > c.fetched) {
        const auto rate = static_cast<double>(c.fetched) / elapsed;
        out += ", " + duration(static_cast<double>(c.to_fetch - c.fetched) / rate) + " left";
    }
    if (c.fetch_failed + c.rounds_failed > 0) {
        out += ", " + count(c.fetch_failed + c.rounds_failed) + " failed";
    }
    if (auto until = graph_.paused_until(graph::scope(graph::service::sharepoint))) {
        const auto left = std::chrono::duration<double>(*until - std::chrono::steady_clock::now()).count();
        if (left > 0) {
            out += ", waiting " + duration(left) + " for Microsoft";
        }
    }
    return out;
}

async::task<void> progress::show() {
    boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
    for (;;) {
        timer.expires_after(terminal_ ? std::chrono::milliseconds(250) : std::chrono::milliseconds(5000));
        co_await timer.async_wait(boost::asio::use_awaitable);
        if (pass_ == nullptr) {
            continue;
        }
        auto text = line();
        if (terminal_) {
            winsize size{};
            if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 &&
                text.size() >= size.ws_col) {
                text.resize(size.ws_col - 1U);
            }
            std::fprintf(stderr, "\r\033[K%s", text.c_str());
        } else {
            std::fprintf(stderr, "%s\n", text.c_str());
        }
        std::fflush(stderr);
    }
}

void progress::finish() {
    if (terminal_) {
        std::fputs("\r\033[K", stderr);
    }
}

}  // namespace m365stage::daemon
