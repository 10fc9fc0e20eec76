#include "sync/run/fetch.hpp"

#include <algorithm>
#include <limits>

#include "async/group.hpp"
#include "core/log.hpp"
#include "index/work.hpp"
#include "sync/run/fetch_one.hpp"
#include "sync/run/fetch_queue.hpp"

namespace m365stage::sync {
namespace {

using clock = std::chrono::steady_clock;

/// The list of what is fetched next, its workers, and the one that records what they brought.
class fetch_pool {
public:
    explicit fetch_pool(pass_context& pass)
        : pass_(pass), queue_changed_(pass.executor), results_changed_(pass.executor) {}

    task<void> run() {
        std::vector<task<void>> workers;
        for (std::size_t i = 0; i < pass_.options.concurrency; ++i) {
            workers.push_back(work());
        }
        workers.push_back(schedule());
        workers.push_back(commit());
        co_await async::run_all(pass_.executor, std::move(workers));
    }

private:
    struct done_item {
        done_item() = default;
        index::work_item item;
        fetch_outcome outcome;
    };

    std::size_t queue_target() const { return pass_.options.concurrency * 2; }

    /// So many results are recorded without waiting for more: no more than a crash would lose anyway.
    std::size_t group_size() const { return pass_.options.concurrency; }

    /// Keeps the queue filled, taking from each container in turn.
    task<void> schedule() {
        for (;;) {
            bool took = false;
            co_await check_disk();
            co_await save_budget();
            if (!has_room_for(large_file)) {
                co_await measure_spool();
            }
            if (has_room_for(large_file)) {
                pass_.due.merge(with_large_);
                with_large_.clear();
            }
            if (queue_.size() < queue_target() && has_room()) {
                took = co_await refill();
            }
            if (took) {
                continue;
            }
            const bool idle = pass_.enumerated && in_flight_.empty();
            const bool more = !pass_.due.empty() || !with_large_.empty();
            // A spool that a lease keeps full would keep the pass from ending: the next one goes on.
            const bool kept_full = pass_.held && !has_room();
            pass_.starving = idle && more && !has_room();
            if (idle && (!more || kept_full)) {
                finished_ = true;
                queue_changed_.notify_all();
                results_changed_.notify_all();
                co_return;
            }
            if (pass_.starving) {
                pass_.apply_changed.notify_all();
            }
            // The spool gets room when something was applied, and pauses end: neither is announced, so look
            // again now and then.
            queue_changed_.notify_all();
            co_await pass_.work_changed.wait_for(std::chrono::milliseconds(200));
        }
    }

    /// Stops the pass before the disk is full: what is staged stays whole, and the index can still be
    /// written.
    task<void> check_disk() {
        const auto now = clock::now();
        if (pass_.options.min_free_bytes == 0 || now < next_disk_check_) {
            co_return;
        }
        next_disk_check_ = now + std::chrono::seconds(1);
        auto ask = [this] { return pass_.root.free_bytes(); };
        const auto free = co_await pass_.disk.run(std::move(ask));
        if (!free) {
            throw core::fatal(free.error());
        }
        if (*free < pass_.options.min_free_bytes) {
            core::error e(
                core::error_kind::disk,
                std::to_string(*free >> 20) + " MiB are free, less than stage.min_free_bytes"
            );
            e.operation = "fetch";
            e.object = pass_.root.path();
            e.hint = "free some space; nothing is lost, the next pass goes on from here";
            throw core::fatal(std::move(e));
        }
    }

    /// A container, and what its items wait for together.
    struct known_container {
        explicit known_container(index::container c) : row(std::move(c)) {}
        index::container row;
        graph::scope scope;
    };

    /// Drives leave some workers to mailboxes, whose requests come fast while SharePoint's units are short.
    std::size_t most_of(const graph::scope& s) const {
        if (s.svc == graph::service::outlook) {
            return std::max<std::size_t>(1, pass_.options.mailbox_concurrency);
        }
        const auto& k = pass_.options.kinds;
        const bool mailboxes = k.mail || k.calendar || k.contacts || k.tasks;
        const auto all = pass_.options.concurrency;
        return mailboxes ? std::max<std::size_t>(1, all - all / 4) : all;
    }

    bool is_paused(const graph::scope& s) const { return pass_.graph.paused_until(s).has_value(); }

