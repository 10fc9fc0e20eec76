#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "api/documents.hpp"
#include "api/status.hpp"
#include "daemon/command.hpp"
#include "daemon/index_access.hpp"
#include "daemon/lock_holder.hpp"
#include "daemon/progress.hpp"
#include "index/containers.hpp"

// The keys of `status --json` are stable; times are "2026-10-01T07:11:12Z" or null:
//   generation, running (process number or null), coverage_percent, items {known, staged},
//   backlog {to_fetch, spooled, spooled_bytes, failed},
//   passes [{id, started_at, finished_at, outcome (complete|degraded|failed|running|interrupted), generation,
//     seconds, waiting {service, network, disk: share of the time spent waiting, 0..1, or null}, numbers {as
//     the pass recorded them}}], newest first,
//   containers {total, items, bytes, by_state {active, departed, unavailable}, failing},
//   container_list [{container, kind, state, items, last_round_at, departed_at, error_kind, error, held}]:
//   those with
//     something to say, or all with --containers,
//   failing [{reason, items, oldest, attempts, next_try, examples [{path, error}]}],
//   not_covered [{owner, reason, since}], lists_cut (never here), service (null here: the running service
//   fills it in, see schema/openapi.yaml), leases [{job_id, holder, since, until}], guard [{container, held,
//   approved}]

