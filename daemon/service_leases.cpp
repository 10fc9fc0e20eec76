#include <algorithm>

#include "api/rules.hpp"
#include "core/duration.hpp"
#include "core/log.hpp"
#include "daemon/service_parts.hpp"
#include "index/containers.hpp"
#include "sync/run/context.hpp"

namespace m365stage::daemon {
namespace {

using core::error_kind;
using core::unix_seconds;

core::error lease_error(error_kind kind, std::string why, std::string hint) {
    core::error e(kind, std::move(why));
    e.operation = "lease";
    e.hint = std::move(hint);
    return e;
}

core::error is_stopping() {
    return core::error(error_kind::cancelled, "the service is stopping");
}

core::error out_of_time() {
    return lease_error(
        error_kind::busy, "the tree was not ready in time", "a longer --timeout, or see 'm365stage status'"
    );
}

}  // namespace

/// What the index says when a lease is asked for.
struct staging_service::lease_case {
    lease_case() = default;
    std::optional<index::lease_row> present;  ///< the job's own
    bool held = false;                        ///< by whomever
    sync::tree_facts facts;
    std::optional<core::error> refused;

    static lease_case of(index::database& db, const api::lease_request& r, unix_seconds now) {
        lease_case c;
        c.present = index::find_lease(db, r.job_id, now);
        c.held = index::tree_is_held(db, now);
        if (!c.present) {
            index::close_generations(db, now);  // what comes after this lease is another version of the tree
        }
        c.facts = sync::facts_of_tree(db);
        c.refused = sync::refusal(db, c.facts, r.fail_on_owed);
        return c;
    }

    api::lease_grant grant(index::lease_row given) const {
        api::lease_grant g;
        g.lease = std::move(given);
        g.generation = facts.generation;
        g.items = facts.items;
        g.staged = facts.staged;
        g.bytes = facts.bytes;
        g.owed = facts.owed;
        g.held = facts.held;
        g.coverage_percent = facts.coverage_percent;
        g.fresh_at = facts.fresh_at;
        g.repeated = present.has_value();
        g.owed_reasons = facts.owed_reasons;
        g.containers = facts.containers;
        g.stale_containers = facts.stale_containers;
        return g;
    }
};

core::result<std::shared_ptr<stage>> staging_service::usable_stage() const {
    if (stage_) {
        return stage_;
    }
    return trouble_ ? *trouble_ : core::error(error_kind::busy, "the service is starting");
}

async::task<core::result<api::lease_grant>> staging_service::take_lease(api::lease_request request) {
    return shielded(lease(std::move(request)));
}

/// A job waits for its lease. It may be cancelled meanwhile: its script is not told and goes on waiting, and
/// a lease that it got then would be ended by nobody.
struct staging_service::asking {
    asking(staging_service& s, std::string job_id)
        : owner(s), place(s.asking_.emplace(std::move(job_id), std::nullopt)) {}
    ~asking() { owner.asking_.erase(place); }
    asking(const asking&) = delete;
    asking& operator=(const asking&) = delete;
    std::optional<std::string> ended() const { return place->second; }

