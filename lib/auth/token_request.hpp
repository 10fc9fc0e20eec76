#pragma once

#include <string>
#include <string_view>

#include "auth/token_source.hpp"
#include "http/http.hpp"

namespace m365stage::auth {

/// The token endpoint of a credential; also the audience of its assertions.
std::string token_endpoint(const credential& c);

/// The POST for `credential_kind::secret`.
http::request secret_request(const credential& c, std::string_view secret, std::string_view claims);

/// The POST for `certificate` and `federated_token`.
http::request assertion_request(const credential& c, std::string_view assertion, std::string_view claims);

/// The GET for `managed_identity` (contract 1.3).
http::request metadata_request(const credential& c);

/// A secret as it is in its file, less the line end that editors add.
std::string strip_line_end(std::string text);

}  // namespace m365stage::auth
