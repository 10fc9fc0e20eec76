#include <nlohmann/json.hpp>

#include "exchange.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

constexpr std::int64_t upload_window_ms = 300000;

response refusal(const char* message, std::int64_t wait_ms) {
    response out = graph_error(429, "ApplicationThrottled", message);
    out.set("Retry-After", std::to_string((wait_ms + 999) / 1000));
    return out;
}

/// Starts the window anew when it has passed.
void roll(std::int64_t& start, std::int64_t& used, std::int64_t length, std::int64_t now) {
    if (now >= start + length) {
        start = now;
        used = 0;
    }
}

}  // namespace

std::string outlook_limits::configure(const json& s) {
    for (const auto& [key, value] : s.items()) {
        if (!value.is_number() || value.get<double>() < 0) {
            return "outlook limits: '" + key + "' is no number from 0 on";
        }
        if (key == "concurrency") {
            concurrency = value.get<std::int64_t>();
        } else if (key == "requests") {
            requests = value.get<std::int64_t>();
        } else if (key == "window_seconds") {
            window_ms = static_cast<std::int64_t>(value.get<double>() * 1000);
        } else if (key == "upload_bytes") {
            upload_bytes = value.get<std::int64_t>();
        } else {
            return "outlook limits: there is no setting '" + key + "'";
        }
    }
    reset_counts();
    return "";
}

std::shared_ptr<void> outlook_limits::enter(
    const std::string& name, const request& r, std::int64_t now, response& out
) {
    auto& slot = uses_[name];
    if (!slot) {
        slot = std::make_shared<use>();
    }
    std::shared_ptr<use> u = slot;
    roll(u->window_start, u->window_used, window_ms, now);
    roll(u->upload_start, u->uploaded, upload_window_ms, now);
    ++u->window_used;  // what is refused counts as well
    if (concurrency > 0 && u->in_flight >= concurrency) {
        ++u->refused_concurrency;
        out = refusal("Application is over its MailboxConcurrency limit.", 1000);
        return nullptr;
    }
    if (requests > 0 && u->window_used > requests) {
        ++u->refused_window;
        out = refusal(
            "Application is over its request limit for this mailbox.", u->window_start + window_ms - now
        );
        return nullptr;
    }
    auto bytes = r.method == "GET" ? 0 : static_cast<std::int64_t>(r.body.size());
    if (upload_bytes > 0 && bytes > 0 && u->uploaded + bytes > upload_bytes) {
        ++u->refused_upload;
        out = refusal(
            "Application is over its upload limit for this mailbox.", u->upload_start + upload_window_ms - now
        );
        return nullptr;
    }
    u->uploaded += bytes;
    ++u->allowed;
    ++u->in_flight;
    u->most_in_flight = std::max(u->most_in_flight, u->in_flight);
    return {u.get(), [u](void*) { --u->in_flight; }};
}

json outlook_limits::report() const {
    json boxes = json::object();
    json sum = {{"allowed", 0}, {"refused_concurrency", 0}, {"refused_window", 0}, {"refused_upload", 0}};
    std::int64_t most = 0;
    for (const auto& [name, u] : uses_) {
        boxes[name] = {
            {"allowed", u->allowed},
            {"refused_concurrency", u->refused_concurrency},
            {"refused_window", u->refused_window},
            {"refused_upload", u->refused_upload},
            {"most_in_flight", u->most_in_flight},
            {"window_used", u->window_used},
            {"window_start_ms", u->window_start}
        };
        for (auto& [key, value] : sum.items()) {
            value = value.get<std::int64_t>() + boxes[name][key].get<std::int64_t>();
        }
        most = std::max(most, u->most_in_flight);
    }
    return {
        {"concurrency", concurrency},
        {"requests", requests},
        {"window_seconds", static_cast<double>(window_ms) / 1000},
        {"upload_bytes", upload_bytes},
        {"mailboxes", boxes},
        {"sum", sum},
        {"most_in_flight_of_a_mailbox", most}
    };
}

void outlook_limits::reset_counts() {
    // Requests in flight keep their own count alive and give back to that.
    uses_.clear();
}

}  // namespace m365stage::sim
