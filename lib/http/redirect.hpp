#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "http/http.hpp"

namespace m365stage::http {

constexpr std::size_t max_redirects = 5;

/// True if `status` is a redirect that GET and HEAD follow.
bool is_redirect(int status);

/// Makes the absolute URL that a `Location` means, seen from `from` (RFC 3986, 5.2; the fragment is dropped).
/// Dot segments are left to the server. Errors: protocol.
core::result<std::string> resolve_location(const url_parts& from, std::string_view location);

/// Decides about redirects of one request and remembers where it has been.
class redirect_policy {
public:
    redirect_policy() = default;

    /// Turns `r`, just answered from `from` with `answer`, into the request for the next hop: its URL, and
    /// without `Authorization`, `Cookie` and `Proxy-Authorization` if that is another origin. Errors:
    /// protocol (no or bad Location, a loop, more than `max_redirects`, from https to http).
    core::result<void> follow(request& r, const url_parts& from, const response& answer);

private:
    std::vector<std::string> visited_;
};

}  // namespace m365stage::http
