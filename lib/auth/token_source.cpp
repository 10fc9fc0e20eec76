#include "auth/token_source.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <list>

#include "auth/assertion.hpp"
#include "auth/encoding.hpp"
#include "auth/files.hpp"
#include "auth/retry_plan.hpp"
#include "auth/token_answer.hpp"
#include "auth/token_request.hpp"
#include "auth/token_source_parts.hpp"

namespace m365stage::auth {
namespace asio = boost::asio;
namespace {

using steady = std::chrono::steady_clock::time_point;

struct cached {
    auth::token token;
    steady renew;
};

// One renewal in flight. Waiters share its outcome; it lives on while any of them or itself does.
struct renewal {
    renewal() = default;
    bool done = false;
    std::optional<core::error> failure;
    std::list<async::alarm*> waiters;
    asio::cancellation_signal stop;
};

// The state that a renewal in flight shares with the source, so that the source may go first.
struct shared_state {
    shared_state(http::transport& t, credential c, async::timing& clk)
        : transport(t), who(std::move(c)), clock(clk) {}

    http::transport& transport;
    const credential who;
    async::timing& clock;
    std::optional<cached> current;
    std::string claims;
    std::shared_ptr<renewal> running;
    std::optional<core::error> refusal;  ///< what a person must mend, kept for a moment
    steady refused_until{};
    steady not_before{};   ///< no further renewal ahead of time until then
    steady quiet_until{};  ///< the login service wants to hear nothing until then
};

core::error named(core::error e, const credential& who) {
    e = name_section(std::move(e), who.section);
    if (!e.object.empty()) {
        e.cause = e.object + ": " + e.cause;  // a file of the credential
    }
    e.operation = "sign in";
    e.object = who.kind == credential_kind::managed_identity
                   ? "as managed identity " + (who.client_id.empty() ? "of the machine" : who.client_id)
                   : "as app " + who.client_id + " in tenant " + who.tenant;
    return e;
}

core::result<http::request> build_request(const shared_state& s) {
    const credential& who = s.who;
    switch (who.kind) {
        case credential_kind::secret: {
            auto secret = read_secret_file(who.secret_file);
            if (!secret) {
                return secret.error();
            }
            return secret_request(who, *secret, s.claims);
        }
        case credential_kind::certificate: {
            auto pem = read_secret_file(who.certificate_file);
            if (!pem) {
                return pem.error();
            }
            assertion_claims claims;
            claims.audience = token_endpoint(who);
            claims.client_id = who.client_id;
            claims.id = fresh_guid();
            claims.now = s.clock.wall();
            auto kind = who.certificate_rs256 ? assertion_kind::rs256 : assertion_kind::ps256;
            auto assertion = make_assertion(*pem, claims, kind);
            if (!assertion) {
                return assertion.error().on(who.certificate_file);
            }
            return assertion_request(who, *assertion, s.claims);
        }
        case credential_kind::federated_token: {
            auto assertion = read_secret_file(who.federated_token_file);
            if (!assertion) {
                return assertion.error();
            }
            return assertion_request(who, *assertion, s.claims);
        }
        case credential_kind::managed_identity:
            return metadata_request(who);
    }
    return core::error(core::error_kind::internal, "unknown kind of credential");
}

// One try: build, send, judge.
task<core::result<token_answer>> ask(std::shared_ptr<shared_state> s, std::shared_ptr<next_step> next) {
    *next = next_step::give_up;
    auto request = build_request(*s);
    if (!request) {
        co_return request.error();
    }
    auto answer = co_await s->transport.send(std::move(*request));
    if (!answer) {
        *next = core::is_transient(answer.error().kind) ? next_step::back_off : next_step::give_up;
        co_return answer.error();
    }
    if (answer->status == 200) {
        auto parsed = parse_token(answer->body);
        const bool refused = !parsed && parsed.error().kind == core::error_kind::auth_refused;
        *next = refused ? next_step::give_up : next_step::back_off;
        co_return parsed;
    }
    bool metadata = s->who.kind == credential_kind::managed_identity;
    login_failure failure =
        metadata ? judge_metadata(answer->status, answer->body) : judge_login(answer->status, answer->body);
    if (auto wait = answer->fields.find("Retry-After")) {
        failure.why.retry_after = retry_seconds(*wait);
    }
    if (auto id = answer->fields.find("x-ms-request-id")) {
        failure.why.request_id = std::string(*id);
    }
    *next = failure.next;
    co_return std::move(failure.why);
}

std::optional<std::chrono::milliseconds> pause_after(shared_state& s, unsigned tries, const core::error& e) {
    if (s.who.kind == credential_kind::managed_identity) {
        return metadata_pause(tries, e.http_status, e.retry_after);
    }
    return login_pause(tries, s.clock.random(), e.retry_after);
}

task<core::result<token_answer>> ask_until_answered(std::shared_ptr<shared_state> s) {
    auto next = std::make_shared<next_step>();
    bool fresh_tried = false;
    unsigned tries = 0;
    while (true) {
        co_await s->clock.sleep_until(s->quiet_until);
        auto answer = co_await ask(s, next);
        if (answer) {
            co_return answer;
        }
        ++tries;
        if (*next == next_step::fresh_assertion && !fresh_tried) {
            fresh_tried = true;
            continue;
        }
        if (*next != next_step::back_off) {
            co_return named(answer.error(), s->who);
        }
        if (const auto wanted = answer.error().retry_after) {
            s->quiet_until = s->clock.now() + *wanted;  // also for who asks after this renewal was stopped
        }
        auto pause = pause_after(*s, tries, answer.error());
        if (!pause) {
            co_return named(answer.error(), s->who);
        }
        co_await s->clock.sleep_until(s->clock.now() + *pause);
    }
}

void keep(shared_state& s, token_answer answer, const std::string& used_claims) {
    cached fresh;
    fresh.token.value = std::move(answer.value);
    fresh.token.expires = s.clock.wall() + answer.life;
    fresh.renew = s.clock.now() + renewal_age(answer.life);
    fresh.token.ends = s.clock.now() + answer.life;
    s.current = std::move(fresh);
    s.refusal.reset();
    if (s.claims == used_claims) {
        s.claims.clear();
    }
}

void note_failure(shared_state& s, const core::error& why) {
    // Neither a wrong secret nor a login service in trouble is asked by every caller in turn.
    constexpr std::chrono::seconds refusal_kept{10};
    constexpr std::chrono::seconds ahead_again{30};
    s.not_before = s.clock.now() + ahead_again;
    if (!core::is_transient(why.kind)) {
        s.refusal = why;
        s.refused_until = s.clock.now() + refusal_kept;
    }
}

void finish(shared_state& s, const std::shared_ptr<renewal>& mine, std::optional<core::error> failure) {
    mine->done = true;
    mine->failure = std::move(failure);
    if (s.running == mine) {
        s.running.reset();
    }
    for (async::alarm* waiter : mine->waiters) {
        waiter->ring();
    }
}

task<void> renew(std::shared_ptr<shared_state> s, std::shared_ptr<renewal> mine) {
    std::string used_claims = s->claims;
    auto answer = co_await ask_until_answered(s);
    if (answer) {
        keep(*s, std::move(*answer), used_claims);
        finish(*s, mine, std::nullopt);
    } else {
        note_failure(*s, answer.error());
        finish(*s, mine, answer.error());
    }
}

class source final : public token_source {
public:
    source(http::transport& transport, credential c, async::timing& clock)
        : state_(std::make_shared<shared_state>(transport, std::move(c), clock)) {}
    source(const source&) = delete;
    source& operator=(const source&) = delete;
    ~source() override { source::stop(); }

