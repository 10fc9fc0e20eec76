#include "daemon/command.hpp"

#include <charconv>
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

CLI::Validator whole_number_from(std::int64_t least) {
    auto judge = [least](std::string& text) {
        std::int64_t value = 0;
        const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
        const bool good = ec == std::errc() && end == text.data() + text.size() && value >= least;
        return good ? std::string()
                    : "expected a whole number, " + std::to_string(least) + " or more, not '" + text + "'";
    };
    return CLI::Validator(std::move(judge), "");
}

}  // namespace m365stage::daemon
