#include "sync/run/apply.hpp"

#include <algorithm>

#include "core/duration.hpp"
#include "core/log.hpp"
#include "index/clock.hpp"
#include "index/items.hpp"
#include "index/leases.hpp"
#include "index/work.hpp"
#include "sync/finish.hpp"
#include "sync/plan/content.hpp"
#include "sync/plan/journal.hpp"
#include "sync/run/place_files.hpp"
#include "sync/run/spool_check.hpp"

namespace m365stage::sync {
namespace {

using clock = std::chrono::steady_clock;

constexpr std::size_t batch_ops = 2000;
constexpr std::size_t batch_containers = 64;
// While content still comes, batches are gathered for this long.
constexpr std::chrono::milliseconds gather(200);

/// Containers that have something to apply, each behind a row.
using waiting_containers = std::vector<std::pair<std::int64_t, std::int64_t>>;

/// Plans one batch of what waits in these containers, in one transaction. Those that have more, or that were
/// not looked at since the batch is full.
waiting_containers plan_some(
    index::database& db, const waiting_containers& chosen, guard_limits guard, std::int64_t generation,
    content_batch& batch
) {
    waiting_containers left;
    index::database::transaction t(db);
    for (const auto& [id, behind] : chosen) {
        if (batch.files.size() >= content_batch::most_files || batch.is_full()) {
            left.emplace_back(id, behind);
            continue;
        }
        const auto c = index::find_container(db, static_cast<index::container_id>(id));
        if (!c) {
            continue;
        }
        const auto limit = content_batch::most_files - batch.files.size();
        plan_content(db, *c, guard, generation, static_cast<index::item_id>(behind), limit, batch);
        if (!batch.exhausted) {
            left.emplace_back(id, static_cast<std::int64_t>(batch.last));
        }
    }
    t.commit();
    return left;
}

/// While it lives, nobody enumerates the container.
class settling_mark {
public:
    settling_mark(pass_context& pass, std::int64_t id) : pass_(pass) { pass_.settling = id; }
    ~settling_mark() {
        pass_.settling = 0;
        pass_.settled.notify_all();
    }
    settling_mark(const settling_mark&) = delete;
    settling_mark& operator=(const settling_mark&) = delete;

private:
    pass_context& pass_;
};

class applier {
public:
    explicit applier(pass_context& pass) : pass_(pass) {}

    task<void> run() {
        auto last = clock::now() - gather;
        for (;;) {
            const bool full =
                pass_.spooled_bytes >= pass_.options.spool_max_bytes;  // fetching waits for room
            const bool draining = pass_.fetched || in_hurry_ || full;
            const auto since = clock::now() - last;
            if (!draining && since < gather) {
                co_await pass_.apply_changed.wait_for(gather - since);
                continue;
            }
            const bool ended = pass_.enumerated && pass_.fetched;
            last = clock::now();
            const auto outcome = co_await step();
            if (outcome == step_outcome::worked) {
                continue;
            }
            if (ended) {
                break;  // what a lease keeps in the spool is applied when it has ended
            }
            if (outcome == step_outcome::nothing && is_stuck()) {
                co_await make_room();
                continue;
            }
            co_await pass_.apply_changed.wait_for(std::chrono::milliseconds(500));
        }
    }

    /// Applies what can be applied now and returns.
    task<void> drain() {
        in_hurry_ = true;
        for (auto outcome = step_outcome::worked; outcome == step_outcome::worked;) {
            outcome = co_await step();
        }
    }

    /// Finishes what a crash cut off, unless the tree is held still.
    task<void> finish_cut_off() {
        const auto inside = co_await pass_.gate.enter();
        co_await replay();
    }

private:
    enum class step_outcome { worked, nothing, held };

    /// One step, alone in the tree and while no lease is held.
    task<step_outcome> step() {
        const auto inside = co_await pass_.gate.enter();
        pass_.held = co_await tree_is_held(pass_);
        if (pass_.held) {
            co_return step_outcome::held;
        }
        if (!pass_.replayed) {
            co_await replay();
        }
        const bool settled = co_await settle_some();
        const bool placed = co_await place_batch();
        co_return settled || placed ? step_outcome::worked : step_outcome::nothing;
    }

    /// The renames in the journal, and the files that were on their way into the tree.
    task<void> replay() {
        auto finish = [this, now = pass_.gate.clock.now()](index::database& db) {
            return sync::finish_cut_off(db, pass_.root, now);
        };
        const auto finished = co_await pass_.store.call(std::move(finish));
        if (!finished) {
            throw core::fatal(finished.error());
        }
        pass_.replayed = *finished;
    }

