#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "async/task.hpp"
#include "core/error.hpp"

namespace m365stage::http {
class transport;
}

namespace m365stage::auth {

using async::task;

/// What the app registration proves its identity with. Exactly one is used.
enum class credential_kind { secret, certificate, federated_token, managed_identity };

/// Where and as whom to sign in. Files are read anew at every renewal, so that a rotated secret is picked up.
struct credential {
    credential() = default;
    credential_kind kind = credential_kind::secret;
    std::string section = "app";  ///< of the configuration that it is from, for what errors say
    std::string login_url;        ///< "https://login.microsoftonline.com"
    std::string graph_url;        ///< "https://graph.microsoft.com"; the scope is this + "/.default"
    std::string tenant;           ///< GUID or verified domain
    std::string client_id;        ///< for a managed identity: empty for the system-assigned one
    std::string secret_file;
    std::string certificate_file;    ///< PEM with certificate and private key
    bool certificate_rs256 = false;  ///< RS256 + x5t (SHA-1) instead of PS256 + x5t#S256 (contract 1.2)
    std::string federated_token_file;
    std::string managed_identity_url = "http://169.254.169.254";
};

struct token {
    token() = default;
    std::string value;                              ///< secret
    std::chrono::system_clock::time_point expires;  ///< for people: the clock may be set meanwhile
    std::chrono::steady_clock::time_point ends = std::chrono::steady_clock::time_point::max();
};

/// Hands out access tokens: cached, renewed ahead of expiry, one renewal for all concurrent callers.
/// Errors:  auth_refused (Microsoft's code and sentence in `code`/`cause`, the way out in `hint`), transport,
///          timeout, server, throttled (transient answers have been retried with back-off before).
/// Threads: the io_context's thread only.
class token_source {
public:
    virtual ~token_source() = default;
    virtual task<core::result<token>> get() = 0;

    /// Says that `rejected` was refused by Graph with 401: the next get() fetches a new one (with `claims`,
    /// the decoded claims challenge, if it came with one). Does nothing if another token has been fetched in
    /// the meantime.
    virtual void reject(const std::string& rejected, std::string claims) = 0;

    /// Stops a renewal in flight, which belongs to nobody and would keep its io_context from ending for as
    /// long as it waits for the login service; who waits for it gets `cancelled`. The next get() begins anew,
    /// but not earlier than the login service said (Retry-After).
    virtual void stop() {}
    /// True until a renewal in flight has ended: the transport is needed so long.
    virtual bool is_renewing() const { return false; }
};

std::unique_ptr<token_source> make_token_source(http::transport& transport, credential c);

/// What a token says of itself, for diagnosis only (never for decisions: contract Q67).
struct token_facts {
    token_facts() = default;
    std::vector<std::string> roles;
    std::string tenant, app_id, app_name;
};
std::optional<token_facts> decode_token(const std::string& access_token);

/// When the certificate in this PEM file ends; `section`: of the configuration that names it. Errors: usage
/// (file missing, no certificate, key does not fit).
core::result<std::chrono::system_clock::time_point> certificate_end(
    const std::string& pem_file, const std::string& section
);

}  // namespace m365stage::auth
