#include "api/process.hpp"

#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace m365stage::api {
namespace {

/// Field 22 of /proc/self/stat, in ticks since boot (proc(5)). The name in field 2 may have blanks.
double ticks_at_start() {
    std::ifstream file("/proc/self/stat");
    std::string line;
    std::getline(file, line);
    const auto name_ends = line.rfind(')');
    if (name_ends == std::string::npos) {
        return 0;
    }
    std::istringstream rest(line.substr(name_ends + 1));
    std::string word;
    for (int field = 3; field <= 22; ++field) {
        rest >> word;
    }
    return std::strtod(word.c_str(), nullptr);
}

double boot_time() {
    std::ifstream file("/proc/stat");
    std::string word;
    double value = 0;
    while (file >> word) {
        if (word == "btime" && file >> value) {
            return value;
        }
    }
    return 0;
}

double start_time() {
    static const double at = boot_time() + ticks_at_start() / static_cast<double>(::sysconf(_SC_CLK_TCK));
    return at;
}

}  // namespace

process_facts look_at_process() {
    process_facts out;
    std::uint64_t pages = 0, resident = 0;
    std::ifstream("/proc/self/statm") >> pages >> resident;
    out.resident_bytes = resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    rusage used{};
    if (::getrusage(RUSAGE_SELF, &used) == 0) {
        const auto seconds = [](const timeval& t) {
            return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
        };
        out.cpu_seconds = seconds(used.ru_utime) + seconds(used.ru_stime);
    }
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
        out.most_files = files.rlim_cur;
    }
    std::error_code unreadable;
    for (std::filesystem::directory_iterator at("/proc/self/fd", unreadable), end; !unreadable && at != end;
         at.increment(unreadable)) {
        ++out.open_files;
    }
    out.started_at = start_time();
    return out;
}

}  // namespace m365stage::api
