#include "api/handlers.hpp"

#include <boost/asio/steady_timer.hpp>
#include <nlohmann/json.hpp>

#include "api/documents.hpp"
#include "api/page.hpp"
#include "api/race.hpp"
#include "api/state.hpp"
#include "core/log.hpp"

namespace m365stage::api {
namespace {

using core::error_kind;
using nlohmann::json;

constexpr unsigned most_questions = 16;
constexpr std::chrono::seconds numbers_last(10);

task<void> sleep_for(core::unix_seconds seconds) {
    boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, std::chrono::seconds(seconds));
    co_await timer.async_wait(boost::asio::use_awaitable);
}

response no_content() {
    response r;
    r.status = 204;
    return r;
}

/// A job or container that is not there is the address' fault, not the request's.
response named_error(const core::error& e) {
    return error_response(e.kind == error_kind::usage ? 404 : http_status_of(e.kind), e);
}

/// A pass or a lease that can't be had now: the kind tells why. 401 and 403 would be about this server's
/// token.
response not_now(const core::error& e) {
    return error_response(e.kind == error_kind::guard ? 409 : 503, e);
}

void note(const request& r, const std::string& what) {
    core::log(core::log_level::info, "api: " + r.peer + " " + what);
}

response readiness(const service_state& s, bool details) {
    return json_response(dump(readiness_document(s, details)), is_ready(s) ? 200 : 503);
}

}  // namespace

handlers::handlers(boost::asio::any_io_executor executor, service& of, traffic& seen)
    : executor_(executor), service_(of), traffic_(seen), refreshed_(executor), background_(executor) {}

task<void> handlers::end() {
    co_await background_.join();
}

task<response> handlers::answer(route where, request r) {
    switch (where.what) {
        case endpoint::page:
            co_return page_response(r);
        case endpoint::healthz:
            co_return json_response(R"({"alive":true})");
        case endpoint::readyz:
            co_return readiness(service_.state(), r.trusted);
        case endpoint::metrics:
            co_return co_await metrics();
        case endpoint::status:
            co_return co_await status(std::move(r));
        case endpoint::list_passes:
            co_return co_await ask(ask_passes(r, service_.state().pass_started_at != 0));
        case endpoint::containers:
            co_return co_await ask(ask_containers(r));
        case endpoint::items:
            co_return co_await ask(ask_items(r));
        case endpoint::changes:
            co_return co_await ask(ask_changes(r));
        case endpoint::leases:
            co_return co_await ask(ask_leases(r));
        case endpoint::jobs:
            co_return co_await ask(ask_jobs(r));
        case endpoint::guard:
            co_return co_await ask(ask_guard(r));
        case endpoint::start_pass:
            co_return co_await start_pass(std::move(r));
        case endpoint::take_lease:
            co_return co_await take_lease(std::move(r));
        case endpoint::end_lease:
            note(r, "ends the lease of job " + where.argument);
            co_return co_await end_lease(std::move(where.argument));
        case endpoint::job_read:
        case endpoint::job_ended:
            co_return co_await job_word(std::move(where), std::move(r));
        case endpoint::approve_guard:
            co_return co_await approve(std::move(r));
        case endpoint::events:
            break;  // streamed by the connection
    }
    co_return error_response(core::error(error_kind::internal, "no handler"));
}

task<response> handlers::status(request r) {
    const auto state = service_.state();
    auto made = ask_status(r, dump(service_document(state)), state.pass_started_at != 0);
    co_return co_await ask(std::move(made));
}

task<response> handlers::ask(core::result<question> made) {
    if (!made) {
        co_return error_response(made.error());
    }
    if (questions_ >= most_questions) {
        co_return error_response(core::error(error_kind::busy, "too many questions at the same time"));
    }
    ++questions_;
    const std::shared_ptr<void> counted(nullptr, [this](void*) { --questions_; });
    auto answered = co_await service_.ask(std::move(*made));
    if (!answered) {
        co_return error_response(answered.error());
    }
    co_return json_response(std::move(*answered));
}

task<void> handlers::refresh_numbers() {
    auto fresh = std::make_shared<index_numbers>();
    question gather = [fresh](index::database& db) {
        *fresh = gather_index_numbers(db);
        return core::result<std::string>(std::string());
    };
    const std::shared_ptr<void> ended(nullptr, [this](void*) {
        refreshing_ = false;
        numbers_at_ = std::chrono::steady_clock::now();
        refreshed_.notify_all();
    });
    try {
        auto gathered = co_await service_.ask(std::move(gather));
        numbers_ = gathered ? std::move(fresh) : nullptr;
    } catch (const core::fatal& f) {
        core::log(core::log_level::warning, std::string("api: the metrics lack the index: ") + f.what());
        numbers_.reset();
    }
}