    /// What the service allows is known after a restart as well, and what was spent of the day's units.
    task<void> save_budget() {
        const auto now = clock::now();
        if (now < next_save_) {
            co_return;
        }
        next_save_ = now + std::chrono::seconds(10);
        auto save = [text = pass_.graph.budget_memory()](index::database& db) {
            index::set_setting(db, budget_setting, text);
        };
        co_await pass_.store.call(std::move(save));
    }

    /// True if a file that is announced with so many bytes may come too. Of what is on its way, what has come
    /// beyond its announced size counts as well (a message has none).
    bool has_room_for(std::int64_t size) const {
        const auto there = pass_.spooled_bytes + pass_.unforeseen.bytes();
        return in_flight_.leave_room_for(size, there, pass_.options.spool_max_bytes);
    }

    bool has_room() const { return has_room_for(0); }

    /// What a page replaced or removed while it waited in the spool is still counted: the rows know better.
    task<void> measure_spool() {
        const auto now = clock::now();
        if (pass_.spooled_bytes == 0 || now < next_measure_) {
            co_return;
        }
        auto ask = [](index::database& db) { return index::spooled_bytes(db); };
        pass_.spooled_bytes = static_cast<std::uint64_t>(co_await pass_.store.call(std::move(ask)));
        // A tenant with very many containers is not to keep the index busy with this.
        constexpr int share = 20;
        const auto then = clock::now();
        next_measure_ = then + std::max<clock::duration>(std::chrono::seconds(1), share * (then - now));
    }

    /// The containers that may have work, from the one behind the last that got a share on.
    std::vector<std::int64_t> in_turn() const {
        constexpr std::size_t most = 4096;
        std::vector<std::int64_t> out;
        auto at = pass_.due.upper_bound(last_served_);
        for (auto left = std::min(most, pass_.due.size()); left > 0; --left) {
            at = at == pass_.due.end() ? pass_.due.begin() : at;
            out.push_back(*at++);
        }
        return out;
    }

    /// A share of the queue for every container that may have work; false if nothing was found.
    task<bool> refill() {
        const auto share =
            std::max<std::size_t>(4, queue_target() / std::max<std::size_t>(1, pass_.due.size()));
        bool took = false;
        for (const auto id : in_turn()) {
            if (queue_.size() >= queue_target() || !has_room()) {
                break;
            }
            const auto container = co_await container_of(static_cast<index::container_id>(id));
            const auto& where = container->scope;
            if (is_paused(where) || queue_.waiting_in(where) >= share) {
                continue;
            }
            last_served_ = id;
            const bool found = co_await refill_from(id, where, share);
            took = took || found;
        }
        pass_.in_flight = in_flight_.size();
        queue_changed_.notify_all();
        co_return took;
    }

    task<bool> refill_from(std::int64_t id, graph::scope where, std::size_t share) {
        // From behind what was taken last. At the end of the list it begins anew, since more may have come;
        // what is in flight is then in front.
        const auto known = behind_.find(id);
        for (auto after = known == behind_.end() ? 0 : known->second;; after = 0) {
            const auto busy = in_flight_of_.find(id);
            const auto limit = share + (after > 0 || busy == in_flight_of_.end() ? 0 : busy->second);
            const auto found = co_await due_behind(id, after, limit);
            bool took = false;
            const auto seen = take(id, where, found, took);
            const bool more = found.size() >= limit || seen < found.size();
            behind_.erase(id);
            if (more && seen > 0) {
                behind_.emplace(id, static_cast<std::int64_t>(found[seen - 1].id));
            } else if (more && after > 0) {
                behind_.emplace(id, after);
            }
            if (more || took) {
                pass_.due.insert(id);
            }
            if (seen < found.size()) {
                co_return took;
            }
            if (took || after == 0) {
                co_return took;
            }
        }
    }

    task<std::vector<index::work_item>> due_behind(std::int64_t id, std::int64_t after, std::size_t limit) {
        const auto now = core::now_seconds();
        const auto below = has_room_for(large_file) ? std::numeric_limits<std::int64_t>::max() : large_file;
        if (below == large_file) {
            with_large_.insert(id);
        }
        auto find = [id, now, limit, after, below](index::database& db) {
            return index::due_work(
                db, static_cast<index::container_id>(id), now, static_cast<int>(limit),
                static_cast<index::item_id>(after), below
            );
        };
        pass_.due.erase(id);  // a page that comes meanwhile puts it back
        co_return co_await pass_.store.call(std::move(find));
    }

