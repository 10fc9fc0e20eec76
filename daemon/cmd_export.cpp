#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "daemon/command.hpp"
#include "daemon/progress.hpp"
#include "restore/export.hpp"

namespace m365stage::daemon {
namespace {

struct export_arguments {
    export_arguments() = default;
    restore::request asked;
    std::string to, mail = "eml";
};

/// The two folders must not be in each other: an export of itself would never end.
core::result<void> check_places(const restore::source_tree& tree, const std::string& to) {
    std::error_code ec;
    const auto target = std::filesystem::weakly_canonical(to, ec).string() + "/";
    if (ec || target.starts_with(tree.root().path() + "/")) {
        core::error e(core::error_kind::usage, ec ? ec.message() : "it lies in the tree itself");
        e.operation = "--to";
        e.object = to;
        e.hint = "name a folder outside of the tree; it is made if it is not there";
        return e;
    }
    std::filesystem::create_directories(to, ec);
    if (ec) {
        core::error e(core::error_kind::disk, ec.message());
        e.operation = "make folder";
        e.object = to;
        return e;
    }
    return core::result<void>();
}

void print(const restore::export_counts& n, bool json) {
    if (json) {
        const nlohmann::json out{
            {"files", n.files},
            {"folders", n.folders},
            {"bytes", n.bytes},
            {"present", n.present},
            {"failed", n.failed}
        };
        std::printf("%s\n", out.dump().c_str());
        return;
    }
    std::printf(
        "%s files, %s, in %s new folders; %s were there; %s stayed out\n", progress::count(n.files).c_str(),
        progress::bytes(n.bytes).c_str(), progress::count(n.folders).c_str(),
        progress::count(n.present).c_str(), progress::count(n.failed).c_str()
    );
}

int run_export(const global_options& global, const export_arguments& a) {
    auto tree = restore::source_tree::find(a.asked.from);
    if (!tree) {
        return fail(tree.error());
    }
    restore::request asked = a.asked;
    asked.mbox = a.mail == "mbox";
    if (auto good = check_places(**tree, a.to); !good) {
        return fail(good.error());
    }
    auto target = tree::stage_root::open_copy(a.to);
    if (!target) {
        return fail(target.error());
    }
    auto problem = [&global](const std::string& path, const std::string& why) {
        if (global.json) {
            const nlohmann::json line{{"path", path}, {"reason", why}};
            const auto text = line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
            std::printf("%s\n", text.c_str());
        } else {
            std::printf("stays out: %s: %s\n", path.c_str(), why.c_str());
        }
    };
    auto counts = restore::export_files(**tree, asked, **target, problem);
    if (!counts) {
        return fail(counts.error());
    }
    print(*counts, global.json);
    return static_cast<int>(counts->failed == 0 ? core::exit_code::done : core::exit_code::some_failed);
}

}  // namespace

void add_export(CLI::App& app, const global_options& global, runner& run) {
    auto* command = app.add_subcommand("export", "clean files from a restored tree, without sidecars");
    command->footer("Needs no configuration and no network. Nothing that is there is overwritten.");
    auto a = std::make_shared<export_arguments>();
    command->add_option("--from", a->asked.from, "folder that the backup system restored")->required();
    command->add_option("--to", a->to, "folder for the files; made if it is not there")->required();
    command->add_option(
        "--select", a->asked.select, "only what matches and lies below, e.g. 'users/ann@*/onedrive/Reports'"
    );
    command->add_option("--mail", a->mail, "mail as files, or as one mbox for each folder")
        ->check(CLI::IsMember({"eml", "mbox"}))
        ->capture_default_str();
    command->callback([&global, &run, a] { run = [&global, a] { return run_export(global, *a); }; });
}

}  // namespace m365stage::daemon
