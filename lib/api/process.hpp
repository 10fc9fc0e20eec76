#pragma once

#include <cstdint>

namespace m365stage::api {

/// What the kernel says of this process; 0 for what it does not say.
struct process_facts {
    process_facts() = default;
    std::uint64_t resident_bytes = 0, open_files = 0, most_files = 0;
    double cpu_seconds = 0;
    double started_at = 0;  ///< seconds since the epoch
};
process_facts look_at_process();

}  // namespace m365stage::api
