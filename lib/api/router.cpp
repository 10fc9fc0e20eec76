#include "api/router.hpp"

#include <algorithm>
#include <array>

#include "http/http.hpp"

namespace m365stage::api {
namespace {

struct row {
    std::string_view method, path;  // "{}" in a path is one segment, the argument
    endpoint what;
    std::string_view name;
};

constexpr std::array table{
    row{"GET", "/", endpoint::page, "page"},
    row{"GET", "/page.css", endpoint::page, "page"},
    row{"GET", "/page.js", endpoint::page, "page"},
    row{"GET", "/healthz", endpoint::healthz, "healthz"},
    row{"GET", "/readyz", endpoint::readyz, "readyz"},
    row{"GET", "/metrics", endpoint::metrics, "metrics"},
    row{"GET", "/api/v1/status", endpoint::status, "status"},
    row{"GET", "/api/v1/passes", endpoint::list_passes, "passes"},
    row{"POST", "/api/v1/passes", endpoint::start_pass, "start_pass"},
    row{"GET", "/api/v1/containers", endpoint::containers, "containers"},
    row{"GET", "/api/v1/items", endpoint::items, "items"},
    row{"GET", "/api/v1/changes", endpoint::changes, "changes"},
    row{"GET", "/api/v1/leases", endpoint::leases, "leases"},
    row{"POST", "/api/v1/leases", endpoint::take_lease, "take_lease"},
    row{"DELETE", "/api/v1/leases/{}", endpoint::end_lease, "end_lease"},
    row{"GET", "/api/v1/jobs", endpoint::jobs, "jobs"},
    row{"POST", "/api/v1/jobs/{}/read", endpoint::job_read, "job_read"},
    row{"POST", "/api/v1/jobs/{}/ended", endpoint::job_ended, "job_ended"},
    row{"GET", "/api/v1/guard", endpoint::guard, "guard"},
    row{"POST", "/api/v1/guard/approve", endpoint::approve_guard, "approve_guard"},
    row{"GET", "/api/v1/events", endpoint::events, "events"},
};

/// True if the path fits; `argument` is what stood for "{}".
bool fits(std::string_view pattern, std::string_view path, std::string_view& argument) {
    const auto hole = pattern.find("{}");
    if (hole == std::string_view::npos) {
        return pattern == path;
    }
    const auto before = pattern.substr(0, hole);
    const auto after = pattern.substr(hole + 2);
    if (path.size() <= before.size() + after.size() || !path.starts_with(before) || !path.ends_with(after)) {
        return false;
    }
    argument = path.substr(before.size(), path.size() - before.size() - after.size());
    return argument.find('/') == std::string_view::npos;
}

response unknown_path(const std::string& path) {
    core::error e(core::error_kind::not_found, "there is nothing here");
    e.object = path;
    constexpr std::string_view base = "/api/v1/";
    std::string known;
    for (const auto* r = table.begin(); r != table.end(); ++r) {
        const auto same = [r](const row& other) { return other.path == r->path; };
        if (r->path.starts_with(base) && std::none_of(table.begin(), r, same)) {
            known.append(known.empty() ? "" : ", ").append(r->path.substr(base.size()));
        }
    }
    e.hint = "there are /, /healthz, /readyz, /metrics, and below /api/v1/: " + known;
    return error_response(e);
}

response wrong_method(const request& r, const std::string& allowed) {
    core::error e(core::error_kind::bad_request, r.method + " is not possible here");
    e.object = r.path;
    e.hint = "possible: " + allowed;
    auto out = error_response(405, e);
    out.fields.emplace_back("Allow", allowed);
    return out;
}

}  // namespace

std::string_view to_string(endpoint e) {
    const auto found = std::find_if(table.begin(), table.end(), [e](const row& r) { return r.what == e; });
    return found->name;
}

std::variant<route, response> find_route(const request& r) {
    std::string allowed;
    for (const auto& candidate : table) {
        std::string_view argument;
        if (!fits(candidate.path, r.path, argument)) {
            continue;
        }
        allowed.append(allowed.empty() ? "" : ", ").append(candidate.method);
        allowed.append(candidate.method == "GET" ? ", HEAD" : "");
        if (r.method != candidate.method && !(r.method == "HEAD" && candidate.method == "GET")) {
            continue;
        }
        route out;
        out.what = candidate.what;
        auto decoded = http::percent_decode(argument);
        if (!decoded) {
            core::error e(core::error_kind::bad_request, "the path is not encoded well");
            return error_response(e);
        }
        out.argument = std::move(*decoded);
        return out;
    }
    if (!allowed.empty()) {
        return wrong_method(r, allowed);
    }
    return unknown_path(r.path);
}

}  // namespace m365stage::api
