#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "index/database.hpp"
#include "index/reports.hpp"

/// Leases, the Bareos jobs that took them, and what the tree holds while one is in force.
namespace m365stage::index {

/// True while somebody holds the tree still.
bool tree_is_held(database& db, unix_seconds now);

/// False while something that was begun in the tree is not finished: a rename in the journal, a file on its
/// way in, an object between two renames. Then no lease may be given. Nothing of who departed is ever
/// finished.
bool tree_is_whole(database& db);

/// When the pass began that last brought all of the tree up to date; nullopt: none has yet.
std::optional<unix_seconds> tree_fresh_since(database& db);

/// What comes to the tree from now on belongs to a new generation: those that are open get their counts and
/// their end; one without changes is taken back. True if there was a change.
bool close_generations(database& db, unix_seconds now);

/// How much of what the service has lies in the tree as the service has it. Container roots are no items. Who
/// departed has what came in time: nothing else can come any more.
struct staged_count {
    staged_count() = default;
    std::int64_t known = 0, staged = 0, bytes = 0;
    /// Rounded down to hundredths, so that 100 means all.
    double percent() const;
};
staged_count count_staged(database& db, const backlog& work);

/// A Bareos job that asked for the tree to be held still.
struct job_row {
    job_row() = default;
    std::string job_id, name, level;
    std::int64_t generation = 0;  ///< of the tree that it read
    unix_seconds started_at = 0;  ///< when its lease was given
    std::optional<unix_seconds> read_at;
    std::string
        read_status;  ///< the client's word when the files had been read, or why the lease ended early
    std::optional<unix_seconds> ended_at;
    std::string status;  ///< the Director's word; empty: not known yet

    /// The tree did not move while it read.
    bool read_whole() const;
    /// It did, and the Director said that it ended well: only then its files are known to be in the storage,
    /// and to be those of its generation.
    bool saved() const;
};
/// Newest first.
std::vector<job_row> jobs(database& db, std::int64_t limit);
std::optional<job_row> find_job(database& db, std::string_view job_id);

struct lease_row {
    lease_row() = default;
    std::string job_id, holder;
    unix_seconds since = 0, until = 0;
};
/// Leases that hold the tree at `now`.
std::vector<lease_row> active_leases(database& db, unix_seconds now);

/// The job's, if it is in force at `now`.
std::optional<lease_row> find_lease(database& db, std::string_view job_id, unix_seconds now);

/// Gives the lease and records the job, in one transaction. A job that comes again gets a new record.
void add_lease(database& db, const lease_row& lease, const job_row& job);

/// Moves the times of all leases, since the clock was set.
void move_leases(database& db, unix_seconds by);

/// None lasts longer than to `latest`: one that does was given by a clock that has been set back since.
void bound_leases(database& db, unix_seconds latest);

/// Why a lease ended before the job said that it had read the tree; stored as `job.read_status`.
inline constexpr std::string_view lease_expired = "lease expired",
                                  lease_ended_by_hand = "lease ended by hand";

/// Ends it by hand; false: there is none.
bool end_lease(database& db, std::string_view job_id, unix_seconds now);

/// Ends those whose time is over.
std::vector<lease_row> expire_leases(database& db, unix_seconds now);

/// The job has read its files: ends its lease, if there is one. nullopt: no such job.
std::optional<job_row> record_job_read(
    database& db, std::string_view job_id, std::string_view status, unix_seconds now
);

/// The Director's final word. Nobody reads for this job any more: a lease that its file daemon did not end
/// (it was killed, or lost its connection) ends too. nullopt: no such job.
std::optional<job_row> record_job_ended(
    database& db, std::string_view job_id, std::string_view status, unix_seconds now
);

/// A copy of the index in a new file, by SQLite's backup API, without what is secret (download addresses). It
/// is one file, no write-ahead log beside it. Errors: throws core::fatal.
void copy_index(const std::string& from, const std::string& to);

}  // namespace m365stage::index
