#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "async/task.hpp"
#include "core/error.hpp"
#include "core/time.hpp"
#include "graph/client.hpp"
#include "index/database.hpp"
#include "index/leases.hpp"
#include "index/reports.hpp"
#include "sync/lease.hpp"
#include "sync/pass.hpp"

/// The REST server of the running service (schema/openapi.yaml), and what it asks of that service.
namespace m365stage::api {

using async::task;

/// A pass that somebody wants.
struct pass_request {
    pass_request() = default;
    core::unix_seconds max_age = 0;  ///< a pass that began at most this long ago serves as well; 0: a new one
    std::string only;                ///< pattern over container keys; empty: all
};

/// What a Bareos job asks for before it reads the tree (README.md, "With Bareos").
struct lease_request {
    lease_request() = default;
    std::string job_id;    ///< Bareos' %i: the same id asks for the same lease
    std::string job_name;  ///< %n
    std::string level;     ///< %l: Full, Incremental, Differential
    core::unix_seconds max_age = 0;
    core::unix_seconds timeout = 0;   ///< seconds to wait for pass and lease together
    core::unix_seconds duration = 0;  ///< seconds until the lease ends by itself
    bool fail_on_owed = false;        ///< refuse while anything is owed
};

/// A lease that was given, with what the tree holds.
struct lease_grant {
    lease_grant() = default;
    index::lease_row lease;
    std::int64_t generation = 0, items = 0, staged = 0, bytes = 0, owed = 0, held = 0;
    double coverage_percent = 100;
    core::unix_seconds fresh_at = 0;  ///< when the pass began that brought the tree up to date
    bool repeated = false;            ///< the job had this lease already
    std::vector<index::failing_group> owed_reasons;
    std::int64_t containers = 0;
    std::vector<sync::tree_facts::stale> stale_containers;  ///< not brought up to date by that pass
};

/// Where the service is, without asking index or network; cheap enough for every poll.
struct service_state {
    service_state() = default;
    core::unix_seconds started_at = 0;
    bool stopping = false;
    bool authenticated = false;                    ///< the last sign-in worked
    const sync::pass_counters* running = nullptr;  ///< of the pass that runs; valid until the next suspension
    core::unix_seconds pass_started_at = 0;        ///< of that pass; 0: none runs
    std::optional<sync::pass_summary> last;        ///< the last pass that ended since the service started
    core::unix_seconds last_success_at = 0;  ///< a complete or degraded pass ended; also of earlier runs
    core::unix_seconds next_pass_at = 0;
    std::uint64_t disk_free_bytes = 0;
    std::uint64_t passes_complete = 0, passes_degraded = 0, passes_failed = 0;
    graph::statistics service;                 ///< since the service started
    std::vector<graph::allowance> allowances;  ///< of Microsoft 365's limits; empty: none known, or unlimited
    std::optional<core::error> no_answer;      ///< Microsoft 365 does not answer, it is tried again; why
    core::unix_seconds no_answer_since = 0;    ///< set with it
    /// Why a backup must not run now, one line each, with the error's kind; empty: ready.
    std::vector<core::error> not_ready;
};

/// What the REST server asks of the running service. All on the network thread; a task resumes there.
/// Errors are the service's own lines; the server makes an HTTP status of their kind.
class service {
public:
    service() = default;
    virtual ~service() = default;
    service(const service&) = delete;
    service& operator=(const service&) = delete;

    virtual service_state state() const = 0;

    /// Runs `question` on a reading connection to the index, on a thread of its own; its result is a
    /// document to be sent. Errors: index, and what the question returns.
    virtual task<core::result<std::string>> ask(
        std::function<core::result<std::string>(index::database&)> question
    ) = 0;

    /// Starts a pass, or joins one that serves the request, and returns when it has ended.
    /// Errors: cancelled (the service ends), busy. A pass that failed is a summary with a failure.
    virtual task<core::result<sync::pass_summary>> pass(pass_request request) = 0;
    /// The same without waiting; false: one that serves the request runs already.
    virtual bool start_pass(pass_request request) = 0;

    /// A fresh pass, then a lease. Errors: what made the pass fail; guard; owed (partial); busy (timed out).
    virtual task<core::result<lease_grant>> take_lease(lease_request request) = 0;
    /// The job has read the tree: ends its lease, if it has one, and records the job as read.
    /// `status` is Bareos' %e.
    virtual task<core::result<void>> job_read(std::string job_id, std::string status) = 0;
    /// The Director's final word on the job: only now it counts as saved.
    virtual task<core::result<void>> job_ended(std::string job_id, std::string status) = 0;
    /// Ends a lease by hand. Errors: usage (no such lease).
    virtual task<core::result<void>> end_lease(std::string job_id) = 0;

    /// index::approve_guard. Errors: usage (nothing held there).
    virtual task<core::result<index::held_container>> approve_guard(std::string container) = 0;

    /// Calls `listener` on the network thread, at most once a second and at every change of state (pass
    /// begun or ended, lease taken or ended), until the returned handle is destroyed.
    using listener = std::function<void(const char* what)>;
    virtual std::shared_ptr<void> listen(listener l) = 0;
};

}  // namespace m365stage::api
