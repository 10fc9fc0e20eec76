// What was said of jobs: that the files were read, that the job ended, that its lease is to end. Nobody says
// it twice, so what the index can't take now is kept until it can.
#include <algorithm>

#include "core/log.hpp"
#include "daemon/service_parts.hpp"

namespace m365stage::daemon {
namespace {

using core::error_kind;

constexpr std::size_t most_kept = 1000;
constexpr std::chrono::seconds between_tries(5);

core::error no_such_job(const std::string& job_id) {
    return core::error(error_kind::not_found, "job " + job_id + " never held the tree still");
}

}  // namespace

staging_service::word::word(meaning m, std::string id, std::string s, core::unix_seconds at)
    : what(m), job_id(std::move(id)), status(std::move(s)), said_at(at) {}

/// On the thread of the index. Written twice it is as if it had been written once.
staging_service::word::record staging_service::word::write(index::database& db) const {
    record r;
    switch (what) {
        case meaning::has_read:
            r.job = index::record_job_read(db, job_id, status, said_at);
            break;
        case meaning::has_ended:
            r.job = index::record_job_ended(db, job_id, status, said_at);
            break;
        case meaning::end_lease:
            r.had_lease = index::end_lease(db, job_id, said_at);
            break;
    }
    return r;
}

std::string staging_service::word::text() const {
    switch (what) {
        case meaning::has_read:
            return "job " + job_id + " has read the tree: " + status;
        case meaning::has_ended:
            return "job " + job_id + " has ended: " + status;
        case meaning::end_lease:
            break;
    }
    return "the lease of job " + job_id + " was ended by hand";
}

/// What whoever said it is told, once it is written.
core::result<void> staging_service::word::answer() const {
    if (what == meaning::end_lease && !written->had_lease) {
        core::error e(error_kind::usage, "job " + job_id + " holds no lease");
        e.operation = "lease";
        e.hint = "'m365stage lease list' shows them";
        return e;
    }
    if (what != meaning::end_lease && !written->job) {
        return no_such_job(job_id);
    }
    if (what == meaning::has_read && !written->job->read_whole()) {
        core::error e(
            error_kind::conflict,
            "job " + job_id + ": " + written->job->read_status + " before it had read the tree"
        );
        e.operation = "lease";
        e.hint =
            "files may have changed while they were read: run it again, with a longer lease.max_duration";
        return e;
    }
    return core::result<void>();
}

/// Writes all that was said and is not in the index, in the order in which it was said.
async::task<core::result<void>> staging_service::write_words() {
    if (words_.empty()) {
        co_return core::result<void>();
    }
    const auto st = usable_stage();
    if (!st) {
        co_return st.error();
    }
    const std::vector<std::shared_ptr<word>> batch(words_.begin(), words_.end());
    std::vector<word> said;
    for (const auto& w : batch) {
        said.push_back(*w);
    }
    std::vector<index::lease_row> left;
    auto write = [said = std::move(said), &left](index::database& db) {
        std::vector<word::record> records;
        for (const auto& w : said) {
            records.push_back(w.write(db));
        }
        left = index::active_leases(db, 0);
        return records;
    };
    auto records = co_await (*st)->store->call(std::move(write));
    for (std::size_t i = 0; i < batch.size(); ++i) {
        batch[i]->written = std::move(records[i]);
        note_written(*batch[i]);
    }
    words_.remove_if([](const auto& w) { return w->written.has_value(); });
    take_leases(std::move(left));
    co_return core::result<void>();
}

void staging_service::note_written(const word& w) {
    if (!w.answer()) {
        return;  // nothing of it counts
    }
    if (w.what == word::meaning::has_ended) {
        tell("job ended");
    }
    if (w.what != word::meaning::has_ended || w.is_late) {
        core::log(
            w.what == word::meaning::end_lease ? core::log_level::warning : core::log_level::info, w.text()
        );
    }
}

/// Keeps it until it is written, and tries that at once. Errors: why it could not be written now, or what is
/// odd about it.
async::task<core::result<void>> staging_service::hear(word said) {
    if (words_.size() >= most_kept) {
        const auto written = co_await shielded(write_words());
        if (!written) {
            co_return written.error();
        }
    }
    const auto same = std::find_if(words_.begin(), words_.end(), [&said](const auto& w) {
        return w->what == said.what && w->job_id == said.job_id && w->status == said.status;
    });
    const auto mine = same != words_.end() ? *same : std::make_shared<word>(std::move(said));
    if (same == words_.end()) {
        words_.push_back(mine);
    }
    const auto written = co_await shielded(write_words());
    if (mine->written) {
        co_return mine->answer();
    }
    auto why = written.error();
    mine->is_late = true;
    core::log_error(core::log_level::warning, why, "kept until it can be written: " + mine->text());
    why.hint = "kept in mind: it counts as soon as it can be written; repeat it only if the service restarts";
    if (!stage_) {
        next_ = std::min(next_, steady::now() + between_tries);
        wake_.notify_all();
    }
    changed_.notify_all();
    co_return why;
}

/// Writes what did not get through when it was said.
async::task<void> staging_service::keep_words() {
    for (;;) {
        if (words_.empty() || !stage_) {
            co_await changed_.wait();
            continue;
        }
        const auto written = co_await shielded(write_words());
        if (!written) {
            co_await changed_.wait_for(between_tries);
        }
    }
}

/// How long a stage that can't be used may rest, if it would for `rest`: what was said is not to wait for
/// long.
std::chrono::seconds staging_service::rest_of_stage(std::chrono::seconds rest) const {
    return stage_ || words_.empty() ? rest : std::min(rest, between_tries);
}

void staging_service::tell_what_is_lost() const {
    for (const auto& w : words_) {
        core::log(
            core::log_level::error,
            "not written, since the index could not be: " + w->text() + ": say it again"
        );
    }
}

async::task<core::result<void>> staging_service::job_read(std::string job_id, std::string status) {
    return hear(word(word::meaning::has_read, std::move(job_id), std::move(status), gate_.clock.now()));
}

async::task<core::result<void>> staging_service::job_ended(std::string job_id, std::string status) {
    // First of all: who is about to get a lease for it must not take it and keep it.
    const auto [first, last] = asking_.equal_range(job_id);
    std::for_each(first, last, [&status](auto& waits) { waits.second = status; });
    return hear(word(word::meaning::has_ended, std::move(job_id), std::move(status), gate_.clock.now()));
}

async::task<core::result<void>> staging_service::end_lease(std::string job_id) {
    return hear(word(word::meaning::end_lease, std::move(job_id), "", gate_.clock.now()));
}

}  // namespace m365stage::daemon
