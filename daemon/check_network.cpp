#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <ctime>

#include "core/http_date.hpp"
#include "daemon/check_report.hpp"
#include "daemon/runtime.hpp"

namespace m365stage::daemon {
namespace {

using namespace std::chrono_literals;

/// Runs a coroutine to its end and hands its value out.
template <class T>
T run_to_end(boost::asio::io_context& io, async::task<T> work) {
    std::optional<T> out;
    std::exception_ptr failure;
    boost::asio::co_spawn(io, std::move(work), [&](std::exception_ptr e, T value) {
        failure = e;
        out.emplace(std::move(value));
    });
    io.restart();
    io.run();
    if (failure) {
        std::rethrow_exception(failure);
    }
    return std::move(*out);
}

std::optional<std::chrono::seconds> skew_of(const http::response& r) {
    const auto date = core::parse_http_date(r.fields.find("Date").value_or(""));
    if (!date) {
        return std::nullopt;
    }
    return std::chrono::seconds(core::now_seconds() - *date);
}

/// Any HTTP answer means: there, and its certificate is good.
bool check_reachable(
    check_report& report, boost::asio::io_context& io, http::transport& transport, const std::string& what,
    const std::string& url, const std::string& proxy
) {
    http::request request;
    request.url = url;
    request.limits.connect = 10s;
    request.limits.first_byte = 20s;
    request.fields.set("User-Agent", std::string("NONISV|m365stage|m365stage/") + M365STAGE_VERSION);
    const auto start = std::chrono::steady_clock::now();
    auto answer = run_to_end(io, transport.send(std::move(request)));
    const auto took =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
    if (!answer) {
        auto e = answer.error();
        if (!proxy.empty() && e.hint.empty()) {
            e.hint = "all of it goes through endpoints.proxy " + proxy + ": see first that this answers";
        } else if (e.hint.empty()) {
            e.hint = "check network, DNS, endpoints.proxy, firewall and endpoints.ca_file";
        }
        report.fail(what, core::describe(e), "", core::exit_code::unreachable);
        return false;
    }
    const bool tls = url.starts_with("https:");
    report.ok(
        what, "reached in " + std::to_string(took.count()) + " ms" +
                  (tls ? ", TLS certificate verified" : ", without TLS")
    );
    if (const auto skew = skew_of(*answer)) {
        check_clock(report, what, *skew);
    }
    return true;
}

void check_token(
    check_report& report, boost::asio::io_context& io, auth::token_source& tokens, const std::string& who,
    const config::settings& settings, bool restore
) {
    auto token = run_to_end(io, tokens.get());
    if (!token) {
        report.fail(who + ": token", token.error());
        return;
    }
    const auto facts = auth::decode_token(token->value);
    const auto end = core::format_timestamp(std::chrono::system_clock::to_time_t(token->expires));
    if (!facts) {
        report.warn(
            who + ": token", "obtained, but it can't be read", "the granted permissions can't be told"
        );
        return;
    }
    const auto name = facts->app_name.empty() ? facts->app_id : facts->app_name;
    report.ok(who + ": token", "obtained for '" + name + "', good until " + end);
    std::string roles;
    for (const auto& r : facts->roles) {
        roles += (roles.empty() ? "" : ", ") + r;
    }
    report.ok(who + ": granted", roles.empty() ? "nothing" : roles);
    check_roles(report, who, facts->roles, settings.kinds, restore);
}

void check_app(
    check_report& report, const config::settings& settings, const config::app_settings& app,
    const std::string& who, bool restore
) {
    boost::asio::io_context io(1);
    auto c = connection::open(io, settings, app);
    if (!c) {
        report.fail(who + ": connection", c.error());
        return;
    }
    bool login = true;
    if (!restore) {
        login = check_reachable(
            report, io, *(*c)->transport, "login service",
            settings.endpoints.login + "/" + http::percent_encode(settings.tenant.id) +
                "/v2.0/.well-known/openid-configuration",
            settings.endpoints.proxy
        );
        check_reachable(
            report, io, *(*c)->transport, "Microsoft Graph", settings.endpoints.graph + "/v1.0/organization",
            settings.endpoints.proxy
        );
    }
    if (!login && app.proof != config::proof_kind::managed_identity) {
        report.fail(
            who + ": token", "not tried: the login service can't be reached", "", core::exit_code::unreachable
        );
        return;
    }
    check_token(report, io, *(*c)->tokens, who, settings, restore);
}

}  // namespace

void check_clock(check_report& report, const std::string& host, std::chrono::seconds skew) {
    const auto off = skew < 0s ? -skew : skew;
    const auto detail =
        std::to_string(off.count()) + " s " + (skew < 0s ? "behind" : "ahead of") + " " + host;
    const char* advice = "set the time by NTP (systemd-timesyncd, chrony): sign-in and cursors depend on it";
    if (off > 300s) {
        report.fail("clock", detail, advice, core::exit_code::auth);
    } else if (off > 60s) {
        report.warn("clock", detail, advice);
    } else {
        report.ok("clock", detail);
    }
}

void check_network(check_report& report, const config::settings& settings) {
    check_app(report, settings, settings.app, "app", false);
    if (settings.restore_app) {
        check_app(report, settings, *settings.restore_app, "restore_app", true);
    }
}

}  // namespace m365stage::daemon
