#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "async/event.hpp"
#include "async/once.hpp"
#include "async/task.hpp"
#include "async/worker.hpp"
#include "graph/client.hpp"
#include "index/store.hpp"
#include "sources/source.hpp"
#include "sync/plan/settle.hpp"
#include "sync/run/permission.hpp"
#include "sync/run/room.hpp"
#include "sync/tree_gate.hpp"
#include "tree/stage_root.hpp"

namespace m365stage::sync {

using async::task;

/// Key in table `setting`: what graph::client remembers of SharePoint's budget.
inline constexpr std::string_view budget_setting = "sharepoint budget";

struct pass_options {
    pass_options() = default;
    std::size_t concurrency = 32;       ///< downloads at the same time
    std::size_t enumerations = 32;      ///< containers whose feeds are followed at the same time
    std::size_t full_enumerations = 8;  ///< of these, with rounds that tell of everything: pages take memory
    std::size_t mailbox_concurrency = 4;  ///< downloads from one mailbox at the same time
    std::uint64_t spool_max_bytes = std::uint64_t{10} << 30;
    std::uint64_t min_free_bytes = 0;  ///< below that nothing more is fetched
    core::unix_seconds departed_retention = core::unix_seconds{90} * 86'400;
    guard_limits guard;
    std::string only;  ///< pattern over container keys; empty: all
    std::function<bool(std::string_view kind, std::string_view name)> selects;  ///< owners; empty: all
    std::vector<std::string> owner_kinds{"user", "site", "group"};
    /// How far the clock here is ahead of the service's; nullopt: not known. Empty: nobody can tell.
    std::function<std::optional<std::chrono::seconds>()> clock_lead;
    sources::enabled_kinds kinds;
};

inline std::optional<std::chrono::seconds> clock_lead(const pass_options& o) {
    return o.clock_lead ? o.clock_lead() : std::nullopt;
}

/// What a pass has done so far; read by the progress display while it runs. Network thread only.
struct pass_counters {
    pass_counters() = default;
    std::uint64_t owners = 0, containers = 0, containers_done = 0;
    std::uint64_t rounds_done = 0, rounds_failed = 0, pages = 0;  ///< a mailbox has a round for each folder
    std::uint64_t items_seen = 0, items_changed = 0;
    std::uint64_t to_fetch = 0;  ///< found to be fetched in this pass
    std::uint64_t fetched = 0, fetched_bytes = 0, fetch_failed = 0, vanished = 0;
    std::uint64_t applied = 0;
    std::chrono::nanoseconds disk_time{0};
    std::vector<std::string> errors;  ///< one line each, the first 100
    std::uint64_t error_count = 0;
    std::optional<core::error> last_round_error;  ///< of the round that failed last

    void failed(const core::error& e) {
        ++error_count;
        constexpr std::size_t most = 100;
        if (errors.size() < most) {
            errors.push_back(core::describe(e));
        }
    }
};

/// What a pass knows of a library's own columns.
struct known_columns {
    explicit known_columns(const boost::asio::any_io_executor& ex) : asked(ex) {}
    async::once asked;      ///< for `columns`
    bool followed = false;  ///< the feed of their values, in this pass
    bool fed = false;       ///< to its end
    // What the service forbids, which is reported:
    bool refused = false;               ///< to list them
    bool feed_refused = false;          ///< the feed of values
    bool item_refused = false;          ///< the values of an item, where there is no feed
    std::optional<core::error> failed;  ///< what the last question came to, good for a while
    std::chrono::steady_clock::time_point ask_again{};
    std::vector<sources::column> columns;
};

/// Everything the coroutines of one pass share. Network thread only, but for what says otherwise.
struct pass_context {
    pass_context(
        boost::asio::any_io_executor ex, graph::client& g, index::store& s, const tree::stage_root& r,
        async::worker& d, tree_gate& t, const pass_options& o
    )
        : executor(ex),
          graph(g),
          store(s),
          root(r),
          disk(d),
          gate(t),
          options(o),
          work_changed(ex),
          apply_changed(ex),
          settled(ex) {}

    boost::asio::any_io_executor executor;
    graph::client& graph;
    index::store& store;
    const tree::stage_root& root;
    async::worker& disk;
    tree_gate& gate;
    const pass_options& options;
    std::vector<std::unique_ptr<sources::source>> sources;

    pass_counters counters;
    permission_tally permissions;
    std::int64_t pass_id = 0;
    /// Of this pass; a row exists once something changed. A lease that is given meanwhile closes it, and what
    /// comes after the lease begins another one.
    std::int64_t generation = 0;
    std::int64_t first_generation = 0;  ///< the first of those

    // Containers are looked at when something happened to them, not all of them all the time.
    std::set<std::int64_t> due;                            ///< may have something to fetch
    std::unordered_map<std::int64_t, std::int64_t> ready;  ///< may have something to apply, behind this row
    std::unordered_set<std::int64_t> enumerating;          ///< a round is being followed: no settling
    std::unordered_set<std::int64_t> settle;               ///< a complete round waits to be settled
    std::int64_t settling = 0;                             ///< is settled just now: no round begins; 0: none
    std::uint64_t spooled_bytes = 0;
    counted_files promised;        ///< large files: bytes that are announced and have still to come
    counted_files unforeseen;      ///< bytes that came beyond those that were announced
    bool left_generation = false;  ///< a pass before this one changed the tree and did not come to its end
    std::unordered_set<std::int64_t> told;          ///< containers whose unreadable permissions were reported
    std::optional<std::int64_t> refused_libraries;  ///< whose columns may not be read, once they were counted
    std::unordered_map<std::int64_t, known_columns> columns;  ///< of containers that may have some
    bool replayed = false;                                    ///< what a crash cut off is finished
    bool held = false;                                        ///< a lease keeps what is fetched in the spool
    bool enumerated = false;                                  ///< no more pages will come in this pass
    bool fetched = false;                                     ///< no more content will come in this pass
    bool starving = false;  ///< content is due, and all that could make room for it is placing what came
    std::uint64_t in_flight = 0;

    async::event work_changed;   ///< due, spooled_bytes or enumerated changed
    async::event apply_changed;  ///< ready, settle, enumerated, fetched or starving changed
    async::event settled;        ///< `settling` changed

    sources::source& source_of(std::string_view kind) const {
        if (auto* s = sources::find_source(sources, kind)) {
            return *s;
        }
        throw core::fatal(core::error(core::error_kind::internal, "no source for kind " + std::string(kind)));
    }

    void found_due(index::container_id c) {
        due.insert(static_cast<std::int64_t>(c));
        work_changed.notify_all();
    }
    void found_ready(index::container_id c) {
        ready[static_cast<std::int64_t>(c)] = 0;
        apply_changed.notify_all();
    }
};

}  // namespace m365stage::sync
