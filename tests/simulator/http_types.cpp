#include "http_types.hpp"

#include <nlohmann/json.hpp>
#include <stdexcept>

namespace m365stage::sim {

using nlohmann::json;

std::string request::header(std::string_view name) const {
    std::string out;
    for (const auto& [n, v] : headers) {
        if (n == name) {
            out += out.empty() ? v : ", " + v;
        }
    }
    return out;
}

bool request::has_header(std::string_view name) const {
    for (const auto& h : headers) {
        if (h.first == name) {
            return true;
        }
    }
    return false;
}

std::string request::parameter(std::string_view name, std::string_view otherwise) const {
    for (const auto& [n, v] : parameters) {
        if (iequals(n, name)) {
            return v;
        }
    }
    return std::string(otherwise);
}

bool request::has_parameter(std::string_view name) const {
    for (const auto& p : parameters) {
        if (iequals(p.first, name)) {
            return true;
        }
    }
    return false;
}

response json_response(int status, std::string body) {
    response r;
    r.status = status;
    r.body = std::move(body);
    return r;
}

response not_found() {
    return graph_error(404, "itemNotFound", "The resource could not be found.");
}

std::string dump(const json& j) {
    return j.dump(-1, ' ', false, json::error_handler_t::replace);
}

response admin_answer(const json& body) {
    response r = json_response(200, dump(body) + "\n");
    r.content_type = "application/json";
    return r;
}

json admin_body(const request& r) {
    json body = r.body.empty() ? json::object() : json::parse(r.body, nullptr, false);
    if (!body.is_object()) {
        throw std::runtime_error("the body is no JSON object");
    }
    return body;
}

response empty_response(int status) {
    response r;
    r.status = status;
    r.content_type.clear();
    return r;
}

response graph_error(int status, std::string_view code, std::string_view message, std::string_view inner) {
    std::string b = R"({"error":{"code":)";
    append_json(b, code);
    b += R"(,"message":)";
    append_json(b, message);
    b += R"(,"innerError":{)";
    if (!inner.empty()) {
        b += R"("code":)";
        append_json(b, inner);
        b += ',';
    }
    // The ids are filled in when the response is sent, where the request's are known.
    b += R"("date":")" + iso_time(now_seconds()).substr(0, 19) +
         R"(","request-id":"@request-id@","client-request-id":"@client-request-id@"}}})";
    return json_response(status, std::move(b));
}

const char* reason_of(int status) {
    switch (status) {
        case 200:
            return "OK";
        case 201:
            return "Created";
        case 202:
            return "Accepted";
        case 204:
            return "No Content";
        case 206:
            return "Partial Content";
        case 302:
            return "Found";
        case 304:
            return "Not Modified";
        case 307:
            return "Temporary Redirect";
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
        case 410:
            return "Gone";
        case 412:
            return "Precondition Failed";
        case 413:
            return "Payload Too Large";
        case 416:
            return "Requested Range Not Satisfiable";
        case 423:
            return "Locked";
        case 424:
            return "Failed Dependency";
        case 429:
            return "Too Many Requests";
        case 500:
            return "Internal Server Error";
        case 502:
            return "Bad Gateway";
        case 503:
            return "Service Unavailable";
        case 504:
            return "Gateway Timeout";
        case 507:
            return "Insufficient Storage";
        case 509:
            return "Bandwidth Limit Exceeded";
        default:
            return "Status";
    }
}

}  // namespace m365stage::sim
