#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "async/task.hpp"
#include "core/error.hpp"
#include "graph/allowance.hpp"
#include "http/http.hpp"

namespace m365stage::auth {
class token_source;
}

namespace m365stage::graph {

class flat_json;

using async::task;

/// Throttling scopes (contract, section 3). Every request belongs to one; all requests of a scope share its
/// budget and its pauses.
enum class service { directory, sharepoint, outlook };

struct scope {
    scope() = default;
    scope(service s, std::string k = {}) : svc(s), key(std::move(k)) {}
    service svc = service::directory;
    std::string key;  ///< outlook: the mailbox (user or group id); otherwise empty
    bool operator==(const scope&) const = default;
};

/// One request to Graph.
struct call {
    call() = default;
    http::method verb = http::method::get;
    std::string target;  ///< "/v1.0/..." relative to the Graph host, or an absolute nextLink/deltaLink, used
                         ///< untouched
    http::header_list fields;  ///< Prefer, If-Match, ...; authorisation, agent and request ids are added
    std::string body;          ///< sent as application/json unless `fields` has a Content-Type
    std::shared_ptr<http::body_source> source;  ///< in place of `body`: content that is read while it is sent
    graph::scope where;
    /// `target` is a pre-authenticated URL (a download or upload address): no authorisation goes there, also
    /// if it leads to the Graph host, and its errors come as they are.
    bool preauthenticated = false;
    unsigned resource_units = 1;  ///< SharePoint cost (contract 3.2)
    /// Set: a call whose scope is paused for longer is not sent and not waited for; it fails with the code
    /// `paused_code`. For those who have other work meanwhile.
    std::optional<std::chrono::seconds> longest_pause;
    unsigned max_attempts = 0;  ///< for transient failures; 0: as in `client_options`
    bool flat = false;          ///< of a page: `page::flat` is wanted, not `page::value`
    bool idempotent = true;     ///< false: transient failures after the request was sent are not repeated
    std::string object;         ///< what it is about, in the user's words, for errors
};

inline constexpr std::string_view paused_code = "paused";

/// One page of a collection or delta feed.
struct page {
    page();
    page(page&&) noexcept;
    page& operator=(page&&) noexcept;
    ~page();
    std::unique_ptr<nlohmann::json> value;  ///< always an array; elements may be anything
    std::unique_ptr<flat_json> flat;  ///< in place of `value`, if the call asked for it: the whole answer
    std::string next_link;            ///< exactly one of the two is set in a delta feed;
    std::string delta_link;           ///< a plain collection's last page has neither
    bool repaired = false;            ///< the JSON had to be mended (lone surrogates, raw control characters)

    // What a source says of a page that it put together itself.
    bool anew = false;     ///< links tell no more: the round behind this one begins without a cursor
    bool partial = false;  ///< things may be missing that are there: nothing is taken for gone
    core::error doubt;     ///< what a person should know of that; no cause: nothing
};

/// `value` in place of `flat`.
void unflatten(page& p);

/// Time spent, by what it was spent on, and what the service said, since start; for `status` and the metrics.
struct statistics {
    statistics() = default;
    std::uint64_t requests = 0, retries = 0, throttled = 0, bytes_received = 0;
    std::uint64_t answered = 0;  ///< by the service with what was asked for, or a refusal that is its own
    double resource_units = 0;
    std::chrono::nanoseconds waited_for_service{0};  ///< pauses and budgets, summed over requests
    std::chrono::nanoseconds waited_for_network{0
    };  ///< from sending to the end of the body, summed over requests
};

struct client_options {
    client_options() = default;
    std::string graph_url = "https://graph.microsoft.com";
    std::uint64_t max_json_bytes = 16u << 20;
    unsigned max_attempts = 6;  ///< for transient failures; throttling does not count against it
    /// SharePoint's resource units a minute: nullopt = unlimited; `learn` moves the budget by what the
    /// service does.
    std::optional<double> sharepoint_units_per_minute;
    std::optional<double> sharepoint_units_per_day;
    bool learn = true;
    unsigned mailbox_concurrency = 4;
    std::optional<double> mailbox_requests_per_10min = 10'000;
    /// Host name suffixes that pre-authenticated URLs may have besides the Graph host; empty list: any host.
    std::vector<std::string> download_hosts;
};

/// Microsoft Graph: authorisation, retries with full jitter, Retry-After to the letter, budgets and pauses
/// per scope, typed errors. Errors:  everything in core::error_kind that has an HTTP meaning; transient ones
/// have been tried
///          `max_attempts` times. `not_found`, `resync`, `forbidden`... are never retried.
/// Cancel:  at any await. Threads: the io_context's thread only. Lifetime: outlives its calls.
class client {
public:
    virtual ~client() = default;

