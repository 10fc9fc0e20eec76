#include "api/rules.hpp"
#include "core/log.hpp"
#include "daemon/service_parts.hpp"
#include "sync/run/context.hpp"

namespace m365stage::daemon {
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
        // A first pass may take days: what it has heard was not said to a stranger.
        s.authenticated = s.authenticated || (s.running != nullptr && s.running->pages > 0);
    }
    s.last = last_;
    s.last_success_at = last_success_at_;
    s.next_pass_at = running_ ? 0 : next_pass_at_;
    s.disk_free_bytes = disk_free_.value_or(0);
    s.passes_complete = complete_;
    s.passes_degraded = degraded_;
    s.passes_failed = failed_;
    s.service = requests();
    if (connection_) {
        s.allowances = connection_->graph->allowances();
    }
    if (connection_ && connection_->transport->trouble()) {
        const auto& silence = *connection_->transport->trouble();
        s.no_answer_since = std::chrono::system_clock::to_time_t(silence.since);
        s.no_answer = silence.why;
    }
    s.not_ready = reasons();
    return s;
}

std::vector<core::error> staging_service::reasons() const {
    api::readiness_facts f;
    f.trouble = trouble_;
    f.now = gate_.clock.now();
    f.last_success_at = last_success_at_;
    f.interval = settings_.sync.interval;
    f.held = held_;
    f.no_room = no_room_;
    if (stage_) {
        f.disk_free = disk_free_;
    }
    f.least_free = settings_.stage.min_free_bytes;
    f.root = settings_.stage.root;
    return api::reasons_against(f);
}

async::task<core::result<std::string>> staging_service::ask(
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

/// While a pass runs its progress is news every second; and what the log left out is told.
async::task<void> staging_service::announce() {
    async::event tick(io_.get_executor());
    for (;;) {
        co_await tick.wait_for(std::chrono::seconds(1));
        core::log_what_was_left_out();
        if (running_) {
            tell("progress");
        }
    }
}

async::task<void> staging_service::watch_disk() {
    async::event tick(io_.get_executor());
    for (;;) {
        if (const auto st = stage_) {
            auto look = [st] { return st->root->free_bytes(); };
            const auto free = co_await st->disk->run(std::move(look));
            disk_free_ = free ? *free : 0;
        }
        co_await tick.wait_for(std::chrono::seconds(1));
    }
}

}  // namespace m365stage::daemon
