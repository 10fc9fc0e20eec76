#include "api/metrics.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <algorithm>

#include "api/process.hpp"
#include "api/state.hpp"
#include "api/status.hpp"
#include "core/log.hpp"

namespace m365stage::api {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

/// The families of one scrape.
class page {
public:
    /// Without a label.
    template <class Number>
    void gauge(const char* name, const char* help, Number value) {
        family(name, help, MetricType::Gauge);
        add({}, static_cast<double>(value));
    }
    template <class Number>
    void counter(const char* name, const char* help, Number value) {
        family(name, help, MetricType::Counter);
        add({}, static_cast<double>(value));
    }

    void family(const char* name, const char* help, MetricType type) {
        MetricFamily f;
        f.name = name;
        f.help = help;
        f.type = type;
        families_.push_back(std::move(f));
    }
    /// One more value of the last family.
    void add(std::vector<ClientMetric::Label> labels, double value) {
        ClientMetric m;
        m.label = std::move(labels);
        m.gauge.value = value;
        m.counter.value = value;
        families_.back().metric.push_back(std::move(m));
    }

    std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

private:
    std::vector<MetricFamily> families_;
};

void add_service(page& p, const service_state& s) {
    p.family("m365stage_build_info", "Version of the running program.", MetricType::Gauge);
    p.add({{"version", M365STAGE_VERSION}}, 1);
    p.gauge("m365stage_ready", "1 if a backup may run now, as /readyz says.", is_ready(s) ? 1 : 0);
    p.gauge(
        "m365stage_authenticated", "1 if the last sign-in to Microsoft 365 worked.", s.authenticated ? 1 : 0
    );
    p.gauge("m365stage_pass_running", "1 while a pass runs.", s.pass_started_at != 0 ? 1 : 0);
    p.family("m365stage_passes_total", "Passes that ended since the service started.", MetricType::Counter);
    p.add({{"outcome", "complete"}}, static_cast<double>(s.passes_complete));
    p.add({{"outcome", "degraded"}}, static_cast<double>(s.passes_degraded));
    p.add({{"outcome", "failed"}}, static_cast<double>(s.passes_failed));
    p.gauge(
        "m365stage_last_success_timestamp_seconds",
        "When a complete or degraded pass last ended; 0 if there was none.", s.last_success_at
    );
    p.gauge(
        "m365stage_next_pass_timestamp_seconds",
        "When the next pass begins by itself; 0 if it is not planned.", s.next_pass_at
    );
    p.gauge(
        "m365stage_last_pass_duration_seconds", "How long the last pass took; 0 if there was none.",
        s.last ? s.last->seconds : 0.0
    );
    p.gauge("m365stage_disk_free_bytes", "Free space where the stage lies.", s.disk_free_bytes);
}

void add_microsoft(page& p, const graph::statistics& g) {
    p.counter("m365stage_requests_total", "Requests sent to Microsoft 365.", g.requests);
    p.counter("m365stage_request_retries_total", "Requests that were sent again.", g.retries);
    p.counter("m365stage_throttled_requests_total", "Requests that were told to slow down.", g.throttled);
    p.counter(
        "m365stage_throttled_seconds_total",
        "Time that requests waited for budgets and Retry-After, summed up.", seconds_of(g.waited_for_service)
    );
    p.counter(
        "m365stage_network_seconds_total", "Time from sending a request to the end of its answer, summed up.",
        seconds_of(g.waited_for_network)
    );
    p.counter("m365stage_received_bytes_total", "Bytes of answers from Microsoft 365.", g.bytes_received);
    p.counter("m365stage_resource_units_total", "SharePoint resource units spent.", g.resource_units);
}

/// Limits that are not kept here have no line: absent means unlimited, or that nothing was asked yet.
void add_allowances(page& p, const std::vector<graph::allowance>& all) {
    auto family = [&](const char* name, const char* help, std::string_view scope,
                      double graph::allowance::* value) {
        const auto is_ours = [scope](const auto& a) { return a.scope == scope; };
        if (std::none_of(all.begin(), all.end(), is_ours)) {
            return;
        }
        p.family(name, help, MetricType::Gauge);
        for (const auto& a : all) {
            if (is_ours(a)) {
                p.add({{"window", std::string(a.window)}}, a.*value);
            }
        }
    };
    using graph::allowance;
    family(
        "m365stage_resource_units_left", "SharePoint resource units that may still be spent in the window.",
        "sharepoint", &allowance::left
    );
    family(
        "m365stage_resource_units_allowed", "SharePoint resource units that may be spent in a whole window.",
        "sharepoint", &allowance::allowed
    );
    family(
        "m365stage_mailbox_requests_left", "Requests that the most used mailbox may still get in the window.",
        "mailbox", &allowance::left
    );
    family(
        "m365stage_mailbox_requests_allowed", "Requests that a mailbox may get in a whole window.", "mailbox",
        &allowance::allowed
    );
}

void add_index(page& p, const index_numbers& n) {
    p.gauge("m365stage_generation", "Number of the tree's last generation.", n.generation);
    p.gauge("m365stage_items", "Items that Microsoft 365 has in the staged containers.", n.items);
    p.gauge("m365stage_staged_items", "Items whose present version lies in the tree.", n.staged_items);
    p.gauge("m365stage_bytes", "Size of the items, as Microsoft 365 gives it.", n.bytes);
    p.gauge("m365stage_coverage_ratio", "Staged items by items, 0 to 1.", n.coverage_ratio);
    p.family(
        "m365stage_owed_items", "Items whose present version does not lie in the tree, by reason.",
        MetricType::Gauge
    );
    for (const auto& [reason, count] : n.owed) {
        p.add({{"reason", reason}}, static_cast<double>(count));
    }
    p.gauge("m365stage_spooled_items", "Items that are fetched and wait to be put into the tree.", n.spooled);
    p.gauge("m365stage_spooled_bytes", "Size of what is fetched and waits.", n.spooled_bytes);
    p.gauge("m365stage_held_deletions", "Deletions that wait for a person.", n.held);
    p.family("m365stage_containers", "Drives, mailboxes, calendars and so on, by state.", MetricType::Gauge);
    for (const auto& [state, count] : n.containers) {
        p.add({{"state", state}}, static_cast<double>(count));
    }
    p.gauge("m365stage_failing_containers", "Containers whose last round failed.", n.failing_containers);
    p.gauge("m365stage_uncovered_owners", "What Microsoft 365 does not serve at all.", n.uncovered_owners);
    p.gauge("m365stage_leases", "Backup jobs that hold the tree still.", n.leases);
    p.gauge(
        "m365stage_lease_age_seconds", "How long the oldest lease has been held; 0 if there is none.",
        n.oldest_lease == 0 ? 0 : core::now_seconds() - n.oldest_lease
    );
}

void add_server(page& p, const traffic& t) {
    p.family("m365stage_api_requests_total", "Requests that this server answered.", MetricType::Counter);
    for (const auto& [what, count] : t.answers) {
        p.add(
            {{"endpoint", std::string(to_string(what.first))}, {"code", std::to_string(what.second)}},
            static_cast<double>(count)
        );
    }
    p.counter(
        "m365stage_api_refused_total",
        "Requests that were not readable, not allowed, or for nothing that there is.", t.refused
    );
    p.counter(
        "m365stage_api_turned_away_total", "Connections closed because there were too many.", t.turned_away
    );
    p.gauge("m365stage_api_connections", "Open connections to this server.", t.connections);
    p.gauge("m365stage_api_event_streams", "Listeners of /api/v1/events.", t.event_streams);
}

void add_process(page& p) {
    const auto facts = look_at_process();
    p.counter(
        "m365stage_log_lines_left_out_total", "Lines that the log left out in a storm.",
        core::log_lines_left_out()
    );
    p.gauge("process_resident_memory_bytes", "Resident memory.", facts.resident_bytes);
    p.counter("process_cpu_seconds_total", "User and system CPU time.", facts.cpu_seconds);
    p.gauge("process_open_fds", "Open file descriptors.", facts.open_files);
    p.gauge("process_max_fds", "Most file descriptors that may be open.", facts.most_files);
    p.gauge("process_start_time_seconds", "When the process started.", facts.started_at);
}

}  // namespace

