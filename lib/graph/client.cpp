#include "graph/client.hpp"

#include <functional>
#include <nlohmann/json.hpp>

#include "auth/encoding.hpp"
#include "auth/token_source.hpp"
#include "graph/client_parts.hpp"
#include "graph/errors.hpp"
#include "graph/flat_json.hpp"
#include "graph/governor.hpp"
#include "graph/json.hpp"
#include "graph/page.hpp"
#include "graph/retry.hpp"
#include "http/redirect.hpp"

namespace m365stage::graph {
namespace {

constexpr std::string_view default_agent = "NONISV|m365stage|m365stage/" M365STAGE_VERSION;

// Passes a body on and counts it.
class counting_sink final : public http::body_sink {
public:
    counting_sink(http::body_sink& next, std::uint64_t& bytes) : next_(next), bytes_(bytes) {}
    task<core::result<void>> begin(const http::response& head) override { return next_.begin(head); }
    task<core::result<void>> write(std::span<const std::byte> bytes) override {
        bytes_ += bytes.size();
        return next_.write(bytes);
    }
    std::span<std::byte> room() override { return next_.room(); }
    task<core::result<void>> filled(std::size_t bytes) override {
        bytes_ += bytes;
        return next_.filled(bytes);
    }

private:
    http::body_sink& next_;
    std::uint64_t& bytes_;
};

// What one hop of a call needs besides the call itself.
struct hop {
    hop() = default;
    std::string url;
    bool authorised = false;  ///< on the Graph host
    http::redirect_policy redirects;
    http::body_sink* sink = nullptr;
    std::string used_token;
    permit leave;
};

class graph_client final : public client {
public:
    graph_client(
        http::transport& transport, auth::token_source& tokens, client_options options, async::timing& clock
    )
        : transport_(transport),
          tokens_(tokens),
          options_(std::move(options)),
          clock_(clock),
          governor_(clock, options_),
          rules_(options_.graph_url, options_.download_hosts) {}

    task<core::result<http::response>> send(call c) override {
        auto work = std::make_shared<hop>();
        const auto attempts = c.max_attempts == 0 ? options_.max_attempts : c.max_attempts;
        co_return co_await run_through(std::move(c), work, attempts);
    }

    task<core::result<nlohmann::json>> get_json(call c) override {
        const std::function read = [](std::string_view body) -> core::result<nlohmann::json> {
            auto parsed = parse_object(body);
            if (!parsed) {
                return parsed.error();
            }
            return std::move(*parsed->value);
        };
        return get_readable(std::move(c), read);
    }

    task<core::result<page>> get_page(call c) override {
        const std::function read = [this, flat = c.flat](std::string_view body) {
            return flat ? parse_flat_page(body, rules_) : parse_page(body, rules_);
        };
        return get_readable(std::move(c), read);
    }

    task<core::result<http::response>> download(call c, http::body_sink& sink) override {
        counting_sink counted(sink, stats_.bytes_received);
        auto work = std::make_shared<hop>();
        work->sink = &counted;
        // One attempt: the caller knows how far it got and resumes by Range.
        co_return co_await run_through(std::move(c), work, 1);
    }

    bool is_own(std::string_view link) const override { return rules_.is_graph(rules_.absolute(link)); }

    statistics stats() const override { return stats_; }

    std::optional<steady_point> paused_until(const scope& s) const override {
        return governor_.paused_until(s);
    }

    std::optional<double> sharepoint_budget() const override { return governor_.sharepoint_budget(); }
    std::vector<allowance> allowances() const override { return governor_.allowances(); }

    std::string budget_memory() const override { return governor_.memory(); }
    void remember_budget(std::string_view memory) override { governor_.remember(memory); }

private:
    static core::error told(core::error e, const http::response& answer, const std::string& object) {
        e.http_status = answer.status;
        e.object = object;
        e.request_id = scrub(answer.fields.find("request-id").value_or(""));
        return e;
    }

