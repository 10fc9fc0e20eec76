#include "faults.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

namespace m365stage::sim {

using nlohmann::json;

namespace {

const std::vector<std::string> matcher_keys = {"type",        "method", "path",     "service",
                                               "drive",       "item",   "nth",      "count",
                                               "probability", "seed",   "delay_ms", "match"};

const fault_kind* find_kind(const std::string& name) {
    for (const auto& k : fault_kinds()) {
        if (name == k.name) {
            return &k;
        }
    }
    return nullptr;
}

const fault_parameter* find_parameter(const fault_kind& kind, const std::string& key) {
    const auto found =
        std::find_if(kind.parameters.begin(), kind.parameters.end(), [&](const fault_parameter& p) {
            return key == p.name;
        });
    return found == kind.parameters.end() ? nullptr : &*found;
}

}  // namespace

std::uint64_t fault_engine::add(const json& given, std::string& error) {
    json spec = given;
    if (spec.contains("match") && spec["match"].is_object()) {
        json match = spec["match"];
        spec.erase("match");
        spec.update(match);
    }
    std::string type = spec.value("type", "");
    const fault_kind* kind = find_kind(type);
    if (kind == nullptr) {
        error = "faults: there is no type '" + type + "'; GET /_sim/faults?kinds=1 lists them";
        return 0;
    }
    for (const auto& [key, value] : spec.items()) {
        bool known = std::find(matcher_keys.begin(), matcher_keys.end(), key) != matcher_keys.end();
        const auto* parameter = find_parameter(*kind, key);
        if (!known && parameter == nullptr) {
            error = "faults: '" + type + "' has no parameter '" + key + "'";
            return 0;
        }
        if (parameter != nullptr && parameter->valid != nullptr && !parameter->valid(value)) {
            error = "faults: '" + key + "' of '" + type + "' is " + parameter->meaning;
            return 0;
        }
    }
    fault f;
    f.id = ++next_id_;
    f.kind = kind;
    f.parameters = std::make_shared<json>(spec);
    f.method = spec.value("method", "");
    f.service = spec.value("service", "");
    f.drive = spec.value("drive", "");
    f.item = spec.value("item", "");
    f.nth = spec.value("nth", std::int64_t{0});
    f.count = spec.value("count", f.nth > 0 ? std::int64_t{1} : std::int64_t{-1});
    f.probability = spec.value("probability", 1.0);
    f.delay_ms = spec.value("delay_ms", std::int64_t{0});
    f.dice = rng(spec.value("seed", std::uint64_t{1}) + f.id);
    f.path_text = spec.value("path", "");
    try {
        if (!f.path_text.empty()) {
            f.path.emplace(f.path_text, std::regex::ECMAScript | std::regex::optimize);
        }
    } catch (const std::regex_error& e) {
        error = "faults: path '" + f.path_text + "' is no regular expression: " + e.what();
        return 0;
    }
    plan_.push_back(std::move(f));
    return next_id_;
}

bool fault_engine::remove(std::uint64_t id) {
    return std::erase_if(plan_, [&](const fault& f) { return f.id == id; }) > 0;
}

json fault_engine::list() const {
    json out = json::array();
    for (const auto& f : plan_) {
        json one = *f.parameters;
        one["id"] = f.id;
        one["seen"] = f.seen;
        one["struck"] = f.struck;
        one["left"] = f.count;
        out.push_back(std::move(one));
    }
    return out;
}

bool fault_engine::matches(fault& f, const request& r, std::string_view service) {
    if (r.is_moved && std::string_view(f.kind->name) == "redirect") {
        return false;
    }
    if (!f.method.empty() && f.method != r.method) {
        return false;
    }
    if (!f.service.empty() && !service.empty() && f.service != service) {
        return false;
    }
    if (!f.drive.empty() && f.kind->stage != fault_stage::feed && r.path.find(f.drive) == r.path.npos) {
        return false;
    }
    return !f.path || std::regex_search(r.target, *f.path);
}

bool fault_engine::strikes(fault& f) {
    ++f.seen;
    if (f.count == 0 || f.seen < f.nth || !f.dice.chance(f.probability)) {
        return false;
    }
    f.count -= f.count > 0 ? 1 : 0;
    ++f.struck;
    return true;
}

bool fault_engine::before(const request& r, std::string_view service, response& out, std::int64_t& delay_ms) {
    if (service == "admin") {
        return false;
    }
    for (auto& f : plan_) {
        if (f.kind->stage != fault_stage::before || (f.service.empty() && service == "imds") ||
            !matches(f, r, service) || !strikes(f)) {
            continue;
        }
        delay_ms += f.delay_ms;
        f.kind->apply(*f.parameters, r, out);
        return true;
    }
    return false;
}

void fault_engine::after(const request& r, std::string_view service, response& out) {
    if (service == "admin") {
        return;
    }
    for (auto& f : plan_) {
        if (f.kind->stage == fault_stage::after && matches(f, r, service) && strikes(f)) {
            f.kind->apply(*f.parameters, r, out);
            if (f.delay_ms > 0) {
                out.spoilt().delay_ms += f.delay_ms;
            }
        }
    }
}

const json* fault_engine::take(std::string_view kind, const feed_context& c) {
    for (auto& f : plan_) {
        bool fits = f.kind->stage == fault_stage::feed && kind == f.kind->name &&
                    (f.drive.empty() || f.drive == c.drive) && (f.item.empty() || f.item == c.item);
        if (fits && (c.http == nullptr || matches(f, *c.http, "")) && strikes(f)) {
            return f.parameters.get();
        }
    }
    return nullptr;
}

const json* fault_engine::habit(std::string_view kind, const feed_context& c) {
    for (auto& f : plan_) {
        bool fits = f.kind->stage == fault_stage::feed && kind == f.kind->name &&
                    (f.drive.empty() || f.drive == c.drive) && (f.item.empty() || f.item == c.item);
        if (!fits) {
            continue;
        }
        // A habit with a probability concerns always the same items.
        bool chosen = f.probability >= 1.0 || c.item.empty() ||
                      static_cast<double>(hash_of(c.item, f.id) % 10000) < f.probability * 10000;
        if (chosen) {
            ++f.struck;
            return f.parameters.get();
        }
    }
    return nullptr;
}

namespace {

/// The faults of a preset; none if there is none of that name.
std::vector<json> faults_of_preset(std::string_view name) {
    if (name == "storm") {
        return {
            {{"type", "throttle"},
             {"service", "graph"},
             {"probability", 0.04},
             {"retry_after", "seconds"},
             {"seconds", 1}},
            {{"type", "throttle"},
             {"service", "graph"},
             {"probability", 0.01},
             {"retry_after", "decimal"},
             {"seconds", 0.249}},
            {{"type", "throttle"},
             {"service", "graph"},
             {"probability", 0.01},
             {"retry_after", "absent"},
             {"status", 503}},
            {{"type", "error"}, {"service", "graph"}, {"probability", 0.02}, {"status", 500}},
            {{"type", "html"}, {"service", "graph"}, {"probability", 0.01}, {"status", 502}},
            {{"type", "empty_body"}, {"service", "graph"}, {"probability", 0.01}, {"status", 503}},
            {{"type", "empty_body"}, {"service", "graph"}, {"probability", 0.01}, {"status", 404}},
            {{"type", "expired_token"}, {"service", "graph"}, {"probability", 0.005}},
            {{"type", "invalid_request"}, {"service", "graph"}, {"probability", 0.005}},
            {{"type", "payload_read"}, {"service", "graph"}, {"probability", 0.005}},
            {{"type", "reset"}, {"probability", 0.02}, {"after_bytes", 100}},
            {{"type", "short_body"}, {"probability", 0.02}, {"bytes", 200}},
            {{"type", "truncated_json"}, {"service", "graph"}, {"method", "GET"}, {"probability", 0.01}},
            {{"type", "error"}, {"service", "files"}, {"probability", 0.02}, {"status", 503}},
            {{"type", "expired_url"}, {"service", "files"}, {"probability", 0.02}},
            {{"type", "empty_pages"}, {"probability", 0.1}},
            {{"type", "duplicates"}, {"probability", 0.1}},
            {{"type", "child_before_parent"}, {"probability", 0.1}},
            {{"type", "replay"}, {"probability", 0.1}, {"items", 5}},
            {{"type", "resync"}, {"probability", 0.01}},
            {{"type", "incoherent_view"}, {"probability", 0.01}}
        };
    }
    if (name == "throttled") {
        return {
            {{"type", "throttle"},
             {"service", "graph"},
             {"probability", 0.2},
             {"retry_after", "seconds"},
             {"seconds", 1}},
            {{"type", "throttle"}, {"service", "graph"}, {"probability", 0.05}, {"retry_after", "absent"}}
        };
    }
    if (name == "odd_feed") {
        return {
            {{"type", "empty_pages"}, {"probability", 0.3}},
            {{"type", "duplicates"}, {"probability", 0.3}},
            {{"type", "child_before_parent"}, {"probability", 0.5}},
            {{"type", "replay"}, {"probability", 0.3}, {"items", 10}},
            {{"type", "omit_parent_path"}},
            {{"type", "omit_ctag"}},
            {{"type", "implicit_child_tombstones"}},
            {{"type", "zero_child_count"}}
        };
    }
    if (name == "flaky_network") {
        return {
            {{"type", "reset"}, {"probability", 0.05}, {"after_bytes", 0}},
            {{"type", "reset"}, {"probability", 0.05}, {"after_bytes", 300}},
            {{"type", "short_body"}, {"probability", 0.05}, {"bytes", 100}},
            {{"type", "trickle"}, {"probability", 0.02}, {"bytes", 512}, {"every_ms", 5}}
        };
    }
    return {};
}

}  // namespace

bool fault_engine::add_preset(const std::string& name, std::uint64_t seed) {
    std::vector<json> plan = faults_of_preset(name);
    if (plan.empty()) {
        return false;
    }
    // What befalls drives befalls mailboxes too.
    for (std::size_t i = 0, n = plan.size(); i < n; ++i) {
        if (plan[i].value("service", "") == "graph") {
            plan.push_back(plan[i]);
            plan.back()["service"] = "outlook";
        }
    }
    for (auto& spec : plan) {
        spec["seed"] = seed;
        std::string error;
        add(spec, error);
    }
    return true;
}

}  // namespace m365stage::sim
