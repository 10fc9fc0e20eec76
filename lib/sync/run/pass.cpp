#include "sync/pass.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "async/group.hpp"
#include "core/glob.hpp"
#include "core/log.hpp"
#include "index/containers.hpp"
#include "index/reports.hpp"
#include "sync/run/apply.hpp"
#include "sync/run/close.hpp"
#include "sync/run/discover.hpp"
#include "sync/run/enumerate.hpp"
#include "sync/run/fetch.hpp"

namespace m365stage::sync {
namespace {

using clock = std::chrono::steady_clock;

/// Follows the feeds of all containers, a few at a time.
class enumeration {
public:
    explicit enumeration(pass_context& pass) : pass_(pass) {}

    task<void> run() {
        auto read = [wanted = core::path_pattern(pass_.options.only),
                     kinds = pass_.options.kinds](index::database& db) {
            selection out;
            // The rounds that were cut off come first, then those that waited longest.
            db.query(
                "SELECT id, key, kind, owner_kind, cursor_state FROM container WHERE state<>'departed' ORDER "
                "BY "
                "cursor_state=1 DESC, "
                "completed_at, id",
                [&](index::row r) {
                    if (wanted.selects(r.text(1))) {
                        const auto state = static_cast<index::cursor_state>(r.integer(4));
                        auto& queue = state == index::cursor_state::complete ? out.changes : out.everything;
                        queue.push_back(static_cast<index::container_id>(r.integer(0)));
                    } else {
                        out.left_out.emplace(permission_kind(r.text(2), r.text(3), kinds));
                    }
                }
            );
            return out;
        };
        auto selected = co_await pass_.store.call(std::move(read));
        for (const auto& kind : selected.left_out) {
            pass_.permissions.not_refused(kind);
        }
        everything_.ids = std::move(selected.everything);
        changes_.ids = std::move(selected.changes);
        const auto count = everything_.ids.size() + changes_.ids.size();
        pass_.counters.containers = count;
        std::vector<task<void>> workers;
        for (std::size_t i = 0; i < std::min(pass_.options.enumerations, count); ++i) {
            workers.push_back(worker(i < pass_.options.full_enumerations));
        }
        co_await async::run_all(pass_.executor, std::move(workers));
        pass_.enumerated = true;
        pass_.work_changed.notify_all();
        pass_.apply_changed.notify_all();
    }

private:
    /// What of the tenant this pass is about. A large one has hundreds of thousands of containers.
    struct selection {
        selection() = default;
        std::vector<index::container_id>
            everything;  ///< a round that tells of everything, or the rest of one
        std::vector<index::container_id> changes;
        std::set<std::string> left_out;  ///< kinds of permissions
    };

    struct queue {
        queue() = default;
        std::vector<index::container_id> ids;
        std::size_t next = 0;
        bool is_done() const { return next == ids.size(); }
    };

    /// With nothing new a round is a request or two that wait for their answers: many go on at the same time.
    task<void> worker(bool takes_everything) {
        while (true) {
            auto& from = takes_everything && !everything_.is_done() ? everything_ : changes_;
            if (from.is_done()) {
                co_return;
            }
            const auto id = from.ids[from.next++];
            co_await enumerate(pass_, id);
            ++pass_.counters.containers_done;
        }
    }