    /// Puts what nobody fetches yet into the queue, as long as there is room; how many of them were looked
    /// at.
    std::size_t take(
        std::int64_t id, const graph::scope& where, const std::vector<index::work_item>& found, bool& took
    ) {
        for (std::size_t i = 0; i < found.size(); ++i) {
            const auto& item = found[i];
            if (in_flight_.contains(static_cast<std::int64_t>(item.id))) {
                continue;
            }
            const auto size = item.content ? item.size : 0;
            if (!has_room_for(size)) {
                return i;
            }
            in_flight_.expect(static_cast<std::int64_t>(item.id), size);
            ++in_flight_of_[id];
            queue_.add(where, most_of(where), item);
            took = true;
        }
        return found.size();
    }

    /// The next item that may be fetched now; nullopt at the end.
    task<std::optional<index::work_item>> next_item() {
        const auto paused = [this](const graph::scope& s) { return is_paused(s); };
        for (;;) {
            if (finished_) {
                co_return std::nullopt;
            }
            if (auto item = queue_.take(paused)) {
                co_return item;
            }
            co_await queue_changed_.wait();
        }
    }

    task<void> work() {
        for (;;) {
            auto item = co_await next_item();
            if (!item) {
                co_return;
            }
            done_item done;
            done.item = std::move(*item);
            if (queue_.size() < queue_target() / 2) {
                pass_.work_changed.notify_all();
            }
            const auto container = co_await container_of(done.item.container);
            done.outcome = co_await fetch_one(pass_, container->row, done.item);
            queue_.done(container->scope);
            if (queue_.size() > 0) {
                queue_changed_.notify_all();  // somebody may wait for this scope's turn
            }
            const auto* r = std::get_if<index::fetch_result>(&done.outcome);
            const auto size = r != nullptr && !r->spool.empty() ? r->size : 0;
            in_flight_.expect(static_cast<std::int64_t>(done.item.id), size);
            results_.push_back(std::move(done));
            if (results_.size() == 1 || results_.size() == group_size()) {
                results_changed_.notify_all();
            }
        }
    }

    /// Rows of containers are small and read often; they are kept for the pass.
    task<std::shared_ptr<const known_container>> container_of(index::container_id id) {
        const auto key = static_cast<std::int64_t>(id);
        if (const auto known = containers_.find(key); known != containers_.end()) {
            co_return known->second;
        }
        auto read = [id](index::database& db) { return index::find_container(db, id); };
        auto found = co_await pass_.store.call(std::move(read));
        constexpr std::size_t most = 1000;
        if (containers_.size() >= most) {
            containers_.clear();
        }
        auto made = std::make_shared<known_container>(std::move(found).value());
        made->scope = pass_.source_of(made->row.kind).item_call(made->row, "item").where;
        containers_.insert_or_assign(key, made);
        co_return made;
    }

    /// Records results in groups: while one transaction runs, the next group gathers, and a small one is
    /// given a moment to grow, since each transaction writes the same few pages of the index.
    task<void> commit() {
        constexpr std::chrono::milliseconds moment(10);
        for (;;) {
            while (results_.empty() && !finished_) {
                co_await results_changed_.wait();
            }
            if (results_.empty()) {
                break;
            }
            const auto until = clock::now() + moment;
            for (auto now = until - moment; results_.size() < group_size() && now < until && !finished_;
                 now = clock::now()) {
                co_await results_changed_.wait_for(until - now);
            }
            auto group = std::exchange(results_, {});
            co_await record(group);
            for (const auto& done : group) {
                const auto container = static_cast<std::int64_t>(done.item.container);
                in_flight_.erase(static_cast<std::int64_t>(done.item.id));
                if (auto left = in_flight_of_.find(container);
                    left != in_flight_of_.end() && --left->second == 0) {
                    in_flight_of_.erase(left);
                }
            }
            pass_.in_flight = in_flight_.size();
            pass_.work_changed.notify_all();
            pass_.apply_changed.notify_all();
        }
        pass_.fetched = true;
        pass_.apply_changed.notify_all();
    }

