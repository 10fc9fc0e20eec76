#include "manners.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <regex>

#include "exchange/exchange.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != text.npos;
}

request_kind classify_drive(const request& r) {
    const std::string& p = r.path;
    if (r.method != "GET") {
        bool sharing = p.ends_with("/invite") || p.ends_with("/createLink") || has(p, "/permissions");
        return {
            "graph", sharing ? "sharing" : (p.ends_with("/createUploadSession") ? "upload_session" : "write"),
            sharing ? 5 : 2
        };
    }
    if (has(p, "/list/") || has(p, "/listItem")) {
        bool single = has(p, "/listItem") || r.has_parameter("token");
        return {"graph", "columns", single ? 1 : 2};
    }
    if (has(p, "/root/delta") || has(p, "/delta")) {
        bool with_token = r.has_parameter("token") || has(p, "token=");
        return {"graph", with_token ? "delta_page" : "delta", with_token ? 1 : 2};
    }
    if (p.ends_with("/permissions") || has(r.query, "expand=permissions")) {
        return {"graph", "permissions", 5};
    }
    if (p.ends_with("/children")) {
        return {"graph", "children", 2};
    }
    if (p.ends_with("/content")) {
        return {"graph", "content_redirect", 1};
    }
    if (has(p, "/versions")) {
        return {"graph", "versions", 2};
    }
    bool item = has(p, "/items/") || has(p, "/root");
    return {"graph", item ? "item_get" : "drive_get", 1};
}

/// What Outlook was asked for. It costs no units of SharePoint; its limits are per mailbox.
request_kind classify_outlook(const request& r) {
    const std::string& p = r.path;
    if (r.method != "GET") {
        return {"outlook", "outlook_write", 0};
    }
    if (has(p, "/delta")) {
        bool page = r.has_parameter("$skiptoken") || r.has_parameter("$deltatoken");
        bool messages = has(p, "/messages/delta");
        return {
            "outlook",
            messages ? (page ? "mail_delta_page" : "mail_delta")
                     : (page ? "folder_delta_page" : "folder_delta"),
            0
        };
    }
    if (has(p, "/attachments")) {
        return {"outlook", "attachments", 0};
    }
    if (p.ends_with("/$value")) {
        return {"outlook", "message_value", 0};
    }
    auto at = p.rfind("/messages");
    if (at != p.npos) {
        return {"outlook", at + 9 == p.size() ? "mail_list" : "message_get", 0};
    }
    if (has(p, "/calendar") || has(p, "/events")) {
        bool list = p.ends_with("/events") || has(p, "calendarView") || p.ends_with("/instances");
        return {"outlook", list ? "event_list" : has(p, "/events/") ? "event_get" : "calendars", 0};
    }
    return {"outlook", has(p, "/mailFolders") ? "mail_folders" : "outlook_get", 0};
}

/// What a Retry-After closes: the service, or one mailbox.
std::string closed_name(const request& r, const request_kind& kind) {
    std::string mailbox;
    bool one = kind.service == "outlook" && outlook_path(r.path, mailbox);
    return std::string(kind.service) + (one ? ":" + mailbox : "");
}

}  // namespace

request_kind classify(const request& r) {
    const std::string& p = r.path;
    if (p.starts_with("/_sim")) {
        return {"admin", "admin", 0};
    }
    if (r.files) {
        return {
            "files", r.method == "GET" && !p.starts_with("/_upload/") ? "download" : "upload_fragment",
            r.method == "GET" && !p.starts_with("/_upload/") ? 1 : 0
        };
    }
    if (p.starts_with("/metadata/")) {
        return {"imds", "token", 0};
    }
    if (!p.starts_with("/v1.0/") && !p.starts_with("/beta/")) {
        return {"login", "token", 0};
    }
    if (p == "/v1.0/$batch") {
        return {"graph", "batch", 0};
    }
    std::string mailbox;
    if (outlook_path(p, mailbox)) {
        return classify_outlook(r);
    }
    if (has(p, "/drive") || has(p, "/drives")) {
        return classify_drive(r);
    }
    bool sharepoint = p.starts_with("/v1.0/sites");
    return {sharepoint ? "graph" : "directory", "directory", sharepoint ? 1 : 0};
}

void manners_keeper::count(std::string_view name, std::int64_t by) {
    auto at = counters_.find(name);
    if (at == counters_.end()) {
        at = counters_.emplace(std::string(name), 0).first;
    }
    at->second += by;
}

std::int64_t manners_keeper::counter(std::string_view name) const {
    auto at = counters_.find(name);
    return at == counters_.end() ? 0 : at->second;
}

void manners_keeper::violation(std::string_view rule, const request& r, std::string detail) {
    ++rules_[std::string(rule)];
    if (breaches_.size() < 1000) {
        auto cut = r.query.find("tempauth=");
        std::string shown =
            r.path + (r.query.empty() ? "" : "?" + r.query.substr(0, std::min<std::size_t>(cut, 120)));
        breaches_.push_back({now_ms(), std::string(rule), r.method + " " + shown, std::move(detail)});
    }
}