    pass_context& pass_;
    queue everything_, changes_;
};

task<void> enumerate_all(pass_context& pass) {
    enumeration e(pass);
    co_await e.run();
}

task<void> apply_leftovers(pass_context& pass) {
    co_await recover(pass);
    co_await apply_waiting(pass);
}

task<void> remember_budget(pass_context& pass) {
    auto read = [](index::database& db) { return index::setting(db, budget_setting).value_or(""); };
    const auto memory = co_await pass.store.call(std::move(read));
    pass.graph.remember_budget(memory);
}

task<void> steps(pass_context& pass, pass_summary& summary) {
    co_await remember_budget(pass);
    co_await apply_leftovers(pass);
    auto missed = co_await discover(pass);
    const bool nothing_known = missed && pass.counters.owners == 0;
    if (nothing_known && core::exit_code_for(missed->kind) != core::exit_code::some_failed) {
        throw core::fatal(std::move(*missed));
    }
    std::vector<task<void>> stages;
    stages.push_back(enumerate_all(pass));
    stages.push_back(fetch_all(pass));
    stages.push_back(apply_all(pass));
    co_await async::run_all(pass.executor, std::move(stages));
    if (!missed || clock_lead(pass.options)) {
        co_await purge_departed(pass);
    }
    co_await close_pass(pass, summary);
}

std::string numbers(const pass_summary& s) {
    const auto& c = s.counters;
    auto seconds = [](std::chrono::nanoseconds t) { return std::chrono::duration<double>(t).count(); };
    const nlohmann::json out{
        {"containers", c.containers},
        {"pages", c.pages},
        {"items_seen", c.items_seen},
        {"items_changed", c.items_changed},
        {"fetched", c.fetched},
        {"fetched_bytes", c.fetched_bytes},
        {"fetch_failed", c.fetch_failed},
        {"vanished", c.vanished},
        {"rounds_failed", c.rounds_failed},
        {"errors", c.error_count},
        {"whole", s.whole},
        {"requests", s.service.requests},
        {"throttled", s.service.throttled},
        {"resource_units", s.service.resource_units},
        {"waited_for_service_seconds", seconds(s.service.waited_for_service)},
        {"waited_for_network_seconds", seconds(s.service.waited_for_network)},
        {"disk_seconds", seconds(c.disk_time)},
        {"seconds", s.seconds}
    };
    return out.dump();
}

void judge(pass_summary& s) {
    const auto& c = s.counters;
    const bool unreachable = c.rounds_done == 0 && c.last_round_error &&
                             core::exit_code_for(c.last_round_error->kind) == core::exit_code::unreachable;
    if (!s.failure && unreachable) {
        s.failure = c.last_round_error;  // nothing at all could be brought up to date
    }
    if (s.failure) {
        s.outcome = "failed";
        s.exit = core::exit_code_for(s.failure->kind);
    } else if (s.owed > 0 || s.held > 0 || s.counters.error_count > 0) {
        s.outcome = "degraded";
        s.exit = s.held > 0 ? core::exit_code::guard : core::exit_code::some_failed;
    } else {
        s.outcome = "complete";
    }
}

/// The asker's mistake: the pattern fits nothing that is known, and the pass just looked what there is.
core::error matches_nothing(const std::string& only) {
    core::error e(core::error_kind::usage, "no container matches '" + only + "'");
    e.hint =
        "'m365stage status --containers' lists them; they are named as in users/ann@contoso.com/onedrive";
    return e;
}

/// How the table of passes has it. That nothing fits a pattern tells nothing of the service or of the tree,
/// so nobody is shown it (index::last_passes); its number stays taken, since owners remember in which pass
/// they were seen.
std::string recorded_outcome(const pass_summary& s) {
    return s.mistaken ? std::string(index::mistaken_pass) : s.outcome;
}

graph::statistics since(const graph::statistics& before, graph::statistics now) {
    now.requests -= before.requests;
    now.retries -= before.retries;
    now.throttled -= before.throttled;
    now.bytes_received -= before.bytes_received;
    now.resource_units -= before.resource_units;
    now.waited_for_service -= before.waited_for_service;
    now.waited_for_network -= before.waited_for_network;
    return now;
}

}  // namespace

task<pass_summary> run_pass(
    boost::asio::any_io_executor executor, graph::client& graph, index::store& store,
    const tree::stage_root& root, async::worker& disk, tree_gate& gate, const pass_options& options,
    std::function<void(pass_context*)> watch
) {
    pass_summary summary;
    pass_context pass(executor, graph, store, root, disk, gate, options);
    pass.sources = sources::make_sources(options.kinds);
    const auto start = clock::now();
    const auto before = graph.stats();
    if (watch) {
        watch(&pass);
    }
    try {
        summary.started_at = core::now_seconds();
        auto begin = [now = summary.started_at](index::database& db) {
            db.run("INSERT INTO pass (started_at) VALUES (?)", now);
            return db.last_id();
        };
        pass.pass_id = co_await store.call(std::move(begin));
        co_await steps(pass, summary);
        summary.ended = true;
        summary.failure = pass.permissions.lost();
        if (!options.only.empty() && pass.counters.containers == 0) {
            summary.failure = matches_nothing(options.only);
            summary.mistaken = true;
        }
    } catch (const core::fatal& f) {
        summary.failure = f.why();
    }
    summary.seconds = std::chrono::duration<double>(clock::now() - start).count();
    summary.counters = pass.counters;
    summary.service = since(before, graph.stats());
    judge(summary);
    summary.whole = !summary.failure && options.only.empty() && !summary.kept_back;
    if (watch) {
        watch(nullptr);
    }
    const auto now = core::now_seconds();
    auto end = [&summary, id = pass.pass_id, now, budget = graph.budget_memory()](index::database& db) {
        db.run(
            "UPDATE pass SET finished_at=?, outcome=?, generation=?, numbers=? WHERE id=?", now,
            recorded_outcome(summary), summary.generation, numbers(summary), id
        );
        // Three months of quarter-hourly passes are enough to look back at.
        constexpr std::int64_t kept_passes = 10'000;
        db.run("DELETE FROM pass WHERE id<?", id - kept_passes);
        index::set_setting(db, budget_setting, budget);
    };
    try {
        co_await store.call(std::move(end));
    } catch (const core::fatal& f) {
        summary.whole = false;
        if (!summary.failure) {
            summary.failure = f.why();
            judge(summary);
        }
    }
    co_return summary;
}

}  // namespace m365stage::sync
