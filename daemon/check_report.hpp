#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "auth/token_source.hpp"
#include "config/config.hpp"
#include "core/error.hpp"

namespace m365stage::daemon {

enum class check_level { ok, warn, fail };

/// One line of `check`.
struct check_line {
    check_line() = default;
    check_level level = check_level::ok;
    std::string what, detail, advice;
    core::exit_code exit = core::exit_code::done;  ///< what a failure of it ends the command with
};

/// The lines of `check`, in the order in which they were found.
class check_report {
public:
    void ok(std::string what, std::string detail);
    void warn(std::string what, std::string detail, std::string advice);
    void fail(std::string what, std::string detail, std::string advice, core::exit_code exit);
    void fail(std::string what, const core::error& e);

    const std::vector<check_line>& lines() const { return lines_; }
    /// The failure that has to be mended first: configuration (2), permission (3), network (4), disk and
    /// index (5), then the others. Warnings do not count.
    core::exit_code exit() const;

private:
    std::vector<check_line> lines_;
};

/// Judges the roles of a token against the enabled kinds (contract, section 9). `restore`: of the app
/// registration for `restore`, which has to write.
void check_roles(
    check_report& report, const std::string& who, const std::vector<std::string>& roles,
    const std::vector<config::data_kind>& kinds, bool restore
);

/// The clock of this computer against the one of a server.
void check_clock(check_report& report, const std::string& host, std::chrono::seconds skew);

/// Reaches the login service and Graph and gets a token for each app registration; judges its roles.
void check_network(check_report& report, const config::settings& settings);

}  // namespace m365stage::daemon
