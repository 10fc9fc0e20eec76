#include "api/status.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>

#include "api/documents.hpp"
#include "tree/names.hpp"

namespace m365stage::api {
namespace {

using nlohmann::json;

constexpr int shown_passes = 5;
constexpr int shown_examples = 3;

json pass_row_document(const status_report& s, const index::pass_row& p) {
    const pass_numbers known(p);
    auto three = [](double v) { return std::round(v * 1000) / 1000; };
    json waiting{{"service", nullptr}, {"network", nullptr}, {"disk", nullptr}};
    if (known.waited) {
        waiting = json{
            {"service", three(known.waited->service)},
            {"network", three(known.waited->network)},
            {"disk", three(known.waited->disk)}
        };
    }
    auto numbers = json::parse(p.numbers, nullptr, false);
    if (!numbers.is_object()) {
        numbers = json::object();
    }
    const json took = known.seconds ? json(*known.seconds) : json();
    return json{
        {"id", p.id},
        {"started_at", time_document(p.started_at)},
        {"finished_at", time_document(p.finished_at)},
        {"outcome", s.outcome_of(p)},
        {"generation", p.generation},
        {"seconds", took},
        {"waiting", std::move(waiting)},
        {"numbers", std::move(numbers)}
    };
}

json containers_document(const status_report& s) {
    return json{
        {"total", s.containers.all},
        {"items", s.count.known},
        {"bytes", s.count.bytes},
        {"by_state", s.containers.by_state},
        {"failing", s.containers.failing}
    };
}

json container_list(index::database& db, const status_extent& extent, bool& cut) {
    using index::which_containers;
    json out = json::array();
    const auto which = extent.all_containers ? which_containers::all : which_containers::noteworthy;
    index::each_container(db, which, "", [&](const index::container& c) {
        cut = out.size() >= extent.longest_list;
        if (!cut) {
            out.push_back(container_document(c));
        }
        return !cut;
    });
    return out;
}

template <class From, class Row>
json list_of(const From& from, Row row) {
    json out = json::array();
    for (const auto& element : from) {
        out.push_back(row(element));
    }
    return out;
}

}  // namespace

std::string status_report::outcome_of(const index::pass_row& p) const {
    if (p.finished_at) {
        return p.outcome;
    }
    return pass_runs && &p == passes.data() ? "running" : "interrupted";
}

status_report gather_status(index::database& db) {
    status_report s;
    s.generation = index::last_generation(db);
    s.passes = index::last_passes(db, shown_passes);
    s.containers = index::count_containers(db);
    s.work = index::count_backlog(db);
    s.count = index::count_staged(db, s.work);
    s.failing = index::failing_items(db, shown_examples, tree::local_name);
    s.uncovered = index::not_covered(db);
    s.leases = index::active_leases(db, s.now);
    s.held = index::held_containers(db, 0, tree::local_name);
    return s;
}

json passes_document(const status_report& s) {
    return list_of(s.passes, [&s](const index::pass_row& p) { return pass_row_document(s, p); });
}

json status_document(index::database& db, const status_report& s, const status_extent& extent, json service) {
    bool cut = false;
    auto containers = container_list(db, extent, cut);
    const auto told = std::min(extent.longest_list, s.uncovered.size());
    cut = cut || told < s.uncovered.size();
    auto uncovered = list_of(std::span(s.uncovered).first(told), [](const index::uncovered& u) {
        return json{{"owner", u.owner}, {"reason", u.reason}, {"since", time_document(u.since)}};
    });
    auto guard = list_of(s.held, [](const index::held_container& h) {
        return json{{"container", h.key}, {"held", h.held}, {"approved", h.approved}};
    });
    return json{
        {"generation", s.generation},
        {"running", s.running ? json(*s.running) : json()},
        {"coverage_percent", s.count.percent()},
        {"items", {{"known", s.count.known}, {"staged", s.count.staged}}},
        {"backlog",
         {{"to_fetch", s.work.to_fetch},
          {"spooled", s.work.spooled},
          {"spooled_bytes", s.work.spooled_bytes},
          {"failed", s.work.failed}}},
        {"passes", passes_document(s)},
        {"containers", containers_document(s)},
        {"container_list", std::move(containers)},
        {"failing", list_of(s.failing, failing_document)},
        {"not_covered", std::move(uncovered)},
        {"lists_cut", cut},
        {"leases", list_of(s.leases, lease_document)},
        {"guard", std::move(guard)},
        {"service", std::move(service)}
    };
}

}  // namespace m365stage::api
