#include "daemon/command.hpp"

#include <charconv>
#include <cstdio>

namespace m365stage::daemon {

CLI::Validator whole_number(std::int64_t least, std::string what) {
    auto complaint = [least, what = std::move(what)](const std::string& text) {
        std::int64_t number = 0;
        const auto end = text.data() + text.size();
        const auto [at, failed] = std::from_chars(text.data(), end, number);
        return failed == std::errc() && at == end && number >= least
                   ? std::string()
                   : "'" + text + "' is not " + what + "; expected a whole number from " +
                         std::to_string(least);
    };
    return CLI::Validator(std::move(complaint), "", "");
}

int fail(const core::error& e) {
    if (e.kind == core::error_kind::usage && e.cause.find('\n') != std::string::npos) {
        std::fprintf(stderr, "m365stage: %s\n", e.cause.c_str());
    } else {
        std::fprintf(stderr, "m365stage: %s\n", core::describe(e).c_str());
    }
    return static_cast<int>(core::exit_code_for(e.kind));
}

}  // namespace m365stage::daemon
