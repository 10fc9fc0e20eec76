#include "graph/client.hpp"

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
        work->url = rules_.absolute(c.target);
        work->authorised = !c.preauthenticated && rules_.is_graph(work->url);
        if (!work->authorised) {
            if (auto allowed = rules_.check_download(work->url); !allowed) {
                co_return allowed.error().on(c.object);
            }
        }
        auto request = std::make_shared<const call>(std::move(c));
        const auto attempts = request->max_attempts == 0 ? options_.max_attempts : request->max_attempts;
        retry_state retries(attempts, request->idempotent);
        auto answer = co_await run(request, work, retries);
        co_return answer;
    }

    task<core::result<nlohmann::json>> get_json(call c) override {
        std::string object = c.object;
        auto answer = co_await send(std::move(c));
        if (!answer) {
            co_return answer.error();
        }
        auto parsed = parse_object(answer->body);
        if (!parsed) {
            co_return told(parsed.error(), *answer, object);
        }
        co_return std::move(*parsed->value);
    }

    task<core::result<page>> get_page(call c) override {
        std::string object = c.object;
        const bool flat = c.flat;
        auto answer = co_await send(std::move(c));
        if (!answer) {
            co_return answer.error();
        }
        auto parsed = flat ? parse_flat_page(answer->body, rules_) : parse_page(answer->body, rules_);
        if (!parsed) {
            co_return told(parsed.error(), *answer, object);
        }
        co_return std::move(*parsed);
    }

    task<core::result<http::response>> download(call c, http::body_sink& sink) override {
        counting_sink counted(sink, stats_.bytes_received);
        auto work = std::make_shared<hop>();
        work->url = rules_.absolute(c.target);
        work->sink = &counted;
        auto request = std::make_shared<const call>(std::move(c));
        constexpr int most_redirects = 5;
        for (int hops = 0; hops <= most_redirects; ++hops) {
            // Only the first hop may be Graph's: a redirect never gets a token.
            work->authorised = hops == 0 && !request->preauthenticated && rules_.is_graph(work->url);
            if (!work->authorised) {
                if (auto allowed = rules_.check_download(work->url); !allowed) {
                    co_return allowed.error().on(request->object);
                }
            }
            // One attempt: the caller knows how far it got and resumes by Range.
            retry_state retries(1, request->idempotent);
            auto answer = co_await run(request, work, retries);
            if (!answer || !http::is_redirect(answer->status)) {
                co_return answer;
            }
            auto location = answer->fields.find("Location");
            if (!location) {
                core::error bad(core::error_kind::protocol, "a redirect without a Location");
                co_return std::move(bad).on(request->object);
            }
            auto from = http::parse_url(work->url);
            auto next = from ? http::resolve_location(*from, *location) : from.error();
            if (!next) {
                co_return next.error().on(request->object);
            }
            work->url = std::move(*next);
        }
        core::error bad(core::error_kind::protocol, "the download is redirected in a circle");
        co_return std::move(bad).on(request->object);
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

    // Leave of the scope and a token that is valid now; nothing is awaited between this and sending.
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
        ++stats_.requests;
        if (c->where.svc == service::sharepoint) {
            stats_.resource_units += c->resource_units;
        }
        auto started = clock_.now();
        core::result<http::response> answer = core::error();
        if (h->sink != nullptr) {
            answer = co_await transport_.download(std::move(request), *h->sink);
        } else {
            answer = co_await transport_.send(std::move(request));
        }
        stats_.waited_for_network += clock_.now() - started;
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