    /// Many small containers settle in one step: what they wait with would fill the spool.
    task<bool> settle_some() {
        const auto until = clock::now() + gather;
        const bool settled = co_await settle_one();
        for (bool more = settled; more && clock::now() < until;) {
            more = co_await settle_one();
        }
        co_return settled;
    }

    /// True if the spool is full of what has no place in the tree in this pass: nothing would change that,
    /// and what is due would wait for ever.
    bool is_stuck() const {
        return pass_.starving && pass_.spooled_bytes >= pass_.options.spool_max_bytes &&
               pass_.ready.empty() && pass_.settle.empty();
    }

    /// One owner's files that can't be placed keep nobody else's from being fetched.
    task<void> make_room() {
        auto give = [now = core::now_seconds()](index::database& db) {
            return index::give_back_room(db, now);
        };
        auto given = co_await pass_.store.call(std::move(give));
        pass_.spooled_bytes = 0;
        auto remove = [this, names = std::move(given.spool)] {
            for (const auto& name : names) {
                pass_.root.remove_file("spool/" + name);
            }
        };
        co_await pass_.disk.run(std::move(remove));
        if (given.owed > 0) {
            const auto e = filled_the_spool(given);
            pass_.counters.failed(e);
            core::log(core::log_level::warning, core::describe(e));
        }
        pass_.work_changed.notify_all();
    }

    static core::error filled_the_spool(const index::given_back& given) {
        core::error e(
            core::error_kind::insufficient,
            "the spool is full of files without a place in the tree: " + std::to_string(given.owed) + ", " +
                std::to_string(given.bytes >> 20) + " MiB in all, most of them of this"
        );
        e.operation = "make room in the spool";
        e.object = given.most_of;
        e.hint =
            "they are fetched again later; 'm365stage status --containers' and 'm365stage guard list' "
            "tell what they wait for";
        return e;
    }

    /// Settles containers whose round is complete and which nobody enumerates just now, until one had work to
    /// do.
    task<bool> settle_one() {
        for (;;) {
            const auto waiting =
                std::find_if(pass_.settle.begin(), pass_.settle.end(), [this](std::int64_t id) {
                    return !pass_.enumerating.contains(id);
                });
            if (waiting == pass_.settle.end()) {
                co_return false;
            }
            const auto id = static_cast<index::container_id>(*waiting);
            const settling_mark mine(pass_, *waiting);
            pass_.settle.erase(waiting);
            auto read = [id](index::database& db) { return index::find_container(db, id); };
            const auto c = co_await pass_.store.call(std::move(read));
            if (!c || c->state == "departed" || c->cursor_state == index::cursor_state::mid_round) {
                continue;
            }
            pass_.found_ready(id);  // what had to wait for the end of the round has its place now
            if (c->settle) {
                co_await settle(*c);
                co_return true;
            }
        }
    }

    task<void> settle(index::container c) {
        co_await ensure_generation();
        auto plan = std::make_shared<settler>(pass_.store.direct(), c, pass_.options.guard, pass_.generation);
        for (bool more = true; more;) {
            more = co_await settle_batch(plan);
        }
        if (plan->held() > 0) {
            core::log(
                core::log_level::warning, c.key + ": " + std::to_string(plan->held()) +
                                              " deletions are held by the guard; see 'm365stage guard list'"
            );
        }
    }

