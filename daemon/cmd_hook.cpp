#include <cstdio>
#include <nlohmann/json.hpp>

#include "api/job_log.hpp"
#include "api/local_client.hpp"
#include "config/config.hpp"
#include "core/duration.hpp"
#include "core/time.hpp"
#include "daemon/command.hpp"
#include "daemon/hook_words.hpp"
#include "daemon/progress.hpp"
#include "daemon/service_client.hpp"
#include "http/http.hpp"

namespace m365stage::daemon {
namespace {

using nlohmann::json;

constexpr const char* hook_help =
    "For the RunScript resources of a Bareos job; README.md shows them. A script may be run twice for one "
    "job.\n"
    "before-job: 0 the tree stands still; 1 something is owed or not up to date and --on-owed is fail, or\n"
    "Microsoft 365 answered what makes no sense; 2 mistake in this line or in the configuration;\n"
    "3 sign-in or permission refused; 4 Microsoft 365 unreachable; 5 disk, index, or the service does not\n"
    "run; 6 held by the guard; 7 timed out.";

struct hook_arguments {
    hook_arguments() = default;
    std::string job, job_id, level, status;
    std::string max_age = "0s", timeout = "1h", on_owed = "warn";
};

/// One line of the job log.
void say(const std::string& text) {
    std::printf("%s\n", api::job_log_line(text).c_str());
}

int refuse(const char* what, const core::error& e) {
    for (const auto& line : api::refusal_lines(what, e)) {
        std::printf("%s\n", line.c_str());
    }
    return static_cast<int>(core::exit_code_for(e.kind));
}

std::string count(const json& document, const char* name) {
    return progress::count(document.value(name, std::uint64_t{0}));
}

std::string text(const json& document, const char* name) {
    const auto found = document.find(name);
    return found != document.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// Since when the container that waits longest is not up to date.
std::string oldest_of(const json& stale) {
    std::string oldest;
    for (const auto& s : stale) {
        const auto since = text(s, "since");
        if (since.empty()) {
            return "never was";
        }
        oldest = oldest.empty() ? since : std::min(oldest, since);
    }
    return "since " + oldest;
}

void report(const json& grant) {
    say("m365stage: generation " + count(grant, "generation") + ", " + count(grant, "items") + " items in " +
        count(grant, "containers") + " containers");
    char percent[32];
    std::snprintf(percent, sizeof percent, "%.2f", grant.value("coverage_percent", 0.0));
    const auto stale = grant.value("stale_containers", json::array());
    const auto coverage = std::string("m365stage: coverage ") + percent + " %, ";
    if (stale.empty()) {
        say(coverage + "up to date as of " + text(grant, "fresh_at"));
    } else {
        say(coverage + "but " + progress::number(static_cast<std::int64_t>(stale.size())) + " of " +
            count(grant, "containers") + " containers are not up to date, the oldest " + oldest_of(stale));
        if (stale.size() < grant.value("containers", std::size_t{0})) {
            say("m365stage: everything else as of " + text(grant, "fresh_at"));
        }
    }
    for (const auto& reason : grant.value("owed_reasons", json::array())) {
        say("m365stage: owed: " + count(reason, "items") + " items (" + text(reason, "reason") +
            "), the oldest since " + text(reason, "oldest"));
    }
    constexpr std::size_t most = 5;
    for (std::size_t i = 0; i < std::min(most, stale.size()); ++i) {
        say("m365stage: not up to date (" + text(stale[i], "reason") + "): " + text(stale[i], "container"));
    }
    if (stale.size() > most) {
        say("m365stage: and " + std::to_string(stale.size() - most) + " more containers: m365stage status");
    }
    say("m365stage: the tree stands still until " + text(grant, "until") + " at the latest");
}

core::result<std::int64_t> seconds_of(const std::string& written, const char* option) {
    const auto value = core::parse_duration(written);
    if (!value) {
        return core::error(
            core::error_kind::usage, std::string(option) + ": expected a duration such as 30s or 4h"
        );
    }
    return static_cast<std::int64_t>(value->count());
}

/// The socket's path is all that a hook needs to know.
core::result<std::string> socket_of(const global_options& global) {
    auto settings = config::load(global.config_file, config::file_checks::off);
    if (!settings) {
        return settings.error();
    }
    return settings->api.socket;
}

int before_job(const global_options& global, const hook_arguments& a) {
    const auto socket = socket_of(global);
    const auto max_age = seconds_of(a.max_age, "--max-age");
    const auto timeout = seconds_of(a.timeout, "--timeout");
    if (!socket) {
        return refuse("backup refused: ", socket.error());
    }
    if (!max_age || !timeout) {
        return refuse("backup refused: ", max_age ? timeout.error() : max_age.error());
    }
    json wanted{
        {"job_id", a.job_id},
        {"job_name", a.job},
        {"level", a.level},
        {"max_age", *max_age},
        {"timeout", std::max<std::int64_t>(1, *timeout)},
        {"fail_on_owed", a.on_owed == "fail"}
    };
    // The service keeps the time; this is for a service that hangs.
    constexpr std::chrono::seconds grace(15);
    const auto grant =
        ask_service(*socket, "POST", "/api/v1/leases", wanted, std::chrono::seconds(*timeout) + grace);
    if (!grant) {
        return refuse("backup refused: ", grant.error());
    }
    report(*grant);
    return static_cast<int>(core::exit_code::done);
}

/// Tells the service what became of a job.
int tell(const global_options& global, const hook_arguments& a, const char* what, const std::string& done) {
    // A mistake in the configuration since the job began must not keep its lease alive.
    const auto socket = config::load_socket(global.config_file);
    if (!socket) {
        return refuse("", socket.error());
    }
    constexpr std::chrono::seconds longest(60);
    const auto told = tell_service(
        *socket, "POST", "/api/v1/jobs/" + http::percent_encode(a.job_id) + "/" + what,
        json{{"status", a.status}}, longest
    );
    if (!told && told.error().kind == core::error_kind::not_found) {
        say("m365stage: job " + a.job_id + " never held the tree still; nothing to note");
    } else if (!told) {
        return refuse("", told.error());
    } else {
        say("m365stage: job " + a.job_id + done);
    }
    return static_cast<int>(core::exit_code::done);
}

}  // namespace

void add_hook(CLI::App& app, const global_options& global, runner& run) {
    auto* command = app.add_subcommand("hook", "for the RunScripts of a Bareos job");
    command->require_subcommand(1);
    command->footer(hook_help);
    auto a = std::make_shared<hook_arguments>();
    auto* before = command->add_subcommand("before-job", "bring the tree up to date, then hold it still");
    before->footer(hook_help);
    before->add_option("--job", a->job, "Bareos' %n; its words need no quotes")->required();
    before->add_option("--level", a->level, "Bareos' %l");
    before->add_option("--max-age", a->max_age, "a tree this fresh is fresh enough; 0s: a new pass")
        ->capture_default_str();
    before->add_option("--timeout", a->timeout, "give up after so long")->capture_default_str();
    before
        ->add_option("--on-owed", a->on_owed, "what to do if items failed, or containers are not up to date")
        ->check(CLI::IsMember({"warn", "fail"}))
        ->capture_default_str();
    before->callback([&global, &run, a] { run = [&global, a] { return before_job(global, *a); }; });
    auto* after = command->add_subcommand("after-job", "the files have been read: let the tree move again");
    after->callback([&global, &run, a] {
        a->status = status_to_tell(a->status);
        run = [&global, a] { return tell(global, *a, "read", " has read the tree; it may move again"); };
    });
    auto* ended =
        command->add_subcommand("job-ended", "the Director's word: only now the job counts as saved");
    ended->callback([&global, &run, a] {
        a->status = status_to_tell(a->status);
        run = [&global, a] { return tell(global, *a, "ended", " ended: " + a->status); };
    });
    for (auto* sub : {before, after, ended}) {
        sub->add_option("--jobid", a->job_id, "Bareos' %i")->required();
    }
    // The lease ends whether or not the status is known; only the Director's word is nothing without it.
    after->add_option("--status", a->status, "Bareos' %e; its words need no quotes");
    ended->add_option("--status", a->status, "Bareos' %e; its words need no quotes")->required();
}

}  // namespace m365stage::daemon
