#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/service.hpp"
#include "async/event.hpp"
#include "async/task.hpp"
#include "async/worker.hpp"
#include "config/config.hpp"
#include "daemon/runtime.hpp"
#include "index/leases.hpp"
#include "sync/lease.hpp"
#include "sync/tree_gate.hpp"

namespace m365stage::daemon {

/// The running service: passes at sync.interval and on request, leases, and what the REST server asks.
/// A failure never ends it: it says what is wrong (`state().not_ready`), tries again with growing pauses, and
/// goes on when the cause is gone. Threads: the io_context's thread only. Lifetime: `run` has ended before it
/// is destroyed.
class staging_service : public api::service {
public:
    staging_service(boost::asio::io_context& io, config::settings settings);
    ~staging_service() override;

    /// Takes stage.root. What a person has to mend before a service makes sense is an error: usage, busy (who
    /// holds it). Everything else is tried again by `run`.
    core::result<void> open();

    /// Works until it is cancelled. A pass that runs then stops; the next start goes on from there.
    async::task<void> run();

    /// From now on requests are refused, and those that wait are told.
    void stop();

    /// For the log, when it has ended: what was said of jobs and is forgotten now.
    void tell_what_is_lost() const;

    /// What can change while it runs, changes with the next pass.
    void reconfigure(config::settings settings);
    const config::settings& settings() const { return settings_; }

    api::service_state state() const override;
    async::task<core::result<std::string>> ask(
        std::function<core::result<std::string>(index::database&)> question
    ) override;
    async::task<core::result<sync::pass_summary>> pass(api::pass_request request) override;
    bool start_pass(api::pass_request request) override;
    async::task<core::result<api::lease_grant>> take_lease(api::lease_request request) override;
    async::task<core::result<void>> job_read(std::string job_id, std::string status) override;
    async::task<core::result<void>> job_ended(std::string job_id, std::string status) override;
    async::task<core::result<void>> end_lease(std::string job_id) override;
    async::task<core::result<index::held_container>> approve_guard(std::string container) override;
    std::shared_ptr<void> listen(listener l) override;

private:
    using steady = std::chrono::steady_clock;

    /// Somebody who wants a pass.
    struct ticket {
        explicit ticket(api::pass_request r) : request(std::move(r)) {}
        api::pass_request request;
        std::optional<core::result<sync::pass_summary>> result;
    };
    struct running_pass;

    // Passes (service.cpp).
    async::task<void> work();
    async::task<void> attempt();
    async::task<void> open_stage();
    async::task<void> run_one(std::shared_ptr<stage> st);
    struct found_stage;
    void adopt(found_stage found);
    core::unix_seconds latest_end() const;  ///< of a lease
    async::task<core::result<void>> connect();
    std::vector<std::shared_ptr<ticket>> take_tickets(std::string& only);
    bool is_served(const api::pass_request& r) const;
    std::shared_ptr<ticket> enqueue(api::pass_request request);
    void ended(sync::pass_summary summary);
    void failed(const core::error& why);
    void note_trouble(const core::error& why, bool in_time);

    // Leases (service_leases.cpp).
    struct lease_case;
    core::result<std::shared_ptr<stage>> usable_stage() const;
    struct asking;
    async::task<core::result<api::lease_grant>> lease(api::lease_request r);
    async::task<core::result<bool>> freshen(const api::lease_request& r, steady::time_point deadline);
    async::task<core::result<bool>> wait_for_pass(const api::lease_request& r, steady::time_point deadline);
    async::task<core::result<std::optional<api::lease_grant>>> try_lease(
        const api::lease_request& r, bool share, steady::time_point deadline
    );
    async::task<std::optional<core::error>> reason_to_refuse(
        std::shared_ptr<stage> st, const sync::tree_facts& f
    );
    async::task<core::result<index::held_container>> approve(std::string container);
    async::task<core::result<void>> reload_leases(std::shared_ptr<stage> st);
    void take_leases(std::vector<index::lease_row> rows);
    async::task<core::result<void>> expire_due(std::shared_ptr<stage> st);
    async::task<void> watch_leases();
    async::task<core::result<void>> follow_clock();
    async::task<void> watch_clock();
    void tree_may_move();

    // What was said of jobs (service_words.cpp).
    struct word;
    async::task<core::result<void>> hear(word said);
    async::task<core::result<void>> write_words();
    void note_written(const word& w);
    async::task<void> keep_words();
    std::chrono::seconds rest_of_stage(std::chrono::seconds rest) const;

    // State (service_state.cpp).
    async::task<void> watch_disk();
    async::task<void> announce();
    void tell(const char* what);
    std::vector<core::error> reasons() const;
    graph::statistics requests() const;

    boost::asio::io_context& io_;
    config::settings settings_;
    const core::unix_seconds started_at_ = core::now_seconds();

    std::unique_ptr<connection> connection_;
    bool connection_due_ = true;  ///< made anew before the next pass
    graph::statistics past_;      ///< of earlier connections
    unsigned stages_ = 0;         ///< how many there were
    std::shared_ptr<stage>
        stage_;  ///< shared with who is in the middle of a question to it; null: not usable now
    std::weak_ptr<stage> former_;  ///< the one before: it has the lock until the last question ends
    sync::tree_gate gate_;
    async::worker background_{1};  ///< opening, which may block for long

    // Reading: a connection and a thread of its own. Used on that thread alone.
    struct reading;
    std::unique_ptr<reading> reading_;

    async::event wake_;     ///< a pass is wanted, or the times changed
    async::event changed_;  ///< a pass ended, leases changed, the stage came or went
    std::vector<std::shared_ptr<ticket>> waiting_;
    std::unique_ptr<running_pass> running_;
    steady::time_point next_ = steady::now();  ///< when the next pass begins by itself
    unsigned failures_ = 0;                    ///< in a row
    std::optional<core::error> trouble_;       ///< what the last attempt failed with
    std::optional<sync::pass_summary> last_;
    core::unix_seconds last_success_at_ = 0, next_pass_at_ = 0;
    std::uint64_t complete_ = 0, degraded_ = 0, failed_ = 0;
    bool authenticated_ = false;
    std::int64_t held_ = 0;     ///< deletions that wait for a person
    std::int64_t no_room_ = 0;  ///< items that the disk has no room for
    bool kept_back_ = false;    ///< something waits for the end of the leases
    std::vector<index::lease_row> leases_;
    /// Jobs that wait for a lease; with the Director's word if one has ended meanwhile.
    std::multimap<std::string, std::optional<std::string>> asking_;
    std::list<std::shared_ptr<word>> words_;  ///< not in the index yet, in the order in which they were said
    std::optional<std::uint64_t> disk_free_;  ///< nullopt: nobody has looked yet
    bool stopping_ = false;
    std::list<std::weak_ptr<listener>> listeners_;
};

}  // namespace m365stage::daemon