    staging_service& owner;
    std::multimap<std::string, std::optional<std::string>>::iterator place;
};

async::task<core::result<api::lease_grant>> staging_service::lease(api::lease_request r) {
    const auto deadline = steady::now() + std::chrono::seconds(r.timeout);
    const asking waits(*this, r.job_id);
    for (;;) {
        if (stage_) {
            // Else a lease that was to end would be shared.
            const auto written = co_await write_words();
            if (!written) {
                co_return written.error();
            }
        }
        const auto share = co_await freshen(r, deadline);
        if (!share) {
            co_return share.error();
        }
        auto given = co_await try_lease(r, *share, deadline);
        if (!given) {
            co_return given.error();
        }
        if (const auto status = waits.ended()) {
            if (*given) {
                const auto noted = co_await job_ended(r.job_id, *status);
                if (!noted) {
                    co_return noted.error();
                }
            }
            co_return lease_error(error_kind::cancelled, "the job has ended meanwhile: " + *status, "");
        }
        if (*given) {
            co_return std::move(**given);
        }
    }
}

/// Waits until the tree is as fresh as the job wants it. True: others hold it still, and the job can share it
/// as it is. A tree that is held can't become fresher, so a job that names no age takes it as it is.
async::task<core::result<bool>> staging_service::freshen(
    const api::lease_request& r, steady::time_point deadline
) {
    using api::lease_step;
    for (;;) {
        const auto now = gate_.clock.now();
        auto look = [&r, now](index::database& db) {
            api::tree_look of;
            of.mine = index::find_lease(db, r.job_id, now).has_value();
            of.held = index::tree_is_held(db, now);
            of.whole = index::tree_is_whole(db);
            of.fresh_at = index::tree_fresh_since(db).value_or(0);
            return of;
        };
        api::tree_look seen;
        if (const auto st = stage_) {
            seen = co_await st->store->call(std::move(look));
        }
        if (stopping_) {
            co_return is_stopping();
        }
        const auto step = api::next_step(seen, r.max_age, now);
        if (step == lease_step::take || step == lease_step::share) {
            co_return step == lease_step::share;
        }
        if (step == lease_step::wait_for_pass) {
            const auto kept_back = co_await wait_for_pass(r, deadline);
            if (!kept_back) {
                co_return kept_back.error();
            }
            if (!*kept_back) {
                co_return false;
            }
            continue;  // somebody took a lease meanwhile
        }
        const auto left = deadline - steady::now();
        if (left <= steady::duration::zero()) {
            co_return lease_error(
                error_kind::busy, "another job holds the tree still, and it is older than --max-age",
                "see 'm365stage lease list'"
            );
        }
        co_await changed_.wait_for(left);
    }
}

/// A pass that serves the job. True: its result waits for the end of a lease that somebody took meanwhile.
async::task<core::result<bool>> staging_service::wait_for_pass(
    const api::lease_request& r, steady::time_point deadline
) {
    api::pass_request wanted;
    wanted.max_age = r.max_age;
    const auto t = enqueue(std::move(wanted));
    while (!t->result && !stopping_) {
        const auto left = deadline - steady::now();
        if (left <= steady::duration::zero()) {
            co_return trouble_ ? *trouble_ : out_of_time();
        }
        co_await changed_.wait_for(left);
    }
    if (!t->result) {
        co_return is_stopping();
    }
    if (!*t->result) {
        co_return t->result->error();
    }
    if ((*t->result)->failure) {
        co_return *(*t->result)->failure;
    }
    co_return (*t->result)->kept_back;
}

/// nullopt: things have changed since the job looked; it has to look again.
async::task<core::result<std::optional<api::lease_grant>>> staging_service::try_lease(
    const api::lease_request& r, bool share, steady::time_point deadline
) {
    using answer = core::result<std::optional<api::lease_grant>>;
    const auto inside = co_await gate_.enter();
    const auto usable = usable_stage();
    if (!usable) {
        co_return answer(usable.error());
    }
    if (!words_.empty()) {
        co_return answer(std::nullopt);
    }
    const auto& st = *usable;
    auto look = [&r, now = gate_.clock.now()](index::database& db) { return lease_case::of(db, r, now); };
    const auto found = co_await st->store->call(std::move(look));
    if (!found.present && running_ && running_->context != nullptr) {
        running_->context->generation = 0;
    }
    if (found.present) {
        co_return answer(found.grant(*found.present));
    }
    if (share && !found.held) {
        co_return answer(std::nullopt);
    }
    auto refused = co_await reason_to_refuse(st, found.facts);
    if (!refused) {
        refused = found.refused;
    }
    if (refused) {
        co_return answer(std::move(*refused));
    }
    const bool copy = settings_.stage.index_copy;
    if (!found.held) {
        auto publish = [st, &found, copy, file = settings_.stage.root + "/index.db"] {
            return sync::publish_state(*st->root, file, found.facts, copy);
        };
        const auto published = co_await st->disk->run(std::move(publish));
        if (!published) {
            co_return answer(published.error());
        }
    }
    if (stopping_ || steady::now() > deadline) {
        co_return answer(stopping_ ? is_stopping() : out_of_time());  // nobody waits for it any more
    }
    index::lease_row given;
    given.job_id = r.job_id;
    given.holder = r.job_name;
    given.since = gate_.clock.now();
    const auto longest = settings_.lease.max_duration.count();
    given.until = given.since + (r.duration > 0 ? std::min<unix_seconds>(r.duration, longest) : longest);
    auto write = [&found, &given, &r, copy](index::database& db) {
        index::job_row job;
        job.job_id = r.job_id;
        job.name = r.job_name;
        job.level = r.level;
        job.generation = found.facts.generation;
        job.started_at = given.since;
        index::add_lease(db, given, job);
        sync::note_published(db, found.facts, copy && !found.held);
    };
    co_await st->store->call(std::move(write));
    leases_.push_back(given);
    core::log(
        core::log_level::info, "job " + r.job_id + " (" + r.job_name + ", " + r.level +
                                   ") reads generation " + std::to_string(found.facts.generation) +
                                   ": the tree stands still"
    );
    tell("lease taken");
    changed_.notify_all();
    co_return answer(found.grant(given));
}

/// What /readyz says, from what index and disk say at this moment.
async::task<std::optional<core::error>> staging_service::reason_to_refuse(
    std::shared_ptr<stage> st, const sync::tree_facts& f
) {
    auto ask = [st] { return st->root->free_bytes(); };
    const auto free = co_await st->disk->run(std::move(ask));
    disk_free_ = free ? *free : 0;
    held_ = f.held;
    no_room_ = f.no_room;
    auto why = api::reason_to_refuse(reasons());
    if (why && why->operation.empty()) {
        why->operation = "lease";
    }
    co_return why;
}

async::task<core::result<index::held_container>> staging_service::approve_guard(std::string container) {
    return shielded(approve(std::move(container)));
}

async::task<core::result<index::held_container>> staging_service::approve(std::string container) {
    const auto st = usable_stage();
    if (!st) {
        co_return st.error();
    }
    auto write = [&container](index::database& db) { return index::approve_guard(db, container); };
    auto approved = co_await (*st)->store->call(std::move(write));
    if (approved) {
        core::log(core::log_level::info, "the held deletions of " + container + " were approved");
        start_pass(api::pass_request());
    }
    co_return approved;
}

async::task<core::result<void>> staging_service::reload_leases(std::shared_ptr<stage> st) {
    auto read = [](index::database& db) { return index::active_leases(db, 0); };
    auto rows = co_await st->store->call(std::move(read));
    take_leases(std::move(rows));
    co_return core::result<void>();
}

/// They are in force now.
void staging_service::take_leases(std::vector<index::lease_row> rows) {
    const bool fewer = rows.size() < leases_.size();
    leases_ = std::move(rows);
    if (fewer) {
        tree_may_move();
        tell("lease ended");
    }
    changed_.notify_all();
}

/// What a lease kept back is applied at once when none is left; after a failure, with the next try.
void staging_service::tree_may_move() {
    if (kept_back_ && leases_.empty() && !running_ && !trouble_) {
        next_ = steady::now();
        wake_.notify_all();
    }
}

async::task<core::result<void>> staging_service::expire_due(std::shared_ptr<stage> st) {
    const auto written = co_await write_words();  // a job may have read in time
    if (!written) {
        co_return written.error();
    }
    auto end = [now = gate_.clock.now()](index::database& db) { return index::expire_leases(db, now); };
    const auto over = co_await st->store->call(std::move(end));
    for (const auto& l : over) {
        core::log(
            core::log_level::warning, "the lease of job " + l.job_id + " (" + l.holder +
                                          ") is over: the job did not say that it had read the tree"
        );
    }
    co_return co_await reload_leases(std::move(st));
}

/// Somebody set the clock: leases last as long as they would have, and nothing looks older or younger.
async::task<core::result<void>> staging_service::follow_clock() {
    const auto inside = co_await gate_.enter();
    const auto by = gate_.clock.follow();
    auto move_time = [by](unix_seconds& t) { t += t == 0 ? 0 : by; };
    move_time(last_success_at_);
    move_time(next_pass_at_);
    if (last_) {
        move_time(last_->started_at);
    }
    if (running_) {
        move_time(running_->started_at);
    }
    for (const auto& w : words_) {
        move_time(w->said_at);
    }
    core::log(
        core::log_level::warning, "the clock was set " + std::string(by < 0 ? "back" : "forward") + " by " +
                                      core::format_duration(std::chrono::seconds(std::abs(by))) +
                                      (leases_.empty() ? "" : ": leases last as long as they would have")
    );
    const auto st = stage_;
    if (!st || leases_.empty()) {
        co_return core::result<void>();
    }
    auto move = [by](index::database& db) { index::move_leases(db, by); };
    co_await st->store->call(std::move(move));
    co_return co_await reload_leases(st);
}

async::task<void> staging_service::watch_clock() {
    async::event tick(io_.get_executor());
    for (;;) {
        co_await tick.wait_for(std::chrono::seconds(1));
        if (!gate_.clock.has_been_set()) {
            continue;
        }
        const auto followed = co_await shielded(follow_clock());
        if (!followed) {
            core::log_error(core::log_level::error, followed.error(), "");
        }
    }
}

async::task<void> staging_service::watch_leases() {
    for (;;) {
        const auto st = stage_;
        if (!st || leases_.empty()) {
            co_await changed_.wait();
            continue;
        }
        const auto first = std::min_element(leases_.begin(), leases_.end(), [](const auto& a, const auto& b) {
            return a.until < b.until;
        });
        const auto left = first->until - gate_.clock.now();
        if (left > 0) {
            // Not longer, since the machine may have slept.
            co_await changed_.wait_for(std::chrono::seconds(std::min<unix_seconds>(left, 60)));
            continue;
        }
        const auto ended = co_await shielded(expire_due(st));
        if (!ended) {
            core::log_error(core::log_level::error, ended.error(), "");
            co_await changed_.wait_for(std::chrono::seconds(5));
        }
    }
}

}  // namespace m365stage::daemon
