#include <algorithm>

#include "core/log.hpp"
#include "daemon/progress.hpp"
#include "daemon/service_parts.hpp"
#include "sync/run/context.hpp"

namespace m365stage::daemon {
namespace {

using core::error_kind;

core::error reason(error_kind kind, std::string why, std::string hint) {
    core::error e(kind, std::move(why));
    e.hint = std::move(hint);
    return e;
}

}  // namespace

graph::statistics staging_service::requests() const {
    auto all = past_;
    if (connection_) {
        const auto now = connection_->graph->stats();
        all.requests += now.requests;
        all.retries += now.retries;
        all.throttled += now.throttled;
        all.bytes_received += now.bytes_received;
        all.resource_units += now.resource_units;
        all.waited_for_service += now.waited_for_service;
        all.waited_for_network += now.waited_for_network;
    }
    return all;
}

api::service_state staging_service::state() const {
    api::service_state s;
    s.started_at = started_at_;
    s.stopping = stopping_;
    s.authenticated = authenticated_;
    if (running_) {
        s.running = running_->context != nullptr ? &running_->context->counters : nullptr;
        s.pass_started_at = running_->started_at;
    }
    s.last = last_;
    s.last_success_at = last_success_at_;
    s.next_pass_at = running_ ? 0 : next_pass_at_;
    s.disk_free_bytes = disk_free_;
    s.passes_complete = complete_;
    s.passes_degraded = degraded_;
    s.passes_failed = failed_;
    s.service = requests();
    if (connection_) {
        s.allowances = connection_->graph->allowances();
    }
    s.not_ready = reasons();
    return s;
}

std::vector<core::error> staging_service::reasons() const {
    std::vector<core::error> out;
    if (trouble_) {
        out.push_back(*trouble_);
    }
    const auto now = core::now_seconds();
    // A pass may take a while; three that are missing are no accident.
    const auto longest = std::max<core::unix_seconds>(3600, 3 * settings_.sync.interval.count());
    if (last_success_at_ == 0 && !trouble_) {
        out.push_back(reason(error_kind::busy, "no pass has ended yet", "the first one takes its time"));
    } else if (last_success_at_ != 0 && now - last_success_at_ > longest) {
        out.push_back(reason(
            error_kind::busy,
            "the last pass ended " + progress::duration(static_cast<double>(now - last_success_at_)) + " ago",
            "see 'm365stage status'"
        ));
    }
    if (last_ && last_->held > 0) {
        out.push_back(reason(
            error_kind::guard, std::to_string(last_->held) + " deletions are held by the guard",
            "see 'm365stage guard list'"
        ));
    }
    const bool known_full = trouble_ && trouble_->kind == error_kind::disk;
    if (stage_ && !known_full && disk_free_ < settings_.stage.min_free_bytes) {
        out.push_back(reason(
            error_kind::disk, progress::bytes(disk_free_) + " are free, less than stage.min_free_bytes",
            "free some space in " + settings_.stage.root
        ));
    }
    return out;
}

api::task<core::result<std::string>> staging_service::ask(
    std::function<core::result<std::string>(index::database&)> question
) {
    auto work = [r = reading_.get(), file = settings_.stage.root + "/index.db", current = stages_,
                 question = std::move(question)]() -> core::result<std::string> {
        try {
            if (!r->db || r->opened_for != current) {
                r->db = std::make_unique<index::database>(file, index::database::mode::read_only);
                r->opened_for = current;
            }
            return question(*r->db);
        } catch (const core::fatal& f) {
            r->db.reset();
            return f.why();
        }
    };
    co_return co_await reading_->thread.run(std::move(work));
}

std::shared_ptr<void> staging_service::listen(listener l) {
    auto kept = std::make_shared<listener>(std::move(l));
    listeners_.emplace_back(kept);
    return kept;
}

void staging_service::tell(const char* what) {
    listeners_.remove_if([](const auto& l) { return l.expired(); });
    for (const auto& weak : std::list(listeners_)) {
        if (const auto l = weak.lock()) {
            (*l)(what);
        }
    }
}

/// While a pass runs its progress is news every second.
api::task<void> staging_service::announce() {
    async::event tick(io_.get_executor());
    for (;;) {
        co_await tick.wait_for(std::chrono::seconds(1));
        if (running_) {
            tell("progress");
        }
    }
}

api::task<void> staging_service::watch_disk() {
    async::event tick(io_.get_executor());
    for (;;) {
        if (const auto st = stage_) {
            auto look = [st] { return st->root->free_bytes(); };
            const auto free = co_await st->disk->run(std::move(look));
            disk_free_ = free ? *free : 0;
        }
        co_await tick.wait_for(std::chrono::seconds(5));
    }
}

}  // namespace m365stage::daemon