namespace m365stage::daemon {
namespace {

using api::status_report;
using core::unix_seconds;

constexpr const char* status_help =
    "Reads the index only, also while the service works. Ends with 0 whatever it has to tell; scripts use "
    "--json.\n\n"
    "Example: m365stage status --containers";

std::string ago(const status_report& s, unix_seconds t) {
    return progress::duration(static_cast<double>(std::max<std::int64_t>(0, s.now - t)));
}

void print_passes(const status_report& s) {
    std::printf("passes\n");
    if (s.passes.empty()) {
        std::printf("  none yet: run 'm365stage sync' or start the service\n");
    }
    for (const auto& p : s.passes) {
        const api::pass_numbers numbers(p);
        std::printf("  %s  %-11s", core::format_timestamp(p.started_at).c_str(), s.outcome_of(p).c_str());
        if (p.finished_at) {
            const auto seconds = numbers.seconds.value_or(static_cast<double>(*p.finished_at - p.started_at));
            std::printf(
                " %s: %s changed, %s fetched (%s), %s requests", progress::duration(seconds).c_str(),
                progress::number(numbers.items_changed).c_str(), progress::number(numbers.fetched).c_str(),
                progress::bytes(static_cast<std::uint64_t>(numbers.fetched_bytes)).c_str(),
                progress::number(numbers.requests).c_str()
            );
            if (const auto& shares = numbers.waited) {
                std::printf(
                    "; waited for Microsoft %.0f %%, network %.0f %%, disk %.0f %%", shares->service * 100,
                    shares->network * 100, shares->disk * 100
                );
            }
            if (numbers.errors > 0) {
                std::printf("; %s errors", progress::number(numbers.errors).c_str());
            }
        }
        std::printf("\n");
    }
}

void print_container(const status_report& s, const index::container& c) {
    std::string what =
        c.state == "departed" && c.departed_at ? "departed " + ago(s, *c.departed_at) + " ago" : c.state;
    if (!c.error_kind.empty()) {
        what += "; " + c.error_kind + ": " + c.error_text;
    }
    if (c.held > 0) {
        what += "; " + progress::number(c.held) + " deletions held";
    }
    const auto last =
        c.completed_at ? "last round " + ago(s, *c.completed_at) + " ago" : std::string("no round yet");
    std::printf(
        "  %s  %s items, %s; %s\n", c.key.c_str(), progress::number(c.live_items).c_str(), last.c_str(),
        what.c_str()
    );
}

void print_containers(index::database& db, const status_report& s, bool all) {
    std::printf("containers  %s", progress::number(s.containers.all).c_str());
    const char* separator = ": ";
    for (const auto& [state, count] : s.containers.by_state) {
        if (count > 0) {
            std::printf("%s%s %s", separator, progress::number(count).c_str(), state.c_str());
            separator = ", ";
        }
    }
    std::printf("\n");
    constexpr std::int64_t most = 20;
    std::int64_t shown = 0;
    const auto which = all ? index::which_containers::all : index::which_containers::noteworthy;
    index::each_container(db, which, "", [&](const index::container& c) {
        print_container(s, c);
        return ++shown < most || all;
    });
    if (!all && s.containers.noteworthy > shown) {
        std::printf(
            "  and %s more: --containers lists all\n",
            progress::number(s.containers.noteworthy - shown).c_str()
        );
    }
}

void print_failing(const status_report& s) {
    if (s.failing.empty()) {
        std::printf("failing     none\n");
        return;
    }
    std::printf("failing\n");
    for (const auto& g : s.failing) {
        const auto next = g.next_try <= s.now
                              ? std::string("now")
                              : "in " + progress::duration(static_cast<double>(g.next_try - s.now));
        std::printf(
            "  %s: %s items, the oldest for %s, up to %s tries, next try %s\n", g.reason.c_str(),
            progress::number(g.items).c_str(), ago(s, g.oldest).c_str(),
            progress::number(g.most_attempts).c_str(), next.c_str()
        );
        for (const auto& e : g.examples) {
            std::printf("    %s: %s\n", e.path.c_str(), e.error.c_str());
        }
    }
}

void print_uncovered(const status_report& s) {
    if (s.uncovered.empty()) {
        return;
    }
    std::printf("not covered (Microsoft 365 does not serve it)\n");
    constexpr std::size_t most = 20;
    for (std::size_t i = 0; i < std::min(most, s.uncovered.size()); ++i) {
        const auto& u = s.uncovered[i];
        std::printf(
            "  %s: %s, since %s\n", u.owner.c_str(), u.reason.c_str(), core::format_timestamp(u.since).c_str()
        );
    }
    if (s.uncovered.size() > most) {
        std::printf(
            "  and %s more: see --json\n",
            progress::number(static_cast<std::int64_t>(s.uncovered.size() - most)).c_str()
        );
    }
}

void print_holders(const status_report& s) {
    if (s.leases.empty()) {
        std::printf("lease       none\n");
    }
    for (const auto& l : s.leases) {
        std::printf(
            "lease       job %s (%s) for %s, until %s at the latest\n", l.job_id.c_str(), l.holder.c_str(),
            ago(s, l.since).c_str(), core::format_timestamp(l.until).c_str()
        );
    }
    if (s.held.empty()) {
        std::printf("guard       nothing held\n");
    }
    for (const auto& h : s.held) {
        std::printf(
            "guard       %s: %s deletions %s\n", h.key.c_str(), progress::number(h.held).c_str(),
            h.approved ? "approved; the next pass removes them" : "held: see 'm365stage guard list'"
        );
    }
}

void print_status(index::database& db, const status_report& s, bool all_containers) {
    std::printf(
        "generation  %s%s\n", progress::number(s.generation).c_str(),
        s.running ? (", process " + std::to_string(*s.running) + " is at work").c_str() : ""
    );
    std::printf(
        "coverage    %.2f %%: %s of %s items staged\n", s.count.percent(),
        progress::number(s.count.staged).c_str(), progress::number(s.count.known).c_str()
    );
    std::printf(
        "backlog     %s to fetch (%s of them failed before), %s spooled (%s)\n",
        progress::number(s.work.to_fetch).c_str(), progress::number(s.work.failed).c_str(),
        progress::number(s.work.spooled).c_str(),
        progress::bytes(static_cast<std::uint64_t>(s.work.spooled_bytes)).c_str()
    );
    print_holders(s);
    print_passes(s);
    print_containers(db, s, all_containers);
    print_failing(s);
    print_uncovered(s);
}

int run_status(const global_options& global, bool all_containers) {
    auto opened = open_index::open(global, index::database::mode::read_only);
    if (!opened) {
        return fail(opened.error());
    }
    auto s = api::gather_status(*opened->db);
    s.running = lock_holder(opened->settings.stage.root);
    s.pass_runs = s.running.has_value();
    if (global.json) {
        api::status_extent extent;
        extent.all_containers = all_containers;
        std::printf("%s\n", api::dump(api::status_document(*opened->db, s, extent, nullptr)).c_str());
    } else {
        print_status(*opened->db, s, all_containers);
    }
    return static_cast<int>(core::exit_code::done);
}

}  // namespace

void add_status(CLI::App& app, const global_options& global, runner& run) {
    auto* command = app.add_subcommand("status", "passes, containers, backlog, failing items, lease, guard");
    command->footer(status_help);
    auto all = std::make_shared<bool>(false);
    command->add_flag("--containers", *all, "list every container, not only those with something to say");
    command->callback([&global, &run, all] {
        run = [&global, all] { return guarded([&] { return run_status(global, *all); }); };
    });
}

}  // namespace m365stage::daemon
