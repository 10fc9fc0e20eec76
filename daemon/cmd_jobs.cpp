#include <cstdio>
#include <nlohmann/json.hpp>

#include "api/documents.hpp"
#include "daemon/command.hpp"
#include "daemon/index_access.hpp"
#include "index/history.hpp"

namespace m365stage::daemon {
namespace {

using nlohmann::json;

constexpr const char* jobs_help =
    "A job counts as saved when the Director said that it ended well ('hook job-ended'); that its files "
    "were\n"
    "read is not enough.\n\nExample: m365stage jobs --json";
constexpr const char* history_help =
    "PATH as 'm365stage ls' prints it. For each version the first saved job that read the tree while it was\n"
    "the latest one: restore from that job.\n\nExample: m365stage history "
    "users/ann@contoso.com/onedrive/a.txt";

std::string progress_of(const index::job_row& j) {
    if (j.ended_at) {
        return j.saved() ? "saved" : "ended: " + j.status;
    }
    return j.read_at ? "read: " + j.read_status : "reading";
}

int run_jobs(const global_options& global, std::int64_t limit) {
    auto opened = open_index::open(global, index::database::mode::read_only);
    if (!opened) {
        return fail(opened.error());
    }
    const auto rows = index::jobs(*opened->db, limit);
    if (global.json) {
        json out = json::array();
        for (const auto& j : rows) {
            out.push_back(api::job_document(j));
        }
        std::printf("%s\n", api::dump(out).c_str());
        return 0;
    }
    for (const auto& j : rows) {
        std::printf(
            "%s  %s  %s  %s  generation %lld  %s\n", j.job_id.c_str(),
            core::format_timestamp(j.started_at).c_str(), j.name.c_str(), j.level.c_str(),
            static_cast<long long>(j.generation), progress_of(j).c_str()
        );
    }
    if (rows.empty()) {
        std::printf("no job has asked for the tree yet\n");
    }
    return 0;
}

int run_history(const global_options& global, const std::string& path) {
    auto opened = open_index::open(global, index::database::mode::read_only);
    if (!opened) {
        return fail(opened.error());
    }
    const auto rows = index::versions_of(*opened->db, path);
    if (global.json) {
        json out = json::array();
        for (const auto& v : rows) {
            out.push_back(api::version_document(v));
        }
        std::printf("%s\n", api::dump(out).c_str());
    } else {
        for (const auto& v : rows) {
            std::printf(
                "generation %lld  %s  %s  %s  %s\n", static_cast<long long>(v.generation),
                core::format_timestamp(v.at).c_str(), std::string(index::to_string(v.what)).c_str(),
                v.new_path.value_or(v.old_path.value_or("")).c_str(),
                v.job ? ("job " + v.job->job_id + " (" + v.job->name + ")").c_str() : "no saved job"
            );
        }
    }
    if (rows.empty()) {
        core::error e(core::error_kind::not_found, "nothing is known of it");
        e.object = path;
        e.hint = "paths as 'm365stage ls' prints them; an index that was rebuilt knows no history";
        return fail(e);
    }
    return 0;
}

}  // namespace

void add_jobs(CLI::App& app, const global_options& global, runner& run) {
    auto* list = app.add_subcommand("jobs", "the Bareos jobs that read the tree");
    list->footer(jobs_help);
    auto limit = std::make_shared<std::int64_t>(20);
    list->add_option("--limit", *limit, "so many, newest first")
        ->check(whole_number_from(1))
        ->capture_default_str();
    list->callback([&global, &run, limit] {
        run = [&global, limit] { return guarded([&] { return run_jobs(global, *limit); }); };
    });
    auto* history = app.add_subcommand("history", "the versions of one path, and which job holds each");
    history->footer(history_help);
    auto path = std::make_shared<std::string>();
    history->add_option("PATH", *path, "path below tree/")->required();
    history->callback([&global, &run, path] {
        run = [&global, path] { return guarded([&] { return run_history(global, *path); }); };
    });
}

}  // namespace m365stage::daemon
