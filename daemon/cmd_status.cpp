#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

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
//   not_covered [{owner, reason, since}], leases [{job_id, holder, since, until}],
//   guard [{container, held, approved}]

namespace m365stage::daemon {
namespace {

using core::unix_seconds;
using nlohmann::json;

constexpr const char* help =
    "Reads the index only, also while the service works. Ends with 0 whatever it has to tell; scripts use "
    "--json.\n\n"
    "Example: m365stage status --containers";

constexpr int shown_passes = 5;
constexpr int shown_examples = 3;

struct status_report {
    status_report() = default;
    unix_seconds now = core::now_seconds();
    std::optional<std::int64_t> running;
    std::int64_t generation = 0;
    std::vector<index::pass_row> passes;
    std::vector<index::container> containers;
    index::backlog work;
    std::vector<index::failing_group> failing;
    std::vector<index::uncovered> uncovered;
    std::vector<index::lease_row> leases;
    std::vector<index::held_container> held;

    std::int64_t known() const {
        std::int64_t n = 0;
        for (const auto& c : containers) {
            n += c.live_items;
        }
        return n;
    }
    std::int64_t staged() const {
        const auto waiting = work.to_fetch + work.spooled - work.roots - work.gone;
        return std::clamp<std::int64_t>(known() - waiting, 0, known());
    }
    /// Rounded down, so that 100 means all.
    double coverage() const {
        if (known() == 0) {
            return 100;
        }
        return std::floor(static_cast<double>(staged()) * 10'000 / static_cast<double>(known())) / 100;
    }
    std::string outcome_of(const index::pass_row& p) const {
        if (p.finished_at) {
            return p.outcome;
        }
        return running && &p == passes.data() ? "running" : "interrupted";
    }
};

status_report gather(index::database& db, const config::settings& settings) {
    status_report s;
    s.running = lock_holder(settings.stage.root);
    s.generation = index::last_generation(db);
    s.passes = index::last_passes(db, shown_passes);
    s.containers = index::containers(db);
    s.work = index::count_backlog(db);
    s.failing = index::failing_items(db, shown_examples, local_names());
    s.uncovered = index::not_covered(db);
    s.leases = index::active_leases(db, s.now);
    s.held = index::held_containers(db, 0, local_names());
    return s;
}

bool worth_a_line(const index::container& c) {
    return c.state != "active" || !c.error_kind.empty() || c.guard_held > 0;
}

json time_json(unix_seconds t) {
    return t == 0 ? json() : json(core::format_timestamp(t));
}

json time_json(std::optional<unix_seconds> t) {
    return time_json(t.value_or(0));
}

struct waiting_shares {
    double service, network, disk;
};

/// What the waiting of a pass was for. Requests run side by side, so their times add up to more than the pass
/// took: only the shares mean something.
std::optional<waiting_shares> shares_of(const json& numbers) {
    auto seconds = [&numbers](const char* key) {
        const auto found = numbers.find(key);
        return found != numbers.end() && found->is_number() ? std::max(0.0, found->get<double>()) : 0.0;
    };
    const double service = seconds("waited_for_service_seconds");
    const double network = seconds("waited_for_network_seconds");
    const double disk = seconds("disk_seconds");
    const double sum = service + network + disk;
    if (sum <= 0) {
        return std::nullopt;
    }
    return waiting_shares{service / sum, network / sum, disk / sum};
}

json numbers_of(const index::pass_row& p) {
    auto numbers = json::parse(p.numbers, nullptr, false);
    return numbers.is_object() ? numbers : json::object();
}

json pass_json(const status_report& s, const index::pass_row& p) {
    auto numbers = numbers_of(p);
    const auto shares = shares_of(numbers);
    auto three = [](double v) { return std::round(v * 1000) / 1000; };
    json waiting{{"service", nullptr}, {"network", nullptr}, {"disk", nullptr}};
    if (shares) {
        waiting = json{
            {"service", three(shares->service)},
            {"network", three(shares->network)},
            {"disk", three(shares->disk)}
        };
    }
    const auto seconds = numbers.find("seconds");
    const json took = seconds != numbers.end() ? *seconds : json();
    return json{
        {"id", p.id},
        {"started_at", time_json(p.started_at)},
        {"finished_at", time_json(p.finished_at)},
        {"outcome", s.outcome_of(p)},
        {"generation", p.generation},
        {"seconds", took},
        {"waiting", std::move(waiting)},
        {"numbers", std::move(numbers)}
    };
}

json container_json(const index::container& c) {
    auto text = [](const std::string& t) { return t.empty() ? json() : json(t); };
    return json{
        {"container", c.key},
        {"kind", c.kind},
        {"state", c.state},
        {"items", c.live_items},
        {"last_round_at", time_json(c.completed_at)},
        {"departed_at", time_json(c.departed_at)},
        {"error_kind", text(c.error_kind)},
        {"error", text(c.error_text)},
        {"held", c.guard_held}
    };
}

json containers_json(const status_report& s) {
    json by_state{{"active", 0}, {"departed", 0}, {"unavailable", 0}};
    std::int64_t bytes = 0;
    std::int64_t failing = 0;
    for (const auto& c : s.containers) {
        by_state[c.state] = by_state.value(c.state, 0) + 1;
        bytes += c.live_bytes;
        failing += c.error_kind.empty() ? 0 : 1;
    }
    return json{
        {"total", s.containers.size()},
        {"items", s.known()},
        {"bytes", bytes},
        {"by_state", std::move(by_state)},
        {"failing", failing}
    };
}

json failing_json(const index::failing_group& g) {
    json examples = json::array();
    for (const auto& e : g.examples) {
        examples.push_back(json{{"path", e.path}, {"error", e.error}});
    }
    return json{
        {"reason", g.reason},
        {"items", g.items},
        {"oldest", time_json(g.oldest)},
        {"attempts", g.most_attempts},
        {"next_try", time_json(g.next_try)},
        {"examples", std::move(examples)}
    };
}

json status_json(const status_report& s, bool all_containers) {
    json passes = json::array();
    json list = json::array();
    json failing = json::array();
    json uncovered = json::array();
    json leases = json::array();
    json guard = json::array();
    for (const auto& p : s.passes) {
        passes.push_back(pass_json(s, p));
    }
    for (const auto& c : s.containers) {
        if (all_containers || worth_a_line(c)) {
            list.push_back(container_json(c));
        }
    }
    for (const auto& g : s.failing) {
        failing.push_back(failing_json(g));
    }
    for (const auto& u : s.uncovered) {
        uncovered.push_back(json{{"owner", u.owner}, {"reason", u.reason}, {"since", time_json(u.since)}});
    }
    for (const auto& l : s.leases) {
        leases.push_back(json{
            {"job_id", l.job_id},
            {"holder", l.holder},
            {"since", time_json(l.since)},
            {"until", time_json(l.until)}
        });
    }
    for (const auto& h : s.held) {
        guard.push_back(json{{"container", h.key}, {"held", h.held}, {"approved", h.approved}});
    }
    const json running = s.running ? json(*s.running) : json();
    return json{
        {"generation", s.generation},
        {"running", running},
        {"coverage_percent", s.coverage()},
        {"items", {{"known", s.known()}, {"staged", s.staged()}}},
        {"backlog",
         {{"to_fetch", s.work.to_fetch},
          {"spooled", s.work.spooled},
          {"spooled_bytes", s.work.spooled_bytes},
          {"failed", s.work.failed}}},
        {"passes", std::move(passes)},
        {"containers", containers_json(s)},
        {"container_list", std::move(list)},
        {"failing", std::move(failing)},
        {"not_covered", std::move(uncovered)},
        {"leases", std::move(leases)},
        {"guard", std::move(guard)}
    };
}

std::string n(std::int64_t value) {
    return progress::count(static_cast<std::uint64_t>(std::max<std::int64_t>(0, value)));
}

std::string ago(const status_report& s, unix_seconds t) {
    return progress::duration(static_cast<double>(std::max<std::int64_t>(0, s.now - t)));
}

void print_passes(const status_report& s) {
    std::printf("passes\n");
    if (s.passes.empty()) {
        std::printf("  none yet: run 'm365stage sync' or start the service\n");
    }
    for (const auto& p : s.passes) {
        const auto numbers = numbers_of(p);
        auto number = [&numbers](const char* key) {
            const auto found = numbers.find(key);
            return found != numbers.end() && found->is_number() ? found->get<std::int64_t>() : 0;
        };
        std::printf("  %s  %-11s", core::format_timestamp(p.started_at).c_str(), s.outcome_of(p).c_str());
        if (p.finished_at) {
            const auto seconds = numbers.value("seconds", static_cast<double>(*p.finished_at - p.started_at));
            std::printf(
                " %s: %s changed, %s fetched (%s), %s requests", progress::duration(seconds).c_str(),
                n(number("items_changed")).c_str(), n(number("fetched")).c_str(),
                progress::bytes(static_cast<std::uint64_t>(number("fetched_bytes"))).c_str(),
                n(number("requests")).c_str()
            );
            if (const auto shares = shares_of(numbers)) {
                std::printf(
                    "; waited for Microsoft %.0f %%, network %.0f %%, disk %.0f %%", shares->service * 100,
                    shares->network * 100, shares->disk * 100
                );
            }
            if (number("errors") > 0) {
                std::printf("; %s errors", n(number("errors")).c_str());
            }
        }
        std::printf("\n");
    }
}

void print_containers(const status_report& s, bool all) {
    std::map<std::string, std::int64_t> states;
    for (const auto& c : s.containers) {
        ++states[c.state];
    }
    std::printf("containers  %s", n(static_cast<std::int64_t>(s.containers.size())).c_str());
    const char* separator = ": ";
    for (const auto& [state, count] : states) {
        std::printf("%s%s %s", separator, n(count).c_str(), state.c_str());
        separator = ", ";
    }
    std::printf("\n");
    constexpr int most = 20;
    int shown = 0;
    std::int64_t more = 0;
    for (const auto& c : s.containers) {
        if (!all && !worth_a_line(c)) {
            continue;
        }
        if (!all && shown >= most) {
            ++more;
            continue;
        }
        ++shown;
        std::string what =
            c.state == "departed" && c.departed_at ? "departed " + ago(s, *c.departed_at) + " ago" : c.state;
        if (!c.error_kind.empty()) {
            what += "; " + c.error_kind + ": " + c.error_text;
        }
        if (c.guard_held > 0) {
            what += "; " + n(c.guard_held) + " deletions held";
        }
        const auto last =
            c.completed_at ? "last round " + ago(s, *c.completed_at) + " ago" : std::string("no round yet");
        std::printf(
            "  %s  %s items, %s; %s\n", c.key.c_str(), n(c.live_items).c_str(), last.c_str(), what.c_str()
        );
    }
    if (more > 0) {
        std::printf("  and %s more: --containers lists all\n", n(more).c_str());
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
            n(g.items).c_str(), ago(s, g.oldest).c_str(), n(g.most_attempts).c_str(), next.c_str()
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
            "  and %s more: see --json\n", n(static_cast<std::int64_t>(s.uncovered.size() - most)).c_str()
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
            "guard       %s: %s deletions %s\n", h.key.c_str(), n(h.held).c_str(),
            h.approved ? "approved; the next pass removes them" : "held: see 'm365stage guard list'"
        );
    }
}

void print_status(const status_report& s, bool all_containers) {
    std::printf(
        "generation  %s%s\n", n(s.generation).c_str(),
        s.running ? (", process " + std::to_string(*s.running) + " is at work").c_str() : ""
    );
    std::printf(
        "coverage    %.2f %%: %s of %s items staged\n", s.coverage(), n(s.staged()).c_str(),
        n(s.known()).c_str()
    );
    std::printf(
        "backlog     %s to fetch (%s of them failed before), %s spooled (%s)\n", n(s.work.to_fetch).c_str(),
        n(s.work.failed).c_str(), n(s.work.spooled).c_str(),
        progress::bytes(static_cast<std::uint64_t>(s.work.spooled_bytes)).c_str()
    );
    print_holders(s);
    print_passes(s);
    print_containers(s, all_containers);
    print_failing(s);
    print_uncovered(s);
}

int run_status(const global_options& global, bool all_containers) {
    auto opened = open_index::open(global, index::database::mode::read_only);
    if (!opened) {
        return fail(opened.error());
    }
    const auto s = gather(*opened->db, opened->settings);
    if (global.json) {
        std::printf("%s\n", status_json(s, all_containers).dump().c_str());
    } else {
        print_status(s, all_containers);
    }
    return static_cast<int>(core::exit_code::done);
}

}  // namespace

void add_status(CLI::App& app, const global_options& global, runner& run) {
    auto* command = app.add_subcommand("status", "passes, containers, backlog, failing items, lease, guard");
    command->footer(help);
    auto all = std::make_shared<bool>(false);
    command->add_flag("--containers", *all, "list every container, not only those with something to say");
    command->callback([&global, &run, all] {
        run = [&global, all] { return guarded([&] { return run_status(global, *all); }); };
    });
}

}  // namespace m365stage::daemon
