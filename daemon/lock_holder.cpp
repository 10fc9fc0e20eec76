#include "daemon/lock_holder.hpp"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fstream>
#include <sstream>

namespace m365stage::daemon {

std::optional<std::int64_t> lock_holder(const std::string& root) {
    const std::string file = root + "/.lock";
    struct stat st{};
    if (::stat(file.c_str(), &st) != 0) {
        return std::nullopt;
    }
    std::int64_t written = 0;  // who took it last; it stays in the file when the lock is gone
    std::ifstream(file) >> written;
    std::ifstream locks("/proc/locks");
    // "1: FLOCK  ADVISORY  WRITE 1234 fe:01:5678 0 EOF"
    for (std::string line; std::getline(locks, line);) {
        std::istringstream in(line);
        std::string number, kind, advice, access, place;
        std::int64_t process = 0;
        if (!(in >> number >> kind >> advice >> access >> process >> place) || kind != "FLOCK") {
            continue;
        }
        unsigned major = 0;
        unsigned minor = 0;
        unsigned long inode = 0;
        if (std::sscanf(place.c_str(), "%x:%x:%lu", &major, &minor, &inode) != 3 || inode != st.st_ino) {
            continue;
        }
        // Some file systems (overlay, btrfs) tell stat(2) another device than the lock table.
        if ((major == ::major(st.st_dev) && minor == ::minor(st.st_dev)) || process == written) {
            return process;
        }
    }
    return std::nullopt;
}

}  // namespace m365stage::daemon
