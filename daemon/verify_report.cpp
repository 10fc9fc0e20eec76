#include "daemon/verify_report.hpp"

#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

namespace m365stage::daemon {

verify_report::ticker::ticker(const tree::verify_log& log)
    : log_(log), terminal_(::isatty(STDERR_FILENO) == 1), thread_([this] { run(); }) {}

verify_report::ticker::~ticker() {
    {
        const std::lock_guard guard(mutex_);
        ended_ = true;
    }
    changed_.notify_all();
    thread_.join();
    if (terminal_) {
        std::fputs("\r\033[K", stderr);
    }
}

void verify_report::ticker::run() {
    std::unique_lock lock(mutex_);
    const std::chrono::milliseconds pause(terminal_ ? 250 : 5000);
    while (!changed_.wait_for(lock, pause, [this] { return ended_; })) {
        const auto elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
        const auto rate = static_cast<std::uint64_t>(static_cast<double>(log_.bytes) / elapsed);
        const auto text = progress::count(log_.files) + " files, " + progress::bytes(log_.bytes) + ", " +
                          progress::bytes(rate) + "/s, " + progress::count(log_.problems) + " problems";
        std::fprintf(stderr, terminal_ ? "\r\033[K%s" : "%s\n", text.c_str());
        std::fflush(stderr);
    }
}

double verify_report::seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void verify_report::print(const tree::problem& p) {
    const std::string what(tree::to_string(p.kind));
    ++counts_[what];
    if (keep_ && p.item != 0) {
        kept.push_back(p);
    }
    constexpr std::uint64_t most_lines = 1000;
    if (json_) {
        const nlohmann::json line{{"problem", what}, {"path", p.path}, {"detail", p.detail}};
        std::printf("%s\n", line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    } else if (printed_ < most_lines) {
        ++printed_;
        std::printf("%s %s: %s\n", what.c_str(), p.path.c_str(), p.detail.c_str());
    } else {
        ++left_out_;
    }
}

nlohmann::json verify_report::numbers() const {
    return {
        {"summary", true},
        {"problems", log.problems.load()},
        {"by_kind", counts_},
        {"files", log.files.load()},
        {"bytes", log.bytes.load()},
        {"sidecars", log.sidecars.load()},
        {"folders", log.folders.load()},
        {"seconds", seconds()}
    };
}

void verify_report::print_numbers() const {
    if (left_out_ > 0) {
        std::printf("... and %s more\n", progress::count(left_out_).c_str());
    }
    for (const auto& [what, n] : counts_) {
        std::printf("%s: %s\n", what.c_str(), progress::count(n).c_str());
    }
    const auto problems = log.problems == 0 ? "no problems" : progress::count(log.problems) + " problems";
    std::printf(
        "%s: %s files, %s, %s sidecars, %s folders in %s\n", problems.c_str(),
        progress::count(log.files).c_str(), progress::bytes(log.bytes).c_str(),
        progress::count(log.sidecars).c_str(), progress::count(log.folders).c_str(),
        progress::duration(seconds()).c_str()
    );
}

}  // namespace m365stage::daemon