void manners_keeper::arrived(const request& r, const request_kind& kind, std::int64_t now) {
    count(kind.name);
    count("requests");
    if (!r.is_batch_part) {
        ++in_flight_;
        most_in_flight_ = std::max(most_in_flight_, in_flight_);
        if (max_concurrency > 0 && in_flight_ > max_concurrency) {
            violation("too_many_at_once", r, std::to_string(in_flight_) + " requests in flight");
        }
    }
    auto shut = closed_.find(closed_name(r, kind));
    if (shut != closed_.end() && now > shut->second.from_ms && now < shut->second.until_ms) {
        violation(
            "during_retry_after", r,
            std::to_string(shut->second.until_ms - now) + " ms too early for " + shut->first
        );
    }
    if (kind.service != "graph" && kind.service != "directory" && kind.service != "outlook") {
        return;
    }
    static const std::regex decorated("^(NON)?ISV\\|[^|]+\\|[^|]+/.+");
    std::string agent = r.header("user-agent");
    if (!r.is_batch_part && (agent.empty() || !std::regex_search(agent, decorated))) {
        violation("user_agent", r, "the User-Agent '" + agent + "' is not decorated");
    }
    if (!r.is_batch_part && !r.has_header("client-request-id")) {
        violation("client_request_id", r, "no client-request-id");
    }
}

void manners_keeper::answered(
    const request& r, const request_kind& kind, const response& out, std::int64_t now
) {
    if (out.status >= 400) {
        count("status_" + std::to_string(out.status));
    }
    for (const auto& [name, value] : out.headers) {
        if ((out.status == 429 || out.status == 503) && iequals(name, "Retry-After")) {
            double seconds = 0;
            auto parsed = std::from_chars(value.data(), value.data() + value.size(), seconds);
            if (parsed.ec == std::errc() && parsed.ptr == value.data() + value.size()) {
                // What was on its way when the refusal was written is not the client's fault.
                closed& c = closed_[closed_name(r, kind)];
                if (now >= c.until_ms) {
                    c.from_ms = now + 250;
                }
                c.until_ms = std::max(c.until_ms, now + static_cast<std::int64_t>(seconds * 1000));
            }
        }
    }
    if (kind.service != "admin") {
        log_.push_back(
            {now, r.method + " " + r.path + (r.query.empty() || kind.service == "files" ? "" : "?" + r.query),
             std::string(kind.name), r.header("user-agent"), out.status}
        );
        if (log_.size() > 2000) {
            log_.pop_front();
        }
    }
}

void manners_keeper::finished(const request_kind&) {
    --in_flight_;
}

json manners_keeper::violations() const {
    json list = json::array();
    for (const auto& b : breaches_) {
        list.push_back(
            {{"time_ms", b.time_ms}, {"rule", b.rule}, {"request", b.request}, {"detail", b.detail}}
        );
    }
    return {{"rules", rules_}, {"violations", std::move(list)}, {"most_in_flight", most_in_flight_}};
}

json manners_keeper::counters() const {
    static const char* always[] = {"requests",        "token",
                                   "delta",           "delta_page",
                                   "item_get",        "children",
                                   "permissions",     "content_redirect",
                                   "download",        "bytes_downloaded",
                                   "write",           "upload_session",
                                   "upload_fragment", "bytes_uploaded",
                                   "batch",           "directory",
                                   "versions",        "sharing",
                                   "columns",         "mail_folders",
                                   "folder_delta",    "mail_delta",
                                   "mail_delta_page", "mail_list",
                                   "message_get",     "message_value",
                                   "bytes_mime",      "attachments",
                                   "outlook_get",     "calendars",
                                   "event_list",      "event_get",
                                   "outlook_write"};
    json out(counters_);
    if (!out.is_object()) {
        out = json::object();
    }
    for (const char* name : always) {
        if (!out.contains(name)) {
            out[name] = 0;
        }
    }
    out["most_in_flight"] = most_in_flight_;
    return out;
}

json manners_keeper::log(std::size_t limit) const {
    json out = json::array();
    std::size_t from = log_.size() > limit ? log_.size() - limit : 0;
    for (std::size_t i = from; i < log_.size(); ++i) {
        const line& l = log_[i];
        out.push_back(
            {{"time_ms", l.time_ms},
             {"request", l.text},
             {"kind", l.kind},
             {"user_agent", l.agent},
             {"status", l.status}}
        );
    }
    return out;
}

void manners_keeper::reset_counters() {
    counters_.clear();
    log_.clear();
    most_in_flight_ = in_flight_;
}

void manners_keeper::reset_violations() {
    rules_.clear();
    breaches_.clear();
}

}  // namespace m365stage::sim