    /// Asks until the answer can be read. What a gateway puts in its place once is not there the next time; a
    /// link that leads astray is.
    template <class Read>
    task<core::result<Read>> get_readable(call c, std::function<core::result<Read>(std::string_view)> read) {
        constexpr unsigned most_readings = 3;
        retry_state readings(most_readings, c.verb == http::method::get);
        for (;;) {
            auto answer = co_await send(c);
            if (!answer) {
                co_return answer.error();
            }
            auto made = read(answer->body);
            if (made) {
                co_return std::move(*made);
            }
            verdict unread;
            unread.why = told(made.error(), *answer, c.object);
            unread.retry = unread.why.operation == following ? retry_class::never : retry_class::transient;
            const auto step = readings.next(unread, clock_.random());
            if (step.what == retry_state::action::give_up) {
                co_return std::move(unread.why);
            }
            ++stats_.retries;
            stats_.waited_for_service += step.pause;
            co_await clock_.sleep_until(clock_.now() + step.pause);
        }
    }

    /// Turns the hop into the one that a redirect asks for. The token goes on to Graph alone. Errors:
    /// protocol.
    core::result<void> follow(const call& c, hop& h, const http::response& answer) const {
        const auto refused = [&](core::error e) {
            e.operation = following;
            e.http_status = answer.status;
            return std::move(e).on(c.object);
        };
        if (!http::is_followed(c.verb, answer.status)) {
            return refused(
                {core::error_kind::protocol, "a redirect in answer to a request that changes something"}
            );
        }
        const auto from = http::parse_url(h.url);
        auto to = from ? h.redirects.next(*from, answer) : from.error();
        if (!to) {
            return refused(to.error());
        }
        const bool within = h.authorised && rules_.is_graph(*to);
        if (h.authorised && !within && h.sink == nullptr) {
            // What it would answer there is not for us to trust, and not for it to see.
            const auto host = http::parse_url(*to)->host;
            core::error e(
                core::error_kind::protocol,
                "the service redirects to " + host + ", which is not the Graph host"
            );
            e.hint = "check endpoints.graph and whether a proxy changes the answers";
            return refused(std::move(e));
        }
        const bool is_address = h.sink != nullptr && (answer.status == 302 || answer.status == 303);
        h.authorised = within && !is_address;
        if (!h.authorised) {
            if (auto allowed = rules_.check_download(*to); !allowed) {
                return refused(allowed.error());
            }
        }
        h.url = std::move(*to);
        return {};
    }

    http::request build(const call& c, const hop& h) const {
        http::request out;
        out.verb = c.verb;
        out.url = h.url;
        out.fields = c.fields;
        out.body = c.body;
        out.source = c.source;
        out.max_body_bytes = options_.max_json_bytes;
        out.repeatable = c.idempotent;
        out.fields.erase("Authorization");
        if (h.authorised) {
            out.fields.set("Authorization", "Bearer " + h.used_token);
        } else {
            out.fields.erase("Cookie");
        }
        if (!out.fields.find("User-Agent")) {
            out.fields.set("User-Agent", default_agent);
        }
        if (!out.fields.find("Accept")) {
            bool json = h.authorised && h.sink == nullptr;
            out.fields.set("Accept", json ? "application/json;odata.metadata=minimal" : "*/*");
        }
        if ((!out.body.empty() || out.source) && !out.fields.find("Content-Type")) {
            out.fields.set("Content-Type", out.source ? "application/octet-stream" : "application/json");
        }
        out.fields.set("client-request-id", auth::fresh_guid());
        return out;
    }

    /// The failure of a call that does not wait for the end of its scope's pause.
    std::optional<core::error> too_long(const call& c, steady_point now) const {
        const auto until = c.longest_pause ? governor_.paused_until(c.where) : std::nullopt;
        if (!until || *until <= now + *c.longest_pause) {
            return std::nullopt;
        }
        core::error e(core::error_kind::throttled, "the service asks to wait");
        e.code = paused_code;
        e.object = c.object;
        e.retry_after = std::chrono::ceil<std::chrono::milliseconds>(*until - now);
        return e;
    }

    // Leave of the scope and a token that is valid now; between this and sending nothing but a connection is
    // waited for.
    task<core::result<void>> prepare(std::shared_ptr<const call> c, std::shared_ptr<hop> h) {
        while (true) {
            auto ends = steady_point::max();
            if (h->authorised) {
                auto token = co_await tokens_.get();
                if (!token) {
                    co_return token.error();
                }
                h->used_token = std::move(token->value);
                ends = token->ends;
            }
            auto asked_at = clock_.now();
            if (auto paused = too_long(*c, asked_at)) {
                co_return std::move(*paused);
            }
            h->leave = co_await governor_.admit(c->where, c->resource_units);
            stats_.waited_for_service += clock_.now() - asked_at;
            // A long pause may have outlived the token.
            if (clock_.now() < ends) {
                co_return core::result<void>();
            }
            h->leave.end();
        }
    }

