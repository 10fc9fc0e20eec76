#include <cstdio>
#include <nlohmann/json.hpp>

#include "daemon/command.hpp"
#include "daemon/runtime.hpp"
#include "daemon/verify_report.hpp"
#include "sync/finish.hpp"
#include "sync/verify.hpp"

namespace m365stage::daemon {
namespace {

struct verify_arguments {
    verify_arguments() = default;
    std::string copy;
    bool repair = false;
};

/// The last words: counts, and what --repair did.
void print_summary(const verify_report& report, bool json, const sync::repair_outcome* repaired) {
    if (json) {
        auto out = report.numbers();
        if (repaired != nullptr) {
            out["repair"] = {
                {"files", repaired->files},
                {"folders", repaired->folders},
                {"containers", repaired->containers}
            };
        }
        std::printf("%s\n", out.dump().c_str());
        return;
    }
    report.print_numbers();
    if (repaired != nullptr) {
        auto n = [](std::int64_t value) { return progress::count(static_cast<std::uint64_t>(value)); };
        std::printf(
            "repair: the next sync fetches %s files and enumerates %s containers again; %s folders made\n",
            n(repaired->files).c_str(), n(repaired->containers).c_str(), n(repaired->folders).c_str()
        );
    }
}

int exit_of(const tree::verify_log& log) {
    return static_cast<int>(log.problems == 0 ? core::exit_code::done : core::exit_code::some_failed);
}

int run_copy(const global_options& global, const std::string& folder) {
    auto copy = tree::stage_root::open_copy(folder);
    if (!copy) {
        return fail(copy.error());
    }
    verify_report report(global.json, false);
    core::result<void> done;
    {
        const verify_report::ticker shown(report.log);
        done = tree::verify_copy(**copy, report.log);
    }
    if (!done) {
        return fail(done.error());
    }
    if (report.log.sidecars == 0) {
        core::error e(core::error_kind::usage, "it holds no sidecars (.m365/*.json)");
        e.object = folder;
        e.hint = "name the folder that was restored: the tree itself, or a part of it";
        return fail(e);
    }
    print_summary(report, global.json, nullptr);
    return exit_of(report.log);
}

int run_tree(const global_options& global, const verify_arguments& arguments) {
    auto settings = config::load(global.config_file, config::file_checks::off);
    if (!settings) {
        return fail(settings.error());
    }
    configure_log(settings->log);
    auto st = stage::open(*settings);
    if (!st && st.error().kind == core::error_kind::busy && !arguments.repair) {
        core::error e = st.error();
        e.hint = "stop the service first; beside it, 'm365stage verify --tree " + settings->stage.root +
                 "/tree' compares the files with their sidecars";
        return fail(e);
    }
    if (!st) {
        return fail(st.error());
    }
    auto& db = (*st)->store->direct();
    if (auto finished = sync::finish_interrupted(db, *(*st)->root, pass_options_of(*settings).guard);
        !finished) {
        return fail(finished.error());
    }
    verify_report report(global.json, arguments.repair);
    {
        const verify_report::ticker shown(report.log);
        sync::verify_index(db, *(*st)->root, report.log);
    }
    if (!arguments.repair) {
        print_summary(report, global.json, nullptr);
        return exit_of(report.log);
    }
    auto repaired = sync::repair(db, *(*st)->root, report.kept);
    print_summary(report, global.json, repaired ? &*repaired : nullptr);
    return repaired ? exit_of(report.log) : fail(repaired.error());
}

int run_verify(const global_options& global, const verify_arguments& arguments) {
    return arguments.copy.empty() ? run_tree(global, arguments) : run_copy(global, arguments.copy);
}

}  // namespace

void add_verify(CLI::App& app, const global_options& global, runner& run) {
    auto* command = app.add_subcommand(
        "verify", "read every staged file and compare it with the index, or with its sidecar"
    );
    auto arguments = std::make_shared<verify_arguments>();
    auto* copy = command->add_option(
        "--tree", arguments->copy, "a restored copy, or a part of one: compared with its own sidecars"
    );
    command
        ->add_flag("--repair", arguments->repair, "let the next sync fetch again what is missing or damaged")
        ->excludes(copy);
    command->callback([&global, &run, arguments] {
        run = [&global, arguments] { return run_verify(global, *arguments); };
    });
}

}  // namespace m365stage::daemon
