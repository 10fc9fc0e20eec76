#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace m365stage::auth {

/// Base64url without padding (RFC 7515).
std::string base64url(std::string_view bytes);

/// Decodes base64 and base64url, with or without padding; nullopt if it is neither.
std::optional<std::string> base64_decode(std::string_view text);

/// A random GUID (version 4), from OpenSSL's generator.
std::string fresh_guid();

/// application/x-www-form-urlencoded.
std::string form_encode(std::string_view text);

}  // namespace m365stage::auth
