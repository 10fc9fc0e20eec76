#include "daemon/service.hpp"

#include <algorithm>

#include "api/rules.hpp"
#include "async/group.hpp"
#include "core/log.hpp"
#include "daemon/progress.hpp"
#include "daemon/service_parts.hpp"
#include "index/containers.hpp"
#include "sync/run/context.hpp"
#include "sync/run/permission.hpp"

namespace m365stage::daemon {
namespace {

using core::error_kind;

core::error stopped() {
    core::error e(error_kind::cancelled, "the service is stopping");
    e.hint = "nothing is lost: the next start goes on from here";
    return e;
}

void log_end(const sync::pass_summary& s, const std::string& only) {
    if (s.failure) {
        return;  // told with the time of the next try
    }
    auto n = [](auto value) { return progress::count(static_cast<std::uint64_t>(value)); };
    std::string line = s.outcome + " pass" + (only.empty() ? "" : " over " + only) + " in " +
                       progress::duration(s.seconds) + ": generation " + n(s.generation);
    if (s.new_generation) {
        line += ", " + n(s.created) + " created, " + n(s.content + s.metadata) + " changed, " +
                n(s.renamed + s.moved) + " moved, " + n(s.deleted) + " deleted";
    } else if (!s.kept_back) {
        line += " (nothing changed)";
    }
    if (s.owed > 0) {
        line += "; " + n(s.owed) + " owed";
    }
    if (s.held > 0) {
        line += "; " + n(s.held) + " deletions held";
    }
    if (s.kept_back) {
        line += "; what came waits for the end of the lease";
    }
    core::log(core::log_level::info, line);
}

}  // namespace

staging_service::staging_service(boost::asio::io_context& io, config::settings settings)
    : io_(io),
      settings_(std::move(settings)),
      gate_(io.get_executor()),
      reading_(std::make_unique<reading>()),
      wake_(io.get_executor()),
      changed_(io.get_executor()) {}

staging_service::~staging_service() = default;

/// A stage and what its index says, which may take as long as another program holds it locked.
struct staging_service::found_stage {
    std::shared_ptr<stage> st;
    core::unix_seconds last_success_at = 0;
    std::int64_t held = 0;
    std::int64_t no_room = 0;
    std::vector<index::lease_row> leases;  ///< also those whose time went by while nobody looked

