// Faults that answer in place of the service.
#include <nlohmann/json.hpp>

#include "kinds.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

constexpr const char* retry_after_forms = "seconds, decimal, date or absent, or a number of seconds";

bool is_retry_after(const json& value) {
    return value.is_number() || value == "seconds" || value == "decimal" || value == "date" ||
           value == "absent";
}

/// 429 or 503 with Retry-After in one of its forms (contract, section 2.4).
void throttle(const json& p, const request&, response& out) {
    int status = p.value("status", 429);
    out = graph_error(
        status, status == 429 ? "activityLimitReached" : "serviceNotAvailable",
        "The app or user has been throttled. Please try again later.", "throttledRequest"
    );
    double seconds = p.value("seconds", 1.0);
    std::string form = "seconds";
    if (const auto given = p.find("retry_after"); given != p.end() && given->is_number()) {
        seconds = given->get<double>();
    } else if (given != p.end()) {
        form = given->get<std::string>();
    }
    if (form == "seconds") {
        out.set("Retry-After", std::to_string(static_cast<std::int64_t>(seconds)));
    } else if (form == "decimal") {
        out.set("retry-after", std::to_string(seconds));
    } else if (form == "date") {
        out.set("Retry-After", http_date(now_seconds() + static_cast<std::int64_t>(seconds)));
    }
}

/// An error body in one of the shapes that are seen in the wild (contract, section 2.3).
void error(const json& p, const request&, response& out) {
    int status = p.value("status", 500);
    std::string code = p.value("code", status == 500 ? "internalServerError" : "generalException");
    std::string message = p.value("message", "An internal server error occurred.");
    std::string form = p.value("form", "object");
    std::string quoted_code;
    std::string quoted_message;
    append_json(quoted_code, code);
    append_json(quoted_message, message);
    out = graph_error(status, code, message);
    if (form == "string") {
        out.body = "{\"error\":" + quoted_message + "}";
    } else if (form == "empty_error") {
        out.body = R"({"error":{"code":"","message":""}})";
    } else if (form == "innererror") {
        out.body = R"({"error":{"code":"generalException","message":)" + quoted_message +
                   R"(,"innererror":{"code":"x","innererror":{"code":)" + quoted_code + "}}}}";
    } else if (form == "huge") {
        std::string filler(static_cast<std::size_t>(p.value("bytes", 5 * 1024 * 1024)), 'x');
        out.body = R"({"error":{"code":)" + quoted_code + R"(,"message":")" + filler + "\"}}";
    }
}

void html(const json& p, const request&, response& out) {
    out = response();
    out.status = p.value("status", 502);
    out.content_type = "text/html";
    out.body = "<html><head><title>" + std::to_string(out.status) + "</title></head><body><h1>" +
               reason_of(out.status) + "</h1><p>Microsoft-Azure-Application-Gateway/v2</p></body></html>\r\n";
}

void empty_body(const json& p, const request&, response& out) {
    out = empty_response(p.value("status", 503));
}

void expired_token(const json& p, const request& r, response& out) {
    std::string form = p.value("form", "lifetime");
    if (form == "rps") {
        out = graph_error(401, "generalException", "Unable to initialize RPS");
    } else {
        out = graph_error(
            401, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired."
        );
    }
    out.set(
        "WWW-Authenticate",
        form == "expired_token"
            ? "Bearer realm=\"OneDriveAPI\", error=\"expired_token\", error_description=\"Auth token "
              "expired. Try refreshing.\""
            : "Bearer realm=\"\", authorization_uri=\"" + r.origin() + "/common/oauth2/authorize\""
    );
}

void claims_challenge(const json&, const request& r, response& out) {
    out = graph_error(
        401, "InvalidAuthenticationToken",
        "Continuous access evaluation resulted in challenge with result: InteractionRequired."
    );
    out.set(
        "WWW-Authenticate",
        "Bearer realm=\"\", authorization_uri=\"" + r.origin() +
            "/common/oauth2/authorize\", error=\"insufficient_claims\", claims=\"" +
            base64(R"({"access_token":{"nbf":{"essential":true,"value":"1790000000"}}})") + "\""
    );
}

void invalid_request(const json&, const request&, response& out) {
    out = graph_error(400, "invalidRequest", "Invalid request");
}

void payload_read(const json& p, const request&, response& out) {
    out = graph_error(p.value("status", 400), "BadRequest", "IO error during request payload read.");
}

void expired_url(const json& p, const request&, response& out) {
    out = empty_response(p.value("status", 401));
    out.body = "401 Unauthorized";
    out.content_type = "text/plain";
}

void redirect(const json& p, const request& r, response& out) {
    out = empty_response(p.value("status", 302));
    std::string to = p.value("to", "https://evil.example");
    if (to == "here") {
        to = r.origin() + std::string(moved_prefix);
    }
    out.set("Location", to + r.target);
}

void ok_html(const json&, const request&, response& out) {
    out = response();
    out.content_type = "text/html; charset=utf-8";
    out.body = "<html><body>Please sign in to the network.</body></html>";
}

}  // namespace

void add_answer_faults(std::vector<fault_kind>& out) {
    auto add = [&](const char* name, const char* meaning, std::vector<fault_parameter> parameters, auto apply
               ) { out.push_back({name, meaning, fault_stage::before, std::move(parameters), apply}); };
    add("throttle", "429 or 503 with Retry-After",
        {{"status", "429 or 503"}, {"retry_after", retry_after_forms, is_retry_after}, {"seconds", "how long"}
        },
        throttle);
    add("error", "an error status with a JSON body",
        {{"status", "500"},
         {"code", "error code"},
         {"message", "text"},
         {"form", "object, string, empty_error, innererror or huge"},
         {"bytes", "size of a huge body, 5 MiB"}},
        error);
    add("html", "a gateway's HTML page", {{"status", "502"}}, html);
    add("empty_body", "a status with no body at all", {{"status", "503"}}, empty_body);
    add("expired_token", "401 although the token is good", {{"form", "lifetime, expired_token or rps"}},
        expired_token);
    add("claims_challenge", "401 with insufficient_claims", {}, claims_challenge);
    add("invalid_request", "400 invalidRequest that passes", {}, invalid_request);
    add("payload_read", "'IO error during request payload read'", {{"status", "400"}}, payload_read);
    add("expired_url", "401 of the file host", {{"status", "401, 403 or 404"}}, expired_url);
    add("redirect", "a redirect to another host, or within this one",
        {{"to", "origin, or here"}, {"status", "302"}}, redirect);
    add("ok_html", "200 with an HTML page (a captive portal)", {}, ok_html);
}

}  // namespace m365stage::sim
