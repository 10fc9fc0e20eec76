#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <string>

#include "core/error.hpp"

namespace m365stage::daemon {

/// What is common to all commands.
struct global_options {
    global_options() = default;
    std::string config_file = "/etc/m365stage/config.yaml";
    bool json = false;  ///< print data as JSON
};

/// A command puts itself under `app` and sets `run` when it was chosen. The returned number is the exit code.
using runner = std::function<int()>;

void add_sync(CLI::App& app, const global_options& global, runner& run);
void add_status(CLI::App& app, const global_options& global, runner& run);
void add_ls(CLI::App& app, const global_options& global, runner& run);
void add_changes(CLI::App& app, const global_options& global, runner& run);
void add_guard(CLI::App& app, const global_options& global, runner& run);
void add_check(CLI::App& app, const global_options& global, runner& run);
void add_verify(CLI::App& app, const global_options& global, runner& run);
void add_export(CLI::App& app, const global_options& global, runner& run);
void add_restore(CLI::App& app, const global_options& global, runner& run);
void add_serve(CLI::App& app, const global_options& global, runner& run);
void add_hook(CLI::App& app, const global_options& global, runner& run);
void add_lease(CLI::App& app, const global_options& global, runner& run);
void add_jobs(CLI::App& app, const global_options& global, runner& run);
void add_index(CLI::App& app, const global_options& global, runner& run);

/// A whole number from `least` on (CLI11's own bounds tell what is possible in 300 digits); `what` says in an
/// error what it is: "the number of a generation".
CLI::Validator whole_number(std::int64_t least, std::string what);

/// Prints an error as one line on stderr ("m365stage: ...") and returns its exit code. A configuration error
/// may have a line for each problem.
int fail(const core::error& e);

}  // namespace m365stage::daemon
