#include "api/message.hpp"

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

#include "api/documents.hpp"
#include "http/http.hpp"

namespace m365stage::api {
namespace {

using core::error_kind;

constexpr std::size_t most_parameters = 20;

std::string http_date() {
    const std::time_t now = std::time(nullptr);
    std::tm utc{};
    ::gmtime_r(&now, &utc);
    char text[40];
    std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc);
    return text;
}

core::error bad_target(std::string why) {
    core::error e(error_kind::bad_request, std::move(why));
    e.operation = "reading the request";
    return e;
}

/// A name or value of a query, where '+' is a blank.
std::optional<std::string> query_text(std::string_view part) {
    std::string text(part);
    std::replace(text.begin(), text.end(), '+', ' ');
    return http::percent_decode(text);
}

core::result<void> read_query(std::string_view text, request& into) {
    while (!text.empty()) {
        const auto end = std::min(text.find('&'), text.size());
        const auto pair = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (pair.empty()) {
            continue;
        }
        const auto equals = std::min(pair.find('='), pair.size());
        auto name = query_text(pair.substr(0, equals));
        auto value = query_text(pair.substr(std::min(equals + 1, pair.size())));
        if (!name || !value) {
            return bad_target("a parameter is not encoded well");
        }
        if (into.query.size() == most_parameters) {
            return bad_target("too many parameters");
        }
        into.query.emplace_back(std::move(*name), std::move(*value));
    }
    return {};
}

}  // namespace

std::string_view reason_of(int status) {
    switch (status) {
        case 200:
            return "OK";
        case 202:
            return "Accepted";
        case 204:
            return "No Content";
        case 304:
            return "Not Modified";
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 409:
            return "Conflict";
        case 413:
            return "Content Too Large";
        case 415:
            return "Unsupported Media Type";
        case 421:
            return "Misdirected Request";
        case 431:
            return "Request Header Fields Too Large";
        case 503:
            return "Service Unavailable";
        case 504:
            return "Gateway Timeout";
        case 505:
            return "HTTP Version Not Supported";
        default:
            return "Internal Server Error";
    }
}

core::result<void> read_target(std::string_view target, request& into) {
    if (target.empty() || target.front() != '/') {
        return bad_target("the target has to be an absolute path such as /healthz");
    }
    const auto question = std::min(target.find('?'), target.size());
    into.path = target.substr(0, question);
    return read_query(target.substr(std::min(question + 1, target.size())), into);
}

response json_response(std::string body, int status) {
    response r;
    r.status = status;
    r.body = std::move(body);
    r.body += '\n';
    return r;
}

int http_status_of(error_kind kind) {
    switch (kind) {
        case error_kind::usage:
        case error_kind::bad_request:
            return 400;
        case error_kind::unauthorized:
            return 401;
        case error_kind::forbidden:
            return 403;
        case error_kind::not_found:
            return 404;
        case error_kind::guard:
        case error_kind::conflict:
            return 409;
        case error_kind::too_large:
            return 413;
        case error_kind::internal:
            return 500;
        case error_kind::timeout:
            return 504;
        default:
            return 503;
    }
}

response error_response(const core::error& e) {
    return error_response(http_status_of(e.kind), e);
}

response error_response(int status, const core::error& e) {
    const nlohmann::json document{{"error", error_document(e)}};
    auto r = json_response(dump(document), status);
    if (status == 503) {
        r.fields.emplace_back("Retry-After", "5");
    }
    return r;
}

std::string head_of(const response& r, std::int64_t length, bool keep_alive) {
    std::string head = "HTTP/1.1 " + std::to_string(r.status) + " ";
    head.append(reason_of(r.status)).append("\r\n");
    auto field = [&head](std::string_view name, std::string_view value) {
        head.append(name).append(": ").append(value).append("\r\n");
    };
    field("Date", http_date());
    bool cached = false;
    bool policy = false;
    for (const auto& [name, value] : r.fields) {
        field(name, value);
        cached = cached || name == "Cache-Control";
        policy = policy || name == "Content-Security-Policy";
    }
    if (!r.content_type.empty() && r.status != 204 && r.status != 304) {
        field("Content-Type", r.content_type);
    }
    if (!cached) {
        field("Cache-Control", "no-store");
    }
    if (!policy) {
        field("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
    }
    field("X-Content-Type-Options", "nosniff");
    field("Referrer-Policy", "no-referrer");
    field("Cross-Origin-Resource-Policy", "same-origin");
    if (length >= 0 && r.status != 204 && r.status != 304) {
        field("Content-Length", std::to_string(length));
    }
    if (!keep_alive) {
        field("Connection", "close");
    }
    head += "\r\n";
    return head;
}

}  // namespace m365stage::api