/// A scrape gets at once what was gathered last; only the first one waits.
task<response> handlers::metrics() {
    const bool first = numbers_at_ == std::chrono::steady_clock::time_point();
    const bool due = first || std::chrono::steady_clock::now() - numbers_at_ > numbers_last;
    if (due && !refreshing_) {
        refreshing_ = true;
        background_.spawn(refresh_numbers());
    }
    while (first && refreshing_) {
        co_await refreshed_.wait();
    }
    response r;
    r.content_type = "text/plain; version=0.0.4; charset=utf-8";
    r.body = metrics_text(service_.state(), numbers_.get(), traffic_);
    co_return r;
}

task<response> handlers::start_pass(request r) {
    auto fields = field_reader::of_body(r);
    pass_request wanted;
    wanted.only = fields.text("only");
    wanted.max_age = fields.number("max_age", 0, 0, 365 * core::seconds_a_day);
    const auto wait = fields.number("wait", 0, 0, 7 * core::seconds_a_day);
    if (auto good = fields.finish(); !good) {
        co_return error_response(good.error());
    }
    note(r, "asks for a pass" + (wanted.only.empty() ? "" : " over " + wanted.only));
    if (wait == 0) {
        const bool started = service_.start_pass(std::move(wanted));
        co_return json_response(dump(json{{"started", started}}), 202);
    }
    auto work = service_.pass(std::move(wanted));
    auto limit = sleep_for(wait);
    auto ended = co_await run_until(std::move(work), std::move(limit));
    if (!ended) {
        core::error e(error_kind::timeout, "the pass did not end within " + std::to_string(wait) + " s");
        e.hint = "it goes on; ask again, or wait longer";
        co_return error_response(e);
    }
    if (!*ended) {
        co_return not_now(ended->error());
    }
    co_return json_response(dump(pass_document(**ended)));
}

task<response> handlers::take_lease(request r) {
    auto fields = field_reader::of_body(r);
    lease_request wanted;
    wanted.job_id = fields.required_text("job_id", 100);
    wanted.job_name = fields.text("job_name", 200);
    wanted.level = fields.text("level", 50);
    wanted.max_age = fields.number("max_age", 0, 0, 365 * core::seconds_a_day);
    wanted.timeout = fields.number("timeout", 3600, 1, 7 * core::seconds_a_day);
    wanted.duration = fields.number("duration", 0, 0, 30 * core::seconds_a_day);
    wanted.fail_on_owed = fields.flag("fail_on_owed");
    if (auto good = fields.finish(); !good) {
        co_return error_response(good.error());
    }
    note(r, "asks for a lease for job " + wanted.job_id);
    auto given = co_await service_.take_lease(std::move(wanted));
    if (!given) {
        co_return not_now(given.error());
    }
    co_return json_response(dump(grant_document(*given)));
}

task<response> handlers::end_lease(std::string job_id) {
    auto ended = co_await service_.end_lease(std::move(job_id));
    co_return ended ? no_content() : named_error(ended.error());
}

task<response> handlers::job_word(route where, request r) {
    auto fields = field_reader::of_body(r);
    auto status = fields.required_text("status");
    if (auto good = fields.finish(); !good) {
        co_return error_response(good.error());
    }
    const bool read = where.what == endpoint::job_read;
    note(r, "tells that job " + where.argument + (read ? " has read: " : " has ended: ") + status);
    core::result<void> done;
    if (read) {
        done = co_await service_.job_read(std::move(where.argument), std::move(status));
    } else {
        done = co_await service_.job_ended(std::move(where.argument), std::move(status));
    }
    co_return done ? no_content() : named_error(done.error());
}

task<response> handlers::approve(request r) {
    auto fields = field_reader::of_body(r);
    auto container = fields.required_text("container", 4096);
    if (auto good = fields.finish(); !good) {
        co_return error_response(good.error());
    }
    note(r, "approves the deletions of " + container);
    auto approved = co_await service_.approve_guard(std::move(container));
    if (!approved) {
        co_return named_error(approved.error());
    }
    co_return json_response(dump(held_document(*approved)));
}

}  // namespace m365stage::api