    task<bool> settle_batch(std::shared_ptr<settler> plan) {
        auto decide = [plan](index::database&) { return plan->next(batch_ops); };
        auto ops = co_await pass_.store.call(std::move(decide));
        if (ops.empty()) {
            co_return false;
        }
        co_await perform(std::move(ops));
        co_return true;
    }

public:
    /// Performs journaled ops, puts the barrier and clears the journal.
    task<void> perform(std::vector<tree::op> ops) {
        auto shared = std::make_shared<std::vector<tree::op>>(std::move(ops));
        auto work = [this, shared]() -> core::result<std::vector<tree::op_outcome>> {
            // A power cut must not leave renames of which the journal does not tell. Folders are just made.
            const bool moves = std::any_of(shared->begin(), shared->end(), [](const tree::op& o) {
                return o.kind == tree::op_kind::rename || o.kind == tree::op_kind::rename_sidecar;
            });
            if (moves) {
                if (auto known = pass_.root.barrier(); !known) {
                    return known.error();
                }
            }
            auto done = tree::perform(pass_.root, *shared);
            if (done) {
                if (auto synced = pass_.root.barrier(); !synced) {
                    return synced.error();
                }
            }
            return done;
        };
        const auto start = clock::now();
        auto outcomes = co_await pass_.disk.run(std::move(work));
        pass_.counters.disk_time += clock::now() - start;
        if (!outcomes) {
            throw core::fatal(outcomes.error());
        }
        report_missing(*shared, *outcomes);
        auto finish = [shared, results = std::move(*outcomes)](index::database& db) {
            finish_batch(db, *shared, results);
        };
        co_await pass_.store.call(std::move(finish));
        co_await empty_trash();
    }

private:
    task<void> empty_trash() {
        auto work = [this] {
            auto names = pass_.root.list("spool/trash");
            for (const auto& name : names ? *names : std::vector<std::string>()) {
                auto removed = pass_.root.remove_all("spool/trash/" + name);
                if (!removed) {
                    core::log(core::log_level::warning, core::describe(removed.error()));
                }
            }
        };
        co_await pass_.disk.run(std::move(work));
    }

public:
    /// The generation of this pass gets its row with the first change.
    task<void> ensure_generation() {
        if (pass_.generation != 0) {
            co_return;
        }
        const auto now = core::now_seconds();
        auto begin = [now](index::database& db) {
            db.run("INSERT INTO generation (started_at) VALUES (?)", now);
            return db.last_id();
        };
        pass_.generation = co_await pass_.store.call(std::move(begin));
        if (pass_.first_generation == 0) {
            pass_.first_generation = pass_.generation;
        }
    }

private:
    task<bool> place_batch() {
        waiting_containers chosen;
        for (const auto& [id, behind] : pass_.ready) {
            if (chosen.size() >= batch_containers) {
                break;
            }
            chosen.emplace_back(id, behind);
        }
        if (chosen.empty()) {
            co_return false;
        }
        co_await ensure_generation();
        for (const auto& [id, behind] : chosen) {
            pass_.ready.erase(id);  // what comes meanwhile puts it back
        }
        auto batch = std::make_shared<content_batch>();
        auto plan = [batch, chosen = std::move(chosen), guard = pass_.options.guard,
                     generation = pass_.generation](index::database& db) {
            return plan_some(db, chosen, guard, generation, *batch);
        };
        const auto left = co_await pass_.store.call(std::move(plan));
        for (const auto& [id, behind] : left) {
            auto [entry, added] = pass_.ready.try_emplace(id, behind);
            entry->second = std::min(entry->second, behind);
        }
        if (batch->empty()) {
            co_return !pass_.ready.empty();
        }
        co_await place(batch);
        co_return true;
    }

    task<void> place(std::shared_ptr<content_batch> batch) {
        const auto start = clock::now();
        auto work = [this, batch] { return place_files(pass_.root, *batch); };
        auto result = co_await pass_.disk.run(std::move(work));
        pass_.counters.disk_time += clock::now() - start;
        if (!result) {
            throw core::fatal(result.error());
        }
        auto finish = [batch, result = std::move(*result), generation = pass_.generation](index::database& db
                      ) { finish_content(db, *batch, result.folders, result.files, generation); };
        co_await pass_.store.call(std::move(finish));
        for (const auto& p : batch->files) {
            ++pass_.counters.applied;
            if (p.content) {
                const auto size = static_cast<std::uint64_t>(*p.sidecar.size);
                pass_.spooled_bytes -= std::min(pass_.spooled_bytes, size);
            }
        }
        pass_.work_changed.notify_all();
    }

