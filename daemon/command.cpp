#include "daemon/command.hpp"

#include <cstdio>

namespace m365stage::daemon {

int fail(const core::error& e) {
    if (e.kind == core::error_kind::usage && e.cause.find('\n') != std::string::npos) {
        std::fprintf(stderr, "m365stage: %s\n", e.cause.c_str());
    } else {
        std::fprintf(stderr, "m365stage: %s\n", core::describe(e).c_str());
    }
    return static_cast<int>(core::exit_code_for(e.kind));
}

}  // namespace m365stage::daemon