index_numbers gather_index_numbers(index::database& db) {
    const auto s = gather_status(db);
    index_numbers n;
    n.generation = s.generation;
    n.items = s.count.known;
    n.staged_items = s.count.staged;
    n.bytes = s.count.bytes;
    n.coverage_ratio = n.items == 0 ? 1 : static_cast<double>(n.staged_items) / static_cast<double>(n.items);
    n.spooled = s.work.spooled;
    n.spooled_bytes = s.work.spooled_bytes;
    n.held = s.containers.held;
    n.failing_containers = s.containers.failing;
    n.containers = s.containers.by_state;
    std::int64_t failed = 0;
    for (const auto& g : s.failing) {
        n.owed[g.reason] = g.items;
        failed += g.items;
    }
    n.owed["waiting"] = std::max<std::int64_t>(0, n.items - n.staged_items - failed);
    n.uncovered_owners = static_cast<std::int64_t>(s.uncovered.size());
    n.leases = static_cast<std::int64_t>(s.leases.size());
    for (const auto& l : s.leases) {
        n.oldest_lease = n.oldest_lease == 0 ? l.since : std::min(n.oldest_lease, l.since);
    }
    return n;
}

std::string metrics_text(const service_state& s, const index_numbers* from_index, const traffic& t) {
    page p;
    add_service(p, s);
    add_microsoft(p, s.service);
    add_allowances(p, s.allowances);
    p.gauge("m365stage_index_readable", "1 if the index could be asked.", from_index != nullptr ? 1 : 0);
    if (from_index != nullptr) {
        add_index(p, *from_index);
    }
    add_server(p, t);
    add_process(p);
    return p.text();
}

}  // namespace m365stage::api