    /// No lease lasts longer than to `latest`. Any thread. Errors: as stage::open.
    static core::result<found_stage> open(const config::settings& settings, core::unix_seconds latest) {
        auto opened = stage::open(settings);
        if (!opened) {
            return opened.error();
        }
        found_stage f;
        f.st = std::move(*opened);
        auto& db = f.st->store->direct();  // nobody else uses it yet
        try {
            f.last_success_at =
                db.number(
                      "SELECT max(finished_at) FROM pass WHERE outcome IN ('complete', 'degraded') "
                      "AND json_extract(numbers, '$.whole')"
                )
                    .value_or(0);
            f.held = index::count_containers(db).held;
            f.no_room = index::count_without_room(db);
            index::bound_leases(db, latest);
            f.leases = index::active_leases(db, 0);
        } catch (const core::fatal& e) {
            return e.why();
        }
        return f;
    }
};

core::unix_seconds staging_service::latest_end() const {
    return gate_.clock.now() + settings_.lease.max_duration.count();
}

core::result<void> staging_service::open() {
    auto opened = found_stage::open(settings_, latest_end());
    if (opened) {
        adopt(std::move(*opened));
        return core::result<void>();
    }
    if (opened.error().kind == error_kind::usage || opened.error().kind == error_kind::busy) {
        return opened.error();
    }
    failed(opened.error());
    return core::result<void>();
}

async::task<void> staging_service::run() {
    const std::shared_ptr<void> signed_off(nullptr, [this](void*) {
        if (connection_) {
            connection_->tokens->stop();
        }
    });
    std::vector<async::task<void>> parts;
    parts.push_back(work());
    parts.push_back(watch_leases());
    parts.push_back(keep_words());
    parts.push_back(watch_clock());
    parts.push_back(watch_disk());
    parts.push_back(announce());
    co_await async::run_all(io_.get_executor(), std::move(parts));
}

void staging_service::stop() {
    stopping_ = true;
    index::wait_for_no_lock();
    changed_.notify_all();
}

void staging_service::reconfigure(config::settings settings) {
    connection_due_ = connection_due_ || settings.app != settings_.app ||
                      settings.limits != settings_.limits || settings.endpoints != settings_.endpoints ||
                      settings.sync.concurrency != settings_.sync.concurrency;
    settings_ = std::move(settings);
    if (running_ == nullptr && trouble_) {
        next_ = steady::now();  // perhaps that was what it failed for
    } else {
        next_ = std::min(next_, steady::now() + settings_.sync.interval);
    }
    wake_.notify_all();
}

async::task<void> staging_service::work() {
    for (;;) {
        for (auto now = steady::now(); waiting_.empty() && now < next_; now = steady::now()) {
            next_pass_at_ =
                core::now_seconds() + std::chrono::duration_cast<std::chrono::seconds>(next_ - now).count();
            co_await wake_.wait_for(next_ - now);
        }
        co_await attempt();
    }
}

async::task<void> staging_service::attempt() {
    if (!stage_) {
        co_await open_stage();
    }
    const auto st = stage_;
    if (!st) {
        co_return;
    }
    const auto connected = co_await connect();
    if (!connected) {
        failed(connected.error());
        co_return;
    }
    co_await run_one(st);
}

async::task<void> staging_service::open_stage() {
    for (async::event tick(io_.get_executor()); !former_.expired();) {
        co_await tick.wait_for(std::chrono::milliseconds(50));  // else we would be busy with ourselves
    }
    auto work = [settings = settings_, latest = latest_end()] { return found_stage::open(settings, latest); };
    auto opened = co_await background_.run(std::move(work));
    if (opened) {
        adopt(std::move(*opened));
    } else {
        failed(opened.error());
    }
}

void staging_service::adopt(found_stage found) {
    last_success_at_ = found.last_success_at;
    held_ = found.held;
    no_room_ = found.no_room;
    leases_ = std::move(found.leases);
    for (const auto& l : leases_) {
        core::log(core::log_level::info, "job " + l.job_id + " (" + l.holder + ") holds the tree still");
    }
    stage_ = std::move(found.st);
    disk_free_.reset();
    ++stages_;
    changed_.notify_all();
}

async::task<core::result<void>> staging_service::connect() {
    if (connection_ && !connection_due_) {
        co_return core::result<void>();
    }
    connection_due_ = false;  // a SIGHUP that comes from here on needs another one
    auto opened = connection::open(io_, settings_, settings_.app);
    if (!opened) {
        connection_due_ = true;
        co_return opened.error();
    }
    if (connection_) {
        connection_->tokens->stop();
        for (async::event tick(io_.get_executor()); connection_->tokens->is_renewing();) {
            co_await tick.wait_for(std::chrono::milliseconds(20));  // it uses the transport
        }
    }
    past_ = requests();
    connection_ = std::move(*opened);
    co_return core::result<void>();
}

std::vector<std::shared_ptr<staging_service::ticket>> staging_service::take_tickets(std::string& only) {
    std::vector<api::pass_request> wanted;
    wanted.reserve(waiting_.size());
    for (const auto& t : waiting_) {
        wanted.push_back(t->request);
    }
    only = api::next_scope(wanted, steady::now() >= next_);
    std::vector<std::shared_ptr<ticket>> taken;
    std::erase_if(waiting_, [&](const auto& t) {
        const bool fits = only.empty() || t->request.only == only;
        if (fits) {
            taken.push_back(t);
        }
        return fits;
    });
    return taken;
}

async::task<void> staging_service::run_one(std::shared_ptr<stage> st) {
    running_ = std::make_unique<running_pass>();
    running_->served = take_tickets(running_->only);
    const std::shared_ptr<void> over(nullptr, [this](void*) { running_.reset(); });
    const auto began = steady::now();
    auto options = pass_options_of(settings_);
    options.only = running_->only;
    options.clock_lead = [&reach = *connection_->transport] { return reach.clock_lead(); };
    tell("pass begun");
    std::function<void(sync::pass_context*)> watch = [this](sync::pass_context* c) { running_->context = c; };
    auto summary = co_await sync::run_pass(
        io_.get_executor(), *connection_->graph, *st->store, *st->root, *st->disk, gate_, options,
        std::move(watch)
    );
    if (running_->only.empty()) {
        next_ = began + settings_.sync.interval;
    }
    ended(std::move(summary));
}

void staging_service::ended(sync::pass_summary summary) {
    const auto run = std::move(running_);
    log_end(summary, run->only);
    auto& count = summary.outcome == "complete"   ? complete_
                  : summary.outcome == "degraded" ? degraded_
                                                  : failed_;
    if (summary.mistaken) {
        core::log(core::log_level::warning, core::describe(*summary.failure));
    } else if (++count; summary.failure) {
        // Then the pass came to its end, and all that may be read is up to date.
        const bool permission_lost = summary.ended && sync::may_lack_permission(*summary.failure);
        note_trouble(*summary.failure, permission_lost);
    } else {
        // A part of all that there is does not prove that a permission is back.
        const bool doubtful = !run->only.empty() && trouble_ && sync::may_lack_permission(*trouble_);
        if (!doubtful) {
            failures_ = 0;
            trouble_.reset();
        }
        authenticated_ = true;
        if (run->only.empty()) {
            last_success_at_ = gate_.clock.now();
        }
    }
    if (summary.ended) {
        held_ = summary.held;
        no_room_ = summary.no_room;
    }
    if (summary.kept_back || summary.whole) {
        kept_back_ = summary.kept_back;
    }
    if (!summary.mistaken) {
        last_ = summary;
    }
    for (const auto& t : run->served) {
        t->result = summary;
    }
    tree_may_move();
    tell("pass ended");
    changed_.notify_all();
}

void staging_service::failed(const core::error& why) {
    note_trouble(why, false);
    for (const auto& t : std::exchange(waiting_, {})) {
        t->result = why;
    }
    tell("trouble");
    changed_.notify_all();
}

/// `in_time`: the next pass begins when it would have without it. It reads the whole tenant again, and a
/// permission that was granted is not in the token that is used before an hour is over anyway.
void staging_service::note_trouble(const core::error& why, bool in_time) {
    failures_ = in_time ? 0 : failures_ + 1;
    if (core::exit_code_for(why.kind) == core::exit_code::auth) {
        authenticated_ = why.kind == error_kind::forbidden;  // who is told that had signed in
    }
    if (why.kind == error_kind::index) {
        // Opened anew for the next try: meanwhile a person may mend it or put another in its place.
        former_ = stage_ ? stage_ : former_.lock();
        stage_.reset();
        leases_.clear();
    }
    const auto left = std::chrono::ceil<std::chrono::seconds>(next_ - steady::now());
    const auto rest = in_time ? std::max(left, std::chrono::seconds(0))
                              : rest_of_stage(api::retry_pause(failures_, settings_.sync.interval));
    core::log_error(
        core::log_level::error, why, "next try in " + progress::duration(static_cast<double>(rest.count()))
    );
    trouble_ = why;
    next_ = in_time ? next_ : steady::now() + rest;
}

bool staging_service::is_served(const api::pass_request& r) const {
    return running_ && api::serves(running_->only, running_->started_at, r, gate_.clock.now());
}

std::shared_ptr<staging_service::ticket> staging_service::enqueue(api::pass_request request) {
    const bool joins = is_served(request);
    auto t = std::make_shared<ticket>(std::move(request));
    (joins ? running_->served : waiting_).push_back(t);
    wake_.notify_all();
    return t;
}

async::task<core::result<sync::pass_summary>> staging_service::pass(api::pass_request request) {
    const bool fresh =
        last_ && last_->whole && api::serves("", last_->started_at, request, gate_.clock.now());
    if (fresh) {
        co_return *last_;
    }
    const auto t = enqueue(std::move(request));
    while (!t->result && !stopping_) {
        co_await changed_.wait();
    }
    if (!t->result) {
        co_return stopped();
    }
    co_return *t->result;
}

bool staging_service::start_pass(api::pass_request request) {
    const bool waits = std::any_of(waiting_.begin(), waiting_.end(), [&](const auto& t) {
        return t->request.only.empty() || t->request.only == request.only;
    });
    if (stopping_ || waits || is_served(request)) {
        return false;
    }
    enqueue(std::move(request));
    return true;
}

}  // namespace m365stage::daemon