    /// Any status below 300 is a success. JSON errors become typed errors. An absolute `target` on another
    /// host never gets any authorisation; nor does one that is `preauthenticated`. Redirects are followed: of
    /// Graph within its host, and a GET's by any status, others by 307 and 308 (contract 2.4).
    /// Errors besides: protocol (a redirect that leads elsewhere or nowhere).
    virtual task<core::result<http::response>> send(call c) = 0;

    /// A JSON object. Errors besides: protocol (no object, HTML), too_large. A GET that is answered with
    /// something else is tried again twice.
    virtual task<core::result<nlohmann::json>> get_json(call c) = 0;

    /// A page of a collection, as `get_json` does it. Refuses links that leave the Graph host (protocol).
    virtual task<core::result<page>> get_page(call c) = 0;

    /// The body of a 200/206 goes to `sink`. A `target` on the Graph host is authorised. Its 302 leads to a
    /// pre-authenticated address and is followed without Authorization; where the whole request is redirected
    /// (301, 307, 308) that goes on within the Graph host. A URL on another host never gets any.
    /// One attempt only (besides pauses for throttling, one renewal of a token and refusals that are now and
    /// then a hiccup): the caller resumes by Range. Errors of a pre-authenticated URL come as they are: 401,
    /// 403, 404 there usually mean that it has expired.
    virtual task<core::result<http::response>> download(call c, http::body_sink& sink) = 0;

    /// True for a link that leads to Graph as it is configured. A stored one that does not is of an endpoint
    /// of before: it must not be asked. Any thread.
    virtual bool is_own(std::string_view link) const = 0;

    virtual statistics stats() const = 0;

    /// Until when calls of this scope are paused (Retry-After); nullopt: not paused.
    virtual std::optional<std::chrono::steady_clock::time_point> paused_until(const scope& s) const = 0;

    /// SharePoint units of the current budget a minute, as learnt; nullopt: unlimited.
    virtual std::optional<double> sharepoint_budget() const = 0;

    /// What is left of the budgets that this client keeps; a budget that is unlimited is left out.
    virtual std::vector<allowance> allowances() const = 0;

    /// What was learnt of SharePoint's budget and what was spent of the day's, as text to be kept over a
    /// restart.
    virtual std::string budget_memory() const = 0;
    /// Goes on from there. Does nothing after the first call, for text that is not understood, and for a
    /// budget that the configuration has changed since.
    virtual void remember_budget(std::string_view memory) = 0;
};

std::unique_ptr<client> make_client(
    boost::asio::io_context& io, http::transport& transport, auth::token_source& tokens,
    client_options options
);

/// The units of one call, as contract 3.2 lists them.
namespace units {
inline constexpr unsigned single = 1, delta_with_token = 1, download = 1, query = 2, write = 2,
                          permissions = 5;
}

/// SharePoint's published budget for a tenant of that many licences: units a minute and a day (contract 3.2).
struct sharepoint_budget {
    double per_minute;
    double per_day;
};
sharepoint_budget published_budget(unsigned licences);

}  // namespace m365stage::graph
