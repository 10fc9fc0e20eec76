#pragma once

#include <chrono>
#include <string>

#include "core/error.hpp"

namespace m365stage::auth {

/// What a client assertion says (contract 1.2).
struct assertion_claims {
    assertion_claims() = default;
    std::string audience;  ///< the token endpoint, of the very host that is asked
    std::string client_id;
    std::string id;  ///< `jti`, fresh for each assertion
    std::chrono::system_clock::time_point now;
};

enum class assertion_kind {
    ps256,  ///< PS256 with x5t#S256, the default
    rs256,  ///< RS256 with x5t; the two pairs must never be mixed (AADSTS700027)
};

/// Builds and signs a client assertion with the certificate and the private key in `pem`.
/// Valid for 10 minutes from `claims.now`.
/// Errors: usage (no certificate, no key, key needs a passphrase, key does not fit the certificate, no RSA
/// key).
core::result<std::string> make_assertion(
    const std::string& pem, const assertion_claims& claims, assertion_kind kind
);

/// When the certificate in `pem` ends. Errors: as make_assertion.
core::result<std::chrono::system_clock::time_point> end_of_certificate(const std::string& pem);

}  // namespace m365stage::auth
