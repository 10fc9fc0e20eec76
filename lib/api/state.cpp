#include "api/state.hpp"

#include <nlohmann/json.hpp>

#include "api/documents.hpp"

namespace m365stage::api {
namespace {

using nlohmann::json;

json progress_document(const service_state& s) {
    if (s.pass_started_at == 0) {
        return nullptr;
    }
    static const sync::pass_counters nothing_yet;
    const auto& c = s.running != nullptr ? *s.running : nothing_yet;
    return json{
        {"started_at", time_document(s.pass_started_at)},
        {"owners", c.owners},
        {"containers", c.containers},
        {"containers_done", c.containers_done},
        {"rounds_done", c.rounds_done},
        {"rounds_failed", c.rounds_failed},
        {"pages", c.pages},
        {"items_seen", c.items_seen},
        {"items_changed", c.items_changed},
        {"to_fetch", c.to_fetch},
        {"fetched", c.fetched},
        {"fetched_bytes", c.fetched_bytes},
        {"fetch_failed", c.fetch_failed},
        {"applied", c.applied},
        {"errors", c.error_count}
    };
}

/// Without the lines of its errors: an event every second would carry them along.
json last_pass_document(const service_state& s) {
    if (!s.last) {
        return nullptr;
    }
    auto out = pass_document(*s.last);
    out["errors"] = s.last->counters.error_count;
    return out;
}

json requests_document(const graph::statistics& g) {
    return json{
        {"sent", g.requests},
        {"retries", g.retries},
        {"throttled", g.throttled},
        {"throttled_seconds", seconds_of(g.waited_for_service)},
        {"network_seconds", seconds_of(g.waited_for_network)},
        {"bytes_received", g.bytes_received},
        {"resource_units", g.resource_units}
    };
}

json allowances_document(const std::vector<graph::allowance>& all) {
    json out = json::array();
    for (const auto& a : all) {
        out.push_back({{"scope", a.scope}, {"window", a.window}, {"allowed", a.allowed}, {"left", a.left}});
    }
    return out;
}

json no_answer_document(const service_state& s) {
    if (!s.no_answer) {
        return nullptr;
    }
    return json{{"since", time_document(s.no_answer_since)}, {"error", error_document(*s.no_answer)}};
}

json reasons_document(const service_state& s, bool details) {
    json reasons = json::array();
    for (const auto& e : s.not_ready) {
        reasons.push_back(details ? error_document(e) : json{{"kind", core::to_string(e.kind)}});
    }
    if (s.stopping) {
        core::error e(core::error_kind::cancelled, "the service is stopping");
        reasons.push_back(details ? error_document(e) : json{{"kind", core::to_string(e.kind)}});
    }
    return reasons;
}

}  // namespace

double seconds_of(std::chrono::nanoseconds t) {
    return std::chrono::duration<double>(t).count();
}

bool is_ready(const service_state& s) {
    return s.not_ready.empty() && !s.stopping;
}

json readiness_document(const service_state& s, bool details) {
    return json{{"ready", is_ready(s)}, {"reasons", reasons_document(s, details)}};
}

json service_document(const service_state& s) {
    return json{
        {"now", time_document(core::now_seconds())},
        {"started_at", time_document(s.started_at)},
        {"ready", is_ready(s)},
        {"not_ready", reasons_document(s, true)},
        {"authenticated", s.authenticated},
        {"pass", progress_document(s)},
        {"last_pass", last_pass_document(s)},
        {"last_success_at", time_document(s.last_success_at)},
        {"next_pass_at", time_document(s.next_pass_at)},
        {"passes",
         {{"complete", s.passes_complete}, {"degraded", s.passes_degraded}, {"failed", s.passes_failed}}},
        {"disk_free_bytes", s.disk_free_bytes},
        {"requests", requests_document(s.service)},
        {"allowances", allowances_document(s.allowances)},
        {"no_answer", no_answer_document(s)}
    };
}

json grant_document(const lease_grant& g) {
    json reasons = json::array();
    for (const auto& r : g.owed_reasons) {
        reasons.push_back(failing_document(r));
    }
    json stale = json::array();
    for (const auto& c : g.stale_containers) {
        stale.push_back(
            {{"container", c.container},
             {"state", c.state},
             {"reason", c.reason},
             {"since", time_document(c.since)}}
        );
    }
    auto out = lease_document(g.lease);
    out.update(json{
        {"generation", g.generation},
        {"items", g.items},
        {"staged", g.staged},
        {"bytes", g.bytes},
        {"owed", g.owed},
        {"held", g.held},
        {"coverage_percent", g.coverage_percent},
        {"fresh_at", time_document(g.fresh_at)},
        {"repeated", g.repeated},
        {"owed_reasons", std::move(reasons)},
        {"containers", g.containers},
        {"stale_containers", std::move(stale)}
    });
    return out;
}

}  // namespace m365stage::api
