#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/time.hpp"
#include "daemon/check_report.hpp"
#include "daemon/command.hpp"
#include "daemon/index_access.hpp"
#include "daemon/lock_holder.hpp"
#include "daemon/progress.hpp"
#include "sync/rebuild.hpp"

namespace m365stage::daemon {

void check_report::ok(std::string what, std::string detail) {
    check_line l;
    l.what = std::move(what);
    l.detail = std::move(detail);
    lines_.push_back(std::move(l));
}

void check_report::warn(std::string what, std::string detail, std::string advice) {
    ok(std::move(what), std::move(detail));
    lines_.back().level = check_level::warn;
    lines_.back().advice = std::move(advice);
}

void check_report::fail(std::string what, std::string detail, std::string advice, core::exit_code exit) {
    warn(std::move(what), std::move(detail), std::move(advice));
    lines_.back().level = check_level::fail;
    lines_.back().exit = exit;
}

void check_report::fail(std::string what, const core::error& e) {
    fail(std::move(what), core::describe(e), "", core::exit_code_for(e.kind));
}

core::exit_code check_report::exit() const {
    constexpr std::array order{
        core::exit_code::usage, core::exit_code::auth, core::exit_code::unreachable, core::exit_code::local
    };
    auto found = core::exit_code::done;
    for (const auto& l : lines_) {
        found = l.level == check_level::fail ? l.exit : found;
    }
    for (const auto wanted : order) {
        for (const auto& l : lines_) {
            if (l.level == check_level::fail && l.exit == wanted) {
                return wanted;
            }
        }
    }
    return found;
}

namespace {

constexpr const char* check_help =
    "Changes nothing and needs no lock: safe beside the running service. Each line is 'ok', 'warn' or "
    "'FAIL'; all "
    "checks\nare done. Ends with 0 without a FAIL, else with the code of what has to be mended first: 2 "
    "configuration, "
    "3 credential,\npermission or clock, 4 network, 5 disk or index.\n\n"
    "Example: m365stage --config /etc/m365stage/config.yaml check";

/// Once with the files that it names, and if those are at fault without them, so that the rest can be
/// checked.
std::optional<config::settings> check_configuration(check_report& report, const std::string& file) {
    auto settings = config::load(file);
    if (settings) {
        report.ok("configuration", file);
        return std::move(*settings);
    }
    std::istringstream problems(settings.error().cause);
    for (std::string line; std::getline(problems, line);) {
        report.fail("configuration", line, settings.error().hint, core::exit_code::usage);
    }
    auto without = config::load(file, config::file_checks::off);
    return without ? std::optional(std::move(*without)) : std::nullopt;
}

/// The files of restore_app are missed by `restore` alone, so they may well be kept elsewhere until one is
/// due. False: they can't be used.
bool check_restore_files(check_report& report, const std::string& file) {
    const auto settings = config::load(file, config::file_checks::restore);
    if (settings) {
        return true;
    }
    bool usable = true;
    std::istringstream problems(settings.error().cause);
    for (std::string line; std::getline(problems, line);) {
        if (line.find(": restore_app.") != std::string::npos) {
            report.warn(
                "restore_app: credential", line,
                "'m365stage restore' is refused with it; nothing else needs it"
            );
            usable = false;
        }
    }
    return usable;
}

void check_credential(check_report& report, const std::string& who, const config::app_settings& app) {
    const auto what = who + ": credential";
    switch (app.proof) {
        case config::proof_kind::client_secret:
            report.ok(
                what, "client secret; its end can't be known from here: note the date, or use a certificate"
            );
            return;
        case config::proof_kind::federated_token:
            report.ok(what, "federated token: nothing that ends");
            return;
        case config::proof_kind::managed_identity:
            report.ok(what, "managed identity: nothing that ends");
            return;
        case config::proof_kind::certificate:
            break;
    }
    const auto end = auth::certificate_end(app.proof_file, who);
    if (!end) {
        report.fail(what, end.error());
        return;
    }
    const auto date = core::format_timestamp(std::chrono::system_clock::to_time_t(*end));
    const auto days = std::chrono::floor<std::chrono::days>(*end - std::chrono::system_clock::now()).count();
    const char* advice = "make a new certificate, add it to the app registration, then replace the file";
    if (days < 0) {
        report.fail(what, "the certificate ended on " + date, advice, core::exit_code::auth);
    } else if (days < 30) {
        report.warn(what, "the certificate ends in " + std::to_string(days) + " days, on " + date, advice);
    } else {
        report.ok(what, "certificate, good until " + date + " (" + std::to_string(days) + " days)");
    }
}

void check_disk(check_report& report, const config::stage_settings& stage) {
    struct statvfs st{};
    if (::statvfs(stage.root.c_str(), &st) != 0) {
        const int code = errno;
        const auto obstacle = code == ENOENT ? tree::why_no_root(stage.root) : std::string();
        if (!obstacle.empty()) {
            report.fail("disk", stage.root + ": " + std::strerror(code), obstacle, core::exit_code::local);
        } else if (code == ENOENT) {
            report.warn(
                "disk", stage.root + " is not there yet",
                "the first pass makes it, if its parent can be written"
            );
        } else {
            report.fail(
                "disk", stage.root + ": " + std::strerror(code), "check stage.root and its rights",
                core::exit_code::local
            );
        }
        return;
    }
    const auto free = std::uint64_t{st.f_bavail} * st.f_frsize;
    const auto detail = stage.root + ": " + progress::bytes(free) + " free, stage.min_free_bytes is " +
                        progress::bytes(stage.min_free_bytes);
    if (::access(stage.root.c_str(), R_OK | W_OK | X_OK) != 0) {
        report.fail(
            "disk", stage.root + ": " + std::strerror(errno), "run this as the service's user",
            core::exit_code::local
        );
    } else if (free < stage.min_free_bytes) {
        report.fail("disk", detail, "free some space: passes stop below that", core::exit_code::local);
    } else if (free < sync::room_for_index) {
        report.fail(
            "disk", detail,
            "free some space: backups are refused below " + progress::bytes(sync::room_for_index),
            core::exit_code::local
        );
    } else if (free / 2 < stage.min_free_bytes) {
        report.warn("disk", detail, "less than twice that is free");
    } else {
        report.ok("disk", detail);
    }
    const auto holder = lock_holder(stage.root);
    report.ok(
        "lock", holder ? "held by process " + std::to_string(*holder) : "free: no service and no pass at work"
    );
}

void check_index(check_report& report, const config::stage_settings& stage) {
    const auto file = stage.root + "/index.db";
    if (const auto root = tree::stage_root::open_copy(stage.root)) {
        if (const auto there = sync::require_index(**root); !there) {
            report.fail("index", there.error());
            return;
        }
    }
    if (::access(file.c_str(), F_OK) != 0 && errno == ENOENT) {
        report.warn(
            "index", "there is none yet",
            "run 'm365stage sync' or start the service; for a restored tree 'm365stage index rebuild'"
        );
        return;
    }
    try {
        index::database db(file, index::database::mode::read_only);
        const auto complaints = db.integrity();
        if (complaints.empty()) {
            report.ok("index", "sound, generation " + std::to_string(index::last_generation(db)));
        } else {
            report.fail(
                "index", "damaged: " + complaints,
                "move index.db away and run 'm365stage index rebuild' (the tree is not affected)",
                core::exit_code::local
            );
        }
    } catch (const core::fatal& f) {
        report.fail("index", f.why());
    }
}

std::string_view to_string(check_level level) {
    if (level == check_level::ok) {
        return "ok";
    }
    return level == check_level::warn ? "warn" : "fail";
}

void print(const check_report& report) {
    for (const auto& l : report.lines()) {
        const auto level = l.level == check_level::fail ? std::string_view("FAIL") : to_string(l.level);
        std::printf(
            "%-4s  %s: %s%s%s\n", level.data(), l.what.c_str(), l.detail.c_str(),
            l.advice.empty() ? "" : "; ", l.advice.c_str()
        );
    }
}

/// {"exit", "checks": [{"level": ok|warn|fail, "what", "detail", "advice"}]}
void print_json(const check_report& report) {
    nlohmann::json checks = nlohmann::json::array();
    for (const auto& l : report.lines()) {
        checks.push_back(nlohmann::json{
            {"level", to_string(l.level)}, {"what", l.what}, {"detail", l.detail}, {"advice", l.advice}
        });
    }
    const nlohmann::json out{{"exit", static_cast<int>(report.exit())}, {"checks", std::move(checks)}};
    std::printf("%s\n", out.dump().c_str());
}

int run_check(const global_options& global) {
    check_report report;
    if (auto settings = check_configuration(report, global.config_file)) {
        check_credential(report, "app", settings->app);
        if (settings->restore_app && !check_restore_files(report, global.config_file)) {
            settings->restore_app.reset();
        }
        if (settings->restore_app) {
            check_credential(report, "restore_app", *settings->restore_app);
        }
        check_network(report, *settings);
        check_disk(report, settings->stage);
        check_index(report, settings->stage);
    }
    if (global.json) {
        print_json(report);
    } else {
        print(report);
    }
    return static_cast<int>(report.exit());
}

}  // namespace

void add_check(CLI::App& app, const global_options& global, runner& run) {
    auto* command =
        app.add_subcommand("check", "configuration, credentials, permissions, network, disk and index");
    command->footer(check_help);
    command->callback([&global, &run] {
        run = [&global] { return guarded([&] { return run_check(global); }); };
    });
}

}  // namespace m365stage::daemon