    pass_context& pass_;
    bool in_hurry_ = false;
};

/// Removes spool files that no row refers to; parked items stay.
core::result<void> clean_spool(const tree::stage_root& root, const std::vector<std::string>& in_use) {
    std::unordered_set<std::string> keep(in_use.begin(), in_use.end());
    for (const char* folder : {"spool/trash", "spool/parked"}) {
        if (auto made = root.make_folder(folder); !made) {
            return made.error();
        }
    }
    auto names = root.list("spool");
    if (!names) {
        return names.error();
    }
    for (const auto& name : *names) {
        if (name == "trash" || name == "parked" || keep.contains(name)) {
            continue;
        }
        if (auto removed = root.remove_all("spool/" + name); !removed) {
            return removed.error();
        }
    }
    auto trash = root.list("spool/trash");
    for (const auto& name : trash ? *trash : std::vector<std::string>()) {
        if (auto removed = root.remove_all("spool/trash/" + name); !removed) {
            return removed.error();
        }
    }
    return core::result<void>();
}

}  // namespace

task<bool> tree_is_held(pass_context& pass) {
    auto ask = [now = pass.gate.clock.now()](index::database& db) { return index::tree_is_held(db, now); };
    co_return co_await pass.store.call(std::move(ask));
}

task<void> apply_all(pass_context& pass) {
    applier a(pass);
    co_await a.run();
}

task<void> apply_waiting(pass_context& pass) {
    applier a(pass);
    co_await a.drain();
}

namespace {

task<void> note_time(pass_context& pass, core::unix_seconds now) {
    auto note = [now](index::database& db) { return index::note_time(db, now); };
    const auto back = co_await pass.store.call(std::move(note));
    if (back > 0) {
        core::log(
            core::log_level::warning, "the clock was set back by " +
                                          core::format_duration(std::chrono::seconds(back)) +
                                          ": what is owed is tried now, retention begins anew"
        );
    }
}

}  // namespace

task<void> recover(pass_context& pass) {
    applier a(pass);
    const auto now = core::now_seconds();
    co_await note_time(pass, now);
    auto begin = [now](index::database& db) {
        index::retry_for_room(db, now);
        return index::close_generations(db, now);
    };
    pass.left_generation = co_await pass.store.call(std::move(begin));
    co_await a.finish_cut_off();
    co_await check_spool_after_boot(pass.store, pass.root, pass.disk, this_boot());
    auto used = [](index::database& db) { return index::spool_files_in_use(db); };
    auto in_use = co_await pass.store.call(std::move(used));
    auto clean = [&pass, names = std::move(in_use)] { return clean_spool(pass.root, names); };
    {
        const auto inside = co_await pass.gate.enter();  // who gives a lease writes into the spool as well
        auto cleaned = co_await pass.disk.run(std::move(clean));
        if (!cleaned) {
            throw core::fatal(cleaned.error());
        }
    }
    auto load = [](index::database& db) {
        std::vector<std::pair<std::int64_t, int>> rows;  // container, what waits: 0 fetch, 1 apply, 2 settle
        db.query(
            "SELECT DISTINCT container_id, p.state FROM pending AS p JOIN container AS c ON "
            "c.id=p.container_id WHERE c.state<>'departed'",
            [&](index::row r) { rows.emplace_back(r.integer(0), static_cast<int>(r.integer(1))); }
        );
        db.query("SELECT id FROM container WHERE settle<>0 AND state<>'departed'", [&](index::row r) {
            rows.emplace_back(r.integer(0), 2);
        });
        return rows;
    };
    const auto rows = co_await pass.store.call(std::move(load));
    for (const auto& [id, what] : rows) {
        if (what == 0) {
            pass.due.insert(id);
        } else if (what == 1) {
            pass.ready[id] = 0;
        } else {
            pass.settle.insert(id);
        }
    }
    auto bytes = [](index::database& db) { return index::spooled_bytes(db); };
    pass.spooled_bytes = static_cast<std::uint64_t>(co_await pass.store.call(std::move(bytes)));
}

task<void> purge_departed(pass_context& pass) {
    // Nothing is deleted because the clock here is wrong: the service's has to have come as far.
    const auto lead = clock_lead(pass.options).value_or(std::chrono::seconds(0)).count();
    const auto before =
        core::now_seconds() - std::max<core::unix_seconds>(0, lead) - pass.options.departed_retention;
    auto find = [before](index::database& db) {
        std::vector<index::container_id> rows;
        db.query(
            "SELECT id FROM container WHERE state='departed' AND departed_at<=?",
            [&](index::row r) { rows.push_back(static_cast<index::container_id>(r.integer(0))); }, before
        );
        return rows;
    };
    const auto gone = co_await pass.store.call(std::move(find));
    applier a(pass);
    for (const auto id : gone) {
        const auto inside = co_await pass.gate.enter();
        const bool held = co_await tree_is_held(pass);
        if (held) {
            co_return;
        }
        co_await a.ensure_generation();
        auto plan = [id, generation = pass.generation](index::database& db) {
            return plan_container_removal(db, id, generation);
        };
        auto ops = co_await pass.store.call(std::move(plan));
        co_await a.perform(std::move(ops));
        auto forget = [id](index::database& db) { return db.run("DELETE FROM container WHERE id=?", id); };
        co_await pass.store.call(std::move(forget));
    }
}

}  // namespace m365stage::sync
