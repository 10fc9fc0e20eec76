#include "http/redirect.hpp"

#include <algorithm>

#include "http/text.hpp"

namespace m365stage::http {
namespace {

core::error refuse(std::string_view why) {
    return core::error(core::error_kind::protocol, "redirect not followed: " + std::string(why));
}

bool has_scheme(std::string_view location) {
    const auto colon = location.find(':');
    return colon != location.npos && colon > 0 && location.find_first_of("/?#") > colon;
}

std::string bracketed(const url_parts& url) {
    const bool ipv6 = url.host.find(':') != std::string::npos;
    return url.scheme + "://" + (ipv6 ? "[" + url.host + "]" : url.host) + ":" + url.port;
}

}  // namespace

bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool is_followed(method verb, int status) {
    const bool keeps_method = status == 307 || status == 308;
    return keeps_method || (is_redirect(status) && (verb == method::get || verb == method::head));
}

core::result<std::string> resolve_location(const url_parts& from, std::string_view location) {
    location = location.substr(0, location.find('#'));
    if (has_scheme(location)) {
        return std::string(location);
    }
    if (location.starts_with("//")) {
        return from.scheme + ":" + std::string(location);
    }
    const std::string base = bracketed(from);
    if (location.starts_with('/')) {
        return base + std::string(location);
    }
    const std::string path = from.target.substr(0, from.target.find('?'));
    if (location.starts_with('?')) {
        return base + path + std::string(location);
    }
    if (location.empty()) {
        return base + from.target;
    }
    return base + path.substr(0, path.rfind('/') + 1) + std::string(location);
}

core::result<std::string> redirect_policy::next(const url_parts& from, const response& answer) {
    const auto location = answer.fields.find("Location");
    if (!location || location->empty()) {
        return refuse("HTTP " + std::to_string(answer.status) + " without Location");
    }
    auto target = resolve_location(from, *location);
    if (!target) {
        return target.error();
    }
    const auto to = parse_url(*target);
    if (!to) {
        return refuse("Location is " + to.error().cause);
    }
    if (from.scheme == "https" && to->scheme != "https") {
        return refuse("it leads from https to http");
    }
    visited_.push_back(from.origin() + from.target);
    if (std::find(visited_.begin(), visited_.end(), to->origin() + to->target) != visited_.end()) {
        return refuse("it leads in a circle");
    }
    if (visited_.size() > max_redirects) {
        return refuse("more than " + std::to_string(max_redirects) + " in a row");
    }
    return target;
}

}  // namespace m365stage::http
