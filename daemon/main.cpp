#include <openssl/crypto.h>
#include <sqlite3.h>
#include <zlib.h>

#include <malloc.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/version.hpp>
#include <csignal>
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/log.hpp"
#include "daemon/command.hpp"
#include "daemon/hook_words.hpp"

namespace m365stage::daemon {
namespace {

std::string version_text() {
    return std::string("m365stage ") + M365STAGE_VERSION + "\nBoost " +
           std::to_string(BOOST_VERSION / 100000) + "." + std::to_string(BOOST_VERSION / 100 % 1000) + "\n" +
           OpenSSL_version(OPENSSL_VERSION) + "\nSQLite " + sqlite3_libversion() + "\nnlohmann/json " +
           std::to_string(NLOHMANN_JSON_VERSION_MAJOR) + "." + std::to_string(NLOHMANN_JSON_VERSION_MINOR) +
           "." + std::to_string(NLOHMANN_JSON_VERSION_PATCH) + "\nzlib " + zlibVersion();
}

constexpr const char* description =
    "Keeps a local copy of a Microsoft 365 tenant that Bareos backs up.\n\n"
    "Exit codes: 0 done; 1 done, but some items failed; 2 usage or configuration; 3 authentication or "
    "permission;\n"
    "4 Microsoft 365 unreachable; 5 local disk or index; 6 held by the guard; 7 timed out or busy.";

/// The command line names no command that there is: CLI11 misses one, and does not tell what stands there
/// instead. Empty: that was not the reason.
std::string unknown_command(const CLI::App& app) {
    const CLI::App* at = &app;
    while (!at->get_subcommands().empty()) {
        at = at->get_subcommands().front();
    }
    std::string known;
    for (const auto* command : at->get_subcommands([](const CLI::App*) { return true; })) {
        known += (known.empty() ? "" : ", ") + command->get_name();
    }
    const auto words = app.remaining(true);
    if (words.empty() || known.empty()) {
        return {};
    }
    const auto& first = words.front();
    return std::string("unknown ") + (first.starts_with('-') ? "option" : "command") + " '" + first +
           "'; expected one of " + known + (at == &app ? "" : " behind " + at->get_name());
}

int usage_error(const CLI::App& app, const CLI::ParseError& e) {
    if (dynamic_cast<const CLI::RequiredError*>(&e) != nullptr) {
        if (const auto told = unknown_command(app); !told.empty()) {
            return fail(core::error(core::error_kind::usage, told));
        }
    }
    // CLI11 has exit codes of its own; help and version are no errors.
    return app.exit(e, std::cout, std::cerr) == 0 ? 0 : static_cast<int>(core::exit_code::usage);
}

int run(int argc, char** argv) {
    CLI::App app(description, "m365stage");
    global_options global;
    runner chosen;
    app.require_subcommand(1);
    app.fallthrough();
    app.set_version_flag("--version", version_text(), "version of the program and its libraries");
    app.add_option("--config", global.config_file, "configuration file")->capture_default_str();
    app.add_flag("--json", global.json, "print data as JSON");
    add_serve(app, global, chosen);
    add_sync(app, global, chosen);
    add_hook(app, global, chosen);
    add_lease(app, global, chosen);
    add_jobs(app, global, chosen);
    add_status(app, global, chosen);
    add_ls(app, global, chosen);
    add_changes(app, global, chosen);
    add_guard(app, global, chosen);
    add_check(app, global, chosen);
    add_verify(app, global, chosen);
    add_index(app, global, chosen);
    add_restore(app, global, chosen);
    add_export(app, global, chosen);
    try {
        auto words = join_hook_words(std::vector<std::string>(argv + std::min(argc, 1), argv + argc));
        std::reverse(words.begin(), words.end());  // as CLI11 takes them
        app.parse(std::move(words));
    } catch (const CLI::ParseError& e) {
        return usage_error(app, e);
    }
    return chosen();
}

}  // namespace

}  // namespace m365stage::daemon

int main(int argc, char** argv) {
    // Writes to connections that the other side closed are answered by an error, not by a signal.
    std::signal(SIGPIPE, SIG_IGN);
    // Every file and folder is made with the mode that it shall have.
    ::umask(0);
    // Few arenas: the threads hand each other buffers, and memory should not grow with their number.
    mallopt(M_ARENA_MAX, 2);
    try {
        const int code = m365stage::daemon::run(argc, argv);
        m365stage::core::log_last_of_what_was_left_out();
        return code;
    } catch (const m365stage::core::fatal& f) {
        return m365stage::daemon::fail(f.why());
    } catch (const std::exception& e) {
        m365stage::core::error error(m365stage::core::error_kind::internal, e.what());
        error.hint = "this is a fault of m365stage: please report it";
        return m365stage::daemon::fail(error);
    }
}
