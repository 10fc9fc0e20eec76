#include <cstdio>
#include <nlohmann/json.hpp>

#include "daemon/command.hpp"
#include "daemon/runtime.hpp"
#include "daemon/verify_report.hpp"
#include "sync/rebuild.hpp"

namespace m365stage::daemon {
namespace {

struct rebuild_arguments {
    rebuild_arguments() = default;
    bool verify = false;
};

constexpr const char* fresh_index = "index.db.new";

void remove_fresh(const tree::stage_root& root) {
    for (const char* part : {"", "-wal", "-shm"}) {
        auto removed = root.remove_file(std::string(fresh_index) + part);
        if (!removed) {
            throw core::fatal(removed.error());
        }
    }
}

void print(const sync::rebuild_outcome& r, const verify_report& report, const std::string& kept, bool json) {
    if (json) {
        nlohmann::json out = report.numbers();
        out["containers"] = r.containers;
        out["items"] = r.items;
        out["staged_bytes"] = r.bytes;
        out["to_fetch"] = r.to_fetch;
        out["without_cursor"] = r.without_cursor;
        out["old_index"] = kept.empty() ? nlohmann::json() : nlohmann::json(kept);
        std::printf("%s\n", out.dump().c_str());
        return;
    }
    auto n = [](std::int64_t value) { return progress::count(static_cast<std::uint64_t>(value)); };
    report.print_numbers();
    std::printf(
        "index.db rebuilt: %s containers, %s items, %s\n", n(r.containers).c_str(), n(r.items).c_str(),
        progress::bytes(static_cast<std::uint64_t>(r.bytes)).c_str()
    );
    if (r.to_fetch > 0) {
        std::printf("the next sync fetches %s files again\n", n(r.to_fetch).c_str());
    }
    if (r.without_cursor > 0) {
        std::printf("the next sync enumerates %s containers from the start\n", n(r.without_cursor).c_str());
    }
    if (!kept.empty()) {
        std::printf(
            "the old index is kept as %s; its jobs, leases and history are not in the new one\n", kept.c_str()
        );
    }
}

int run_rebuild(const global_options& global, const rebuild_arguments& arguments) {
    auto settings = config::load(global.config_file, config::file_checks::off);
    if (!settings) {
        return fail(settings.error());
    }
    configure_log(settings->log);
    auto root = open_root(settings->stage);
    if (!root) {
        return fail(root.error());
    }
    auto lock = (*root)->lock();
    if (!lock) {
        return fail(lock.error());
    }
    remove_fresh(**root);
    verify_report report(global.json, false);
    core::result<sync::rebuild_outcome> done = core::error();
    {
        index::database db(settings->stage.root + "/" + fresh_index, index::database::mode::read_write);
        const verify_report::ticker shown(report.log);
        done = sync::rebuild_index(db, **root, report.log, arguments.verify);
    }
    if (!done) {
        return fail(done.error());
    }
    auto kept = sync::replace_index(**root, fresh_index);
    if (!kept) {
        return fail(kept.error());
    }
    print(*done, report, *kept, global.json);
    return static_cast<int>(report.log.problems == 0 ? core::exit_code::done : core::exit_code::some_failed);
}

}  // namespace

void add_index(CLI::App& app, const global_options& global, runner& run) {
    auto* command = app.add_subcommand("index", "the change index");
    command->require_subcommand(1);
    auto* rebuild = command->add_subcommand("rebuild", "make index.db anew from the sidecars in the tree");
    auto arguments = std::make_shared<rebuild_arguments>();
    rebuild->add_flag(
        "--verify", arguments->verify, "read every file and compare it with its sidecar as well"
    );
    rebuild->callback([&global, &run, arguments] {
        run = [&global, arguments] { return run_rebuild(global, *arguments); };
    });
}

}  // namespace m365stage::daemon