    task<void> record(const std::vector<done_item>& group) {
        std::vector<index::fetch_result> good;
        for (const auto& done : group) {
            if (const auto* r = std::get_if<index::fetch_result>(&done.outcome)) {
                good.push_back(*r);
            } else {
                co_await record_other(done);
            }
        }
        if (good.empty()) {
            co_return;
        }
        auto write = [&good](index::database& db) { return index::record_fetched(db, good); };
        const auto taken = co_await pass_.store.call(std::move(write));
        for (std::size_t i = 0; i < good.size(); ++i) {
            if (taken[i]) {
                pass_.counters.fetched += good[i].spool.empty() && !good[i].same ? 0 : 1;
                pass_.counters.fetched_bytes += static_cast<std::uint64_t>(good[i].size);
                pass_.spooled_bytes += good[i].same ? 0 : static_cast<std::uint64_t>(good[i].size);
                note_missing_part(good[i]);
                continue;
            }
            // A page replaced the row while it was being fetched: it is due again.
            for (const auto& done : group) {
                if (done.item.id == good[i].id) {
                    pass_.due.insert(static_cast<std::int64_t>(done.item.container));
                }
            }
            if (!good[i].spool.empty()) {
                auto remove = [this, name = good[i].spool] { pass_.root.remove_file("spool/" + name); };
                co_await pass_.disk.run(std::move(remove));
            }
        }
        for (const auto& done : group) {
            if (std::holds_alternative<index::fetch_result>(done.outcome)) {
                pass_.ready.try_emplace(static_cast<std::int64_t>(done.item.container), 0);
                auto& behind = pass_.ready[static_cast<std::int64_t>(done.item.container)];
                behind = std::min(behind, static_cast<std::int64_t>(done.item.id) - 1);
            }
        }
    }

    /// The content is fetched, not all of its sidecar: that is owed and told like any other failure.
    void note_missing_part(const index::fetch_result& result) {
        if (result.missing) {
            ++pass_.counters.fetch_failed;
            pass_.counters.failed(result.missing->why);
            core::log(core::log_level::warning, core::describe(result.missing->why));
        }
    }

    task<void> record_other(const done_item& done) {
        if (std::holds_alternative<vanished>(done.outcome)) {
            ++pass_.counters.vanished;
            const auto now = core::now_seconds();
            auto note = [id = done.item.id, version = done.item.version, now](index::database& db) {
                index::record_vanished(db, id, version, now);
            };
            co_await pass_.store.call(std::move(note));
            pass_.due.insert(static_cast<std::int64_t>(done.item.container));
            co_return;
        }
        if (std::holds_alternative<postponed>(done.outcome)) {
            pass_.due.insert(static_cast<std::int64_t>(done.item.container));
            co_return;
        }
        const auto& failure = std::get<fetch_failure>(done.outcome);
        if (failure.why.kind == core::error_kind::auth_refused) {
            throw core::fatal(failure.why);
        }
        pass_.due.insert(static_cast<std::int64_t>(done.item.container));
        ++pass_.counters.fetch_failed;
        pass_.counters.failed(failure.why);
        core::log(core::log_level::warning, core::describe(failure.why));
        const auto now = core::now_seconds();
        auto note = [id = done.item.id, version = done.item.version, failure, now](index::database& db) {
            index::record_failure(db, id, version, failure.why, now, failure.first_bytes);
        };
        co_await pass_.store.call(std::move(note));
    }

    pass_context& pass_;
    async::event queue_changed_, results_changed_;
    fetch_queue queue_;
    std::set<std::int64_t>
        with_large_;  ///< containers that may have a large file, for which there is no room
    std::unordered_map<std::int64_t, std::int64_t> behind_;  ///< by container: the item taken last
    std::int64_t last_served_ = 0;                           ///< container that got a share of the queue last
    std::vector<done_item> results_;
    expected_files in_flight_;
    std::unordered_map<std::int64_t, std::size_t> in_flight_of_;
    std::unordered_map<std::int64_t, std::shared_ptr<const known_container>> containers_;
    clock::time_point next_disk_check_{}, next_save_{}, next_measure_{};
    bool finished_ = false;
};

}  // namespace

task<void> fetch_all(pass_context& pass) {
    fetch_pool pool(pass);
    co_await pool.run();
}

}  // namespace m365stage::sync
