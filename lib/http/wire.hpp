#pragma once

#include <string>
#include <string_view>

#include "http/http.hpp"

namespace m365stage::http {

std::string_view to_string(method verb);

/// True if the name is an HTTP token.
bool is_field_name(std::string_view name);

/// True if the value can't break out of its line (no control character but tab).
bool is_field_value(std::string_view value);

/// How the request line names its target.
enum class target_form {
    origin,    ///< "/path", to the server itself or through a tunnel
    absolute,  ///< "http://host/path", to a proxy
};

/// Host as it is written in URLs and the Host field: IPv6 in brackets, the port only if it is not the
/// default.
std::string authority_of(const url_parts& at);

/// Request line and fields up to the empty line. `Host`, `Connection`, `Content-Length` and
/// `Transfer-Encoding` are this module's own: fields of these names in the request are left out. Errors:
/// protocol if a field has characters that would change the message (the value is not shown).
core::result<std::string> make_head(const request& r, const url_parts& at, target_form form);

/// The head of a CONNECT request to a proxy.
std::string make_connect_head(const url_parts& at, std::string_view user_agent);

/// True for what a proxy is never used for: plain http to the instance metadata service and to this machine.
/// What is asked for over https goes through a configured proxy wherever it is.
bool bypasses_proxy(const url_parts& at);

/// Every failure of this module in one form: "GET https://graph.microsoft.com:443: <why>".
core::error failure(core::error_kind kind, method verb, const url_parts& at, std::string_view why);

/// "30 s", "1.5 s", "250 ms"
std::string in_words(std::chrono::milliseconds span);

}  // namespace m365stage::http