    task<core::result<http::response>> exchange(std::shared_ptr<const call> c, std::shared_ptr<hop> h) {
        http::request request = build(*c, *h);
        request.may_send = [this, h] { return governor_.still_holds(h->leave); };
        auto started = clock_.now();
        core::result<http::response> answer = core::error();
        if (h->sink != nullptr) {
            answer = co_await transport_.download(std::move(request), *h->sink);
        } else {
            answer = co_await transport_.send(std::move(request));
        }
        stats_.waited_for_network += clock_.now() - started;
        if (!answer && http::was_held_back(answer.error())) {
            co_return answer;
        }
        ++stats_.requests;
        if (c->where.svc == service::sharepoint) {
            stats_.resource_units += c->resource_units;
        }
        if (answer) {
            stats_.bytes_received += answer->body.size();
        }
        co_return answer;
    }

    verdict judge_answer(const call& c, hop& h, const core::result<http::response>& answer) {
        asked request;
        request.verb = c.verb;
        request.preauthenticated = !h.authorised;
        request.object = c.object;
        request.now = clock_.wall();
        verdict out = answer ? judge(request, *answer) : judge(request, answer.error());
        if (out.retry == retry_class::throttled) {
            ++stats_.throttled;
            governor_.refused(h.leave, out.why.retry_after);
        } else if (answer) {
            governor_.answered(h.leave, answer->fields);
        }
        stats_.answered += answer && !core::is_transient(out.why.kind) ? 1 : 0;
        return out;
    }

    /// The call through all its redirects.
    task<core::result<http::response>> run_through(call c, std::shared_ptr<hop> h, unsigned attempts) {
        h->url = rules_.absolute(c.target);
        h->authorised = !c.preauthenticated && rules_.is_graph(h->url);
        if (!h->authorised) {
            if (auto allowed = rules_.check_download(h->url); !allowed) {
                co_return allowed.error().on(c.object);
            }
        }
        const auto request = std::make_shared<const call>(std::move(c));
        retry_state retries(attempts, request->idempotent);
        for (;;) {
            auto answer = co_await run(request, h, retries);
            if (!answer || !http::is_redirect(answer->status)) {
                co_return answer;
            }
            if (auto led = follow(*request, *h, *answer); !led) {
                co_return led.error();
            }
        }
    }

    // One hop, with its retries.
    task<core::result<http::response>> run(
        std::shared_ptr<const call> c, std::shared_ptr<hop> h, retry_state& retries
    ) {
        while (true) {
            auto ready = co_await prepare(c, h);
            if (!ready) {
                co_return ready.error();
            }
            auto answer = co_await exchange(c, h);
            if (!answer && http::was_held_back(answer.error())) {
                h->leave.end();
                continue;
            }
            if (answer && answer->status < 400) {
                ++stats_.answered;
                governor_.answered(h->leave, answer->fields);
                h->leave.end();
                co_return answer;
            }
            verdict failed = judge_answer(*c, *h, answer);
            h->leave.end();
            retry_state::step step = retries.next(failed, clock_.random());
            if (step.what == retry_state::action::give_up) {
                co_return std::move(failed.why);
            }
            ++stats_.retries;
            if (step.what == retry_state::action::sign_in) {
                tokens_.reject(h->used_token, failed.why.claims);
            }
            if (step.pause.count() > 0) {
                stats_.waited_for_service += step.pause;
                co_await clock_.sleep_until(clock_.now() + step.pause);
            }
        }
    }

    http::transport& transport_;
    auth::token_source& tokens_;
    const client_options options_;
    async::timing& clock_;
    governor governor_;
    link_rules rules_;
    statistics stats_;
};

}  // namespace

std::unique_ptr<client> make_client(
    http::transport& transport, auth::token_source& tokens, client_options options, async::timing& clock
) {
    return std::make_unique<graph_client>(transport, tokens, std::move(options), clock);
}

std::unique_ptr<client> make_client(
    boost::asio::io_context&, http::transport& transport, auth::token_source& tokens, client_options options
) {
    return make_client(transport, tokens, std::move(options), async::system_timing());
}

}  // namespace m365stage::graph