    void stop() override {
        if (const auto running = state_->running) {
            running->stop.emit(asio::cancellation_type::terminal);
        }
    }
    bool is_renewing() const override { return state_->running != nullptr; }

    task<core::result<token>> get() override {
        auto executor = co_await asio::this_coro::executor;
        std::shared_ptr<shared_state> s = state_;
        auto now = s->clock.now();
        if (s->refusal && now < s->refused_until) {
            co_return *s->refusal;
        }
        if (s->current && now < s->current->token.ends) {
            if (now >= s->current->renew && now >= s->not_before && !s->running) {
                start(s, executor);
            }
            // Valid still: nobody waits for a renewal ahead of time.
            co_return s->current->token;
        }
        // A renewal may be over before start() returns: its outcome is in what start() returns.
        std::shared_ptr<renewal> mine = s->running ? s->running : start(s, executor);
        co_await wait_for(s, mine);
        if (mine->failure) {
            co_return *mine->failure;
        }
        if (!s->current) {
            co_return core::error(core::error_kind::unauthorized, "the new token was refused at once");
        }
        co_return s->current->token;
    }

    void reject(const std::string& rejected, std::string claims) override {
        if (state_->current && state_->current->token.value == rejected) {
            state_->current.reset();
            state_->claims = std::move(claims);
        }
    }

private:
    static std::shared_ptr<renewal> start(
        const std::shared_ptr<shared_state>& s, const asio::any_io_executor& executor
    ) {
        auto mine = std::make_shared<renewal>();
        s->running = mine;
        auto done = [s, mine](std::exception_ptr failure) {
            if (failure && !mine->done) {
                finish(*s, mine, core::error(core::error_kind::cancelled, "the sign-in was interrupted"));
            }
        };
        asio::co_spawn(
            executor, renew(s, mine), asio::bind_cancellation_slot(mine->stop.slot(), std::move(done))
        );
        return mine;
    }

    static task<void> wait_for(std::shared_ptr<shared_state> s, std::shared_ptr<renewal> mine) {
        std::unique_ptr<async::alarm> bell = s->clock.make_alarm();
        struct enrolled {
            enrolled(renewal& r, async::alarm* a) : list(r.waiters), at(list.insert(list.end(), a)) {}
            enrolled(const enrolled&) = delete;
            enrolled& operator=(const enrolled&) = delete;
            ~enrolled() { list.erase(at); }
            std::list<async::alarm*>& list;
            std::list<async::alarm*>::iterator at;
        };
        enrolled place(*mine, bell.get());
        while (!mine->done) {
            co_await bell->wait_until(steady::max());
        }
    }

    std::shared_ptr<shared_state> state_;
};

}  // namespace

std::unique_ptr<token_source> make_token_source(
    http::transport& transport, credential c, async::timing& clock
) {
    return std::make_unique<source>(transport, std::move(c), clock);
}

std::unique_ptr<token_source> make_token_source(http::transport& transport, credential c) {
    return make_token_source(transport, std::move(c), async::system_timing());
}

}  // namespace m365stage::auth
