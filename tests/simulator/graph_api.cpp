// Dispatch of requests to services, $batch, and the order of checks: faults, limits, token, handler.
#include <nlohmann/json.hpp>

#include "world.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

/// Charges SharePoint's budget; the refusal when it is used up.
bool over_limit(world& w, const request_kind& kind, response& out) {
    if (!w.limits.on() || kind.cost == 0 || (kind.service != "graph" && kind.service != "files")) {
        return false;
    }
    std::int64_t now = now_ms();
    std::int64_t wait = w.limits.charge(kind.cost, now);
    if (wait == 0) {
        return false;
    }
    out = graph_error(429, "activityLimitReached", "The request has been throttled.", "throttledRequest");
    std::string seconds = std::to_string((wait + 999) / 1000);
    out.set("Retry-After", seconds);
    if (w.limits.wants_headers()) {
        out.set("RateLimit-Limit", std::to_string(w.limits.limit()));
        out.set("RateLimit-Remaining", "0");
        out.set("RateLimit-Reset", seconds);
    }
    return true;
}

void add_limit_headers(world& w, response& out) {
    if (!w.limits.wants_headers() || !w.limits.on() || out.status >= 400) {
        return;
    }
    auto [left, reset] = w.limits.state(now_ms());
    if (left * 5 <= w.limits.limit()) {
        out.set("RateLimit-Limit", std::to_string(w.limits.limit()));
        out.set("RateLimit-Remaining", std::to_string(left));
        out.set("RateLimit-Reset", std::to_string(reset));
    }
}

/// Puts the bytes of a file into the body: a batch has no other place for them.
void read_whole(response& out) {
    if (!out.file) {
        return;
    }
    out.body.resize(static_cast<std::size_t>(out.file_length));
    out.body.resize(
        out.file->read(static_cast<std::uint64_t>(out.file_offset), out.body.data(), out.body.size())
    );
    out.file.reset();
}

/// A request to a mailbox holds one of the mailbox's places until its answer has been written.
response serve_within_limits(world& w, const request& r) {
    std::string name;
    outlook_path(r.path, name);
    mailbox* b = w.exchange.find(name);
    response out;
    auto place = w.exchange.limits.enter(b == nullptr ? name : b->address, r, now_ms(), out);
    if (!place) {
        return out;
    }
    out = serve_graph(w, r);
    out.held.push_back(std::move(place));
    if (w.exchange.latency_ms > 0) {
        out.spoilt().delay_ms += w.exchange.latency_ms;
    }
    return out;
}

response serve_kind(world& w, const request& r, const request_kind& kind) {
    if (kind.service == "admin") {
        return serve_admin(w, r);
    }
    if (kind.service == "imds") {
        return w.auth.managed_identity(r, w.now());
    }
    if (kind.service == "login") {
        return w.auth.login(r, w.now());
    }
    response out;
    if (kind.service == "files") {
        return over_limit(w, kind, out) ? std::move(out) : serve_files(w, r);
    }
    if (r.path.starts_with("/v1.0/monitor/")) {
        return serve_graph(w, r);  // monitor URLs carry their own right
    }
    if (!r.is_batch_part && !w.auth.check(r, w.now(), out)) {
        return out;
    }
    if (kind.service == "outlook") {
        return serve_within_limits(w, r);
    }
    if (over_limit(w, kind, out)) {
        return out;
    }
    out = serve_graph(w, r);
    add_limit_headers(w, out);
    return out;
}

}  // namespace

response serve(world& w, const request& r) {
    request_kind kind = classify(r);
    if (w.faults.empty()) {
        return serve_kind(w, r, kind);
    }
    response out;
    std::int64_t delay = 0;
    if (!w.faults.before(r, kind.service, out, delay)) {
        out = serve_kind(w, r, kind);
    }
    if (delay > 0) {
        out.spoilt().delay_ms += delay;
    }
    w.faults.after(r, kind.service, out);
    return out;
}

