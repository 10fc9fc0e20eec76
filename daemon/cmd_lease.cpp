#include <cstdio>
#include <nlohmann/json.hpp>

#include "api/documents.hpp"
#include "api/local_client.hpp"
#include "daemon/command.hpp"
#include "daemon/index_access.hpp"
#include "daemon/service_client.hpp"
#include "http/http.hpp"

namespace m365stage::daemon {
namespace {

using nlohmann::json;

constexpr const char* lease_help =
    "Reads the index only, also while the service does not run.\n\nExample: m365stage lease list --json";
constexpr const char* lease_end_help =
    "For a job that died and left its lease behind; the service has to run. A job that still reads would see "
    "the "
    "tree\n"
    "move under it, and counts as not saved. ID is the job id as 'm365stage lease list' prints it.";

int list_leases(const global_options& global) {
    auto opened = open_index::open(global, index::database::mode::read_only);
    if (!opened) {
        return fail(opened.error());
    }
    const auto leases = index::active_leases(*opened->db, core::now_seconds());
    if (global.json) {
        json out = json::array();
        for (const auto& l : leases) {
            out.push_back(api::lease_document(l));
        }
        std::printf("%s\n", api::dump(out).c_str());
        return 0;
    }
    for (const auto& l : leases) {
        std::printf(
            "%s  %s  since %s, until %s at the latest\n", l.job_id.c_str(), l.holder.c_str(),
            core::format_timestamp(l.since).c_str(), core::format_timestamp(l.until).c_str()
        );
    }
    if (leases.empty()) {
        std::printf("nobody holds the tree still\n");
    }
    return 0;
}

int run_end(const global_options& global, const std::string& job_id) {
    auto settings = config::load(global.config_file, config::file_checks::off);
    if (!settings) {
        return fail(settings.error());
    }
    constexpr std::chrono::seconds longest(60);
    const auto ended = tell_service(
        settings->api.socket, "DELETE", "/api/v1/leases/" + http::percent_encode(job_id), json(), longest
    );
    if (!ended) {
        auto why = ended.error();
        if (why.cause == api::service_not_running) {
            why.hint = "it alone ends leases: 'systemctl start m365stage', then this again";
        }
        return fail(why);
    }
    std::printf("the lease of job %s has ended\n", job_id.c_str());
    return 0;
}

}  // namespace

void add_lease(CLI::App& app, const global_options& global, runner& run) {
    auto* command = app.add_subcommand("lease", "who holds the tree still");
    command->require_subcommand(1);
    auto* list = command->add_subcommand("list", "the leases in force");
    list->footer(lease_help);
    list->callback([&global, &run] {
        run = [&global] { return guarded([&] { return list_leases(global); }); };
    });
    auto* end = command->add_subcommand("end", "end one by hand");
    end->footer(lease_end_help);
    auto id = std::make_shared<std::string>();
    end->add_option("ID", *id, "job id")->required();
    end->callback([&global, &run, id] { run = [&global, id] { return run_end(global, *id); }; });
}

}  // namespace m365stage::daemon
