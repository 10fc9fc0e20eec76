#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "http/http.hpp"

namespace m365stage::http {

constexpr std::size_t max_redirects = 5;

/// True if `status` sends the asker elsewhere.
bool is_redirect(int status);

/// True if a request of that kind is made again where such a redirect leads: GET and HEAD by each, others by
/// those that keep method and body.
bool is_followed(method verb, int status);

/// Makes the absolute URL that a `Location` means, seen from `from` (RFC 3986, 5.2; the fragment is dropped).
/// Dot segments are left to the server. Errors: protocol.
core::result<std::string> resolve_location(const url_parts& from, std::string_view location);

/// Decides about the redirects of one request and remembers where it has been. Who may see the request's
/// credentials there is for those to say who put them into it.
class redirect_policy {
public:
    redirect_policy() = default;

    /// Where the answer `answer` of `from` leads. Errors: protocol (no or bad Location, a loop, more than
    /// `max_redirects`, from https to http).
    core::result<std::string> next(const url_parts& from, const response& answer);

private:
    std::vector<std::string> visited_;
};

}  // namespace m365stage::http
