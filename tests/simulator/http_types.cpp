#include "http_types.hpp"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "content.hpp"

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

response admin_lines(const std::string& path) {
    response out;
    out.content_type = "application/x-ndjson";
    content c;
    c.path = std::make_shared<const std::string>(path);
    c.size = static_cast<std::int64_t>(std::filesystem::file_size(path));
    out.file = std::make_shared<content_reader>(c);
    out.file_length = c.size;
    std::filesystem::remove(path);  // the reader keeps it open
    return out;
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
    static constexpr std::pair<int, const char*> phrases[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {302, "Found"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {410, "Gone"},
        {412, "Precondition Failed"},
        {413, "Payload Too Large"},
        {416, "Requested Range Not Satisfiable"},
        {423, "Locked"},
        {424, "Failed Dependency"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {507, "Insufficient Storage"},
        {509, "Bandwidth Limit Exceeded"},
    };
    const auto* found = std::find_if(std::begin(phrases), std::end(phrases), [status](const auto& one) {
        return one.first == status;
    });
    return found == std::end(phrases) ? "Status" : found->second;
}

}  // namespace m365stage::sim