response serve_graph(world& w, const request& r) {
    std::string mailbox_name;
    if (outlook_path(r.path, mailbox_name)) {
        auto s = normal_segments(r.path);
        s.erase(s.begin());
        return serve_directory(w, r, s);
    }
    auto s = split(r.path, '/');
    s.erase(s.begin());  // v1.0
    if (s.empty()) {
        return graph_error(400, "BadRequest", "Resource not found for the segment ''.");
    }
    if (s[0] == "$batch" && r.method == "POST") {
        return serve_batch(w, r);
    }
    if (s[0] == "monitor" && s.size() == 2) {
        auto at = w.monitors.find(s[1]);
        if (at == w.monitors.end()) {
            return graph_error(404, "itemNotFound", "No such operation.");
        }
        return json_response(
            200, R"({"status":"completed","percentageComplete":100.0,"resourceId":")" + at->second + "\"}"
        );
    }
    if (s[0] == "drives" && s.size() >= 2) {
        drive* d = w.directory.find_drive(url_decode(s[1]));
        if (d == nullptr) {
            return graph_error(404, "itemNotFound", "The resource could not be found.");
        }
        return serve_drive(w, r, *d, {s.begin() + 2, s.end()});
    }
    return serve_directory(w, r, s);
}

namespace {

request batch_part(const request& whole, const json& part) {
    request sub;
    sub.is_batch_part = true;
    sub.method = part.value("method", "GET");
    sub.host = whole.host;
    std::string url = part.value("url", "");
    sub.target = "/v1.0" + std::string(url.starts_with("/") ? "" : "/") + url;
    auto question = sub.target.find('?');
    sub.path = sub.target.substr(0, question);
    sub.query = question == std::string::npos ? "" : sub.target.substr(question + 1);
    sub.parameters = parse_query(sub.query);
    for (const auto& [name, value] : part.value("headers", json::object()).items()) {
        sub.headers.emplace_back(lower(name), value.is_string() ? value.get<std::string>() : value.dump());
    }
    if (part.contains("body")) {
        const json& body = part["body"];
        sub.body = body.is_string() ? base64_decode(body.get<std::string>()).value_or("") : body.dump();
    }
    return sub;
}

/// A part's answer as it stands in the batch's answer.
json batch_answer(const std::string& id, const response& of) {
    json headers = json::object();
    for (const auto& [name, value] : of.headers) {
        headers[name] = value;
    }
    json out = {{"id", id}, {"status", of.status}, {"headers", headers}};
    if (!of.body.empty()) {
        bool is_json = of.content_type.starts_with("application/json");
        out["headers"]["Content-Type"] = is_json ? "application/json" : of.content_type;
        json body = is_json ? json::parse(of.body, nullptr, false) : json(json::value_t::discarded);
        out["body"] = body.is_discarded() ? json(base64(of.body)) : std::move(body);
    }
    return out;
}

}  // namespace

response serve_batch(world& w, const request& r) {
    json in = json::parse(r.body, nullptr, false);
    if (!in.is_object() || !in.contains("requests") || !in["requests"].is_array()) {
        return graph_error(400, "BadRequest", "Invalid batch payload format.");
    }
    if (in["requests"].size() > 20) {
        return graph_error(
            400, "BadRequest", "Number of batch request steps exceeds the maximum value of 20."
        );
    }
    std::map<std::string, int> done;
    json answers = json::array();
    std::vector<std::shared_ptr<void>> held;
    for (const auto& part : in["requests"]) {
        std::string id = part.value("id", "");
        if (id.empty() || done.contains(lower(id))) {
            return graph_error(400, "BadRequest", "Request Id values must be unique and not empty.");
        }
        bool allowed = true;
        for (const auto& before : part.value("dependsOn", json::array())) {
            auto at = done.find(lower(before.get<std::string>()));
            allowed = allowed && at != done.end() && at->second < 400;
        }
        response out;
        if (allowed) {
            if (held.size() >= 4) {
                held.erase(held.begin());  // Outlook works on four parts of a batch at a time
            }
            request sub = batch_part(r, part);
            request_kind kind = classify(sub);
            w.manners.arrived(sub, kind, now_ms());
            out = serve(w, sub);
            w.manners.answered(sub, kind, out, now_ms());
        } else {
            out = graph_error(424, "FailedDependency", "A request this one depends on has failed.");
        }
        done[lower(id)] = out.status;
        read_whole(out);
        for (auto& place : out.held) {
            held.push_back(std::move(place));
        }
        answers.push_back(batch_answer(id, out));
    }
    response out = json_response(200, dump({{"responses", answers}}));
    out.held = std::move(held);
    return out;
}

}  // namespace m365stage::sim
