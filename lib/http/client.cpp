#include <boost/asio/io_context.hpp>

#include "http/decoding_sink.hpp"
#include "http/exchange.hpp"
#include "http/gzip.hpp"
#include "http/pool.hpp"
#include "http/text.hpp"
#include "http/wire.hpp"

namespace m365stage::http {
namespace {

constexpr std::string_view held_back_code = "heldBack";

class client final : public transport {
public:
    client(boost::asio::io_context& io, client_options options, std::unique_ptr<connector> c)
        : options_(std::move(options)), connector_(std::move(c)), dog_(io), pool_(io, limits_of(options_)) {}

    task<core::result<response>> send(request r) override { return perform(std::move(r), nullptr); }
    task<core::result<response>> download(request r, body_sink& sink) override {
        return perform(std::move(r), &sink);
    }

    core::result<void> use_proxy(const std::string& url);

private:
    static pool_limits limits_of(const client_options& options) {
        pool_limits out;
        out.per_origin = std::max<std::size_t>(1, options.max_connections_per_origin);
        out.total = std::max<std::size_t>(1, options.max_connections);
        out.keep_idle = options.keep_idle;
        return out;
    }

    void add_defaults(request& r, bool is_download) const;
    bool goes_through_proxy(const url_parts& at) const { return !proxy_.host.empty() && !bypasses_proxy(at); }
    task<core::result<response>> perform(request r, body_sink* sink);
    task<core::result<response>> exchange_with(const request& r, const url_parts& at, body_sink* sink);
    task<core::result<void>> connect(pool::lease& l, const request& r, const url_parts& at);

    client_options options_;
    url_parts proxy_;
    std::unique_ptr<connector> connector_;
    watchdog dog_;
    pool pool_;
};

core::result<void> client::use_proxy(const std::string& url) {
    auto parsed = parse_url(url);
    if (!parsed || parsed->scheme != "http" || parsed->target != "/") {
        core::error bad(core::error_kind::usage, "the proxy's URL is not understood");
        bad.hint = "endpoints.proxy is written http://host:port";
        return bad;
    }
    proxy_ = std::move(*parsed);
    return {};
}

void client::add_defaults(request& r, bool is_download) const {
    const auto add = [&](std::string_view name, std::string_view value) {
        if (!value.empty() && !r.fields.find(name)) {
            r.fields.add(name, value);
        }
    };
    add("User-Agent", options_.user_agent);
    // Without Accept some file hosts answer Range requests with 416.
    add("Accept", is_download ? "*/*" : "");
    add("Accept-Encoding", is_download ? "identity" : "gzip");
}

/// Replaces a gzip body by what it means, and drops the fields that no longer fit.
core::result<void> decode(response& answer, std::uint64_t max_bytes) {
    const auto coding = answer.fields.find("Content-Encoding");
    if (!coding || answer.body.empty() || !(equal_names(*coding, "gzip") || equal_names(*coding, "x-gzip"))) {
        return {};
    }
    auto plain = gunzip(answer.body, max_bytes);
    if (!plain) {
        return plain.error();
    }
    answer.body = std::move(*plain);
    answer.fields.erase("Content-Encoding");
    answer.fields.erase("Content-Length");
    return {};
}

task<core::result<response>> client::perform(request r, body_sink* sink) {
    add_defaults(r, sink != nullptr);
    const auto at = parse_url(r.url);
    if (!at) {
        co_return at.error();
    }
    std::optional<decoding_sink> plain;
    if (sink != nullptr) {
        sink = &plain.emplace(*sink);
    }
    auto answer = co_await exchange_with(r, *at, sink);
    if (!answer) {
        co_return answer;
    }
    if (auto whole = plain ? plain->finish() : core::result<void>(); !whole) {
        co_return failure(whole.error().kind, r.verb, *at, whole.error().cause);
    }
    if (auto decoded = decode(*answer, r.max_body_bytes); !decoded) {
        co_return failure(decoded.error().kind, r.verb, *at, decoded.error().cause);
    }
    co_return answer;
}

task<core::result<response>> client::exchange_with(const request& r, const url_parts& at, body_sink* sink) {
    const bool absolute = at.scheme == "http" && goes_through_proxy(at);
    auto head = make_head(r, at, absolute ? target_form::absolute : target_form::origin);
    if (!head) {
        co_return failure(head.error().kind, r.verb, at, head.error().cause);
    }
    pool::origin& origin = pool_.at(at.origin());
    for (bool is_repeat = false;; is_repeat = true) {
        auto lease = co_await pool_.acquire(origin);
        if (!lease.connection) {
            auto connected = co_await connect(lease, r, at);
            if (!connected) {
                co_return std::move(connected).error();
            }
        }
        if (r.may_send && !r.may_send()) {
            lease.keep();
            co_return held_back();
        }
        exchange talk(*lease.connection, dog_, r, at);
        auto answer = co_await talk.run(*head, sink);
        if (answer && talk.can_reuse()) {
            lease.keep();
        }
        if (answer || is_repeat || !r.repeatable || !lease.is_reused || !talk.was_stale()) {
            co_return answer;
        }
        pool_.forget_idle(origin);
    }
}

task<core::result<void>> client::connect(pool::lease& l, const request& r, const url_parts& at) {
    route to;
    to.origin = at;
    to.session = l.session();
    if (goes_through_proxy(at)) {
        to.proxy_host = proxy_.host;
        to.proxy_port = proxy_.port;
        to.tunnel = at.scheme == "https";
        to.user_agent = options_.user_agent;
    }
    auto opened = co_await connector_->open(to, r.limits.connect, dog_);
    if (opened) {
        l.connection = std::move(*opened);
        co_return core::result<void>();
    }
    const core::error& why = opened.error();
    std::string text = why.cause;
    if (why.kind == core::error_kind::timeout) {
        text += ": no connection within " + in_words(r.limits.connect);
    }
    core::error out = failure(why.kind, r.verb, at, text);
    out.hint = why.hint;
    co_return out;
}

}  // namespace

core::error held_back() {
    core::error e(core::error_kind::busy, "the request has to wait once more");
    e.code = held_back_code;
    return e;
}

bool was_held_back(const core::error& e) {
    return e.kind == core::error_kind::busy && e.code == held_back_code;
}

core::result<std::unique_ptr<transport>> make_client(boost::asio::io_context& io, client_options options) {
    auto connect = make_connector(io, options.ca_file, options.ipv4_only);
    if (!connect) {
        return connect.error();
    }
    const std::string proxy = options.proxy;
    auto out = std::make_unique<client>(io, std::move(options), std::move(*connect));
    if (!proxy.empty()) {
        if (auto understood = out->use_proxy(proxy); !understood) {
            return understood.error();
        }
    }
    return std::unique_ptr<transport>(std::move(out));
}

}  // namespace m365stage::http
