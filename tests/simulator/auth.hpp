#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "http_types.hpp"

/// The login service, the managed identity endpoint and the checks of access tokens.
namespace m365stage::sim {

/// Keys and certificates of the tenant, kept as files in one folder and made when missing.
struct credentials {
    std::string ca_file;
    std::string server_file;
    std::string secret_file;
    std::string certificate_file;
    std::string federated_file;
    std::string client_secret;
    std::string client_id = "5e0c7b1a-6d0f-4a53-9d6e-3f7a1c2b4d5e";
    std::string federated_token;
};

/// Makes or reads all files in `dir`. Throws std::runtime_error naming the file that could not be made.
credentials make_credentials(const std::string& dir);

class auth_service {
public:
    auth_service(credentials c, std::string domain);
    ~auth_service();

    // Switches of the admin API.
    std::int64_t expires_in = 3599;
    std::vector<std::string> roles;
    int refuse_code = 0;            ///< AADSTS number to answer, 0 for none
    std::int64_t refuse_count = 0;  ///< how often; negative: for ever
    bool cae_challenge = false;  ///< Graph requests get a claims challenge until a token with claims is asked
    int keep_expired = 0;        ///< so many Graph requests more answer "expired" (Q58)

    /// POST /{tenant}/oauth2/v2.0/token, and the OpenID documents beside it.
    response login(const request& r, std::int64_t now);
    /// GET /metadata/identity/oauth2/token
    response managed_identity(const request& r, std::int64_t now);
    /// Whether the request's token is good; else the 401 to answer.
    bool check(const request& r, std::int64_t now, response& refusal);
    void expire_all() { ++generation_; }
    /// A token outside of any grant, for tools.
    std::string issue(std::int64_t now, std::int64_t lifetime);
    std::string issue_refresh(std::int64_t now);
    const credentials& files() const { return credentials_; }
    response aadsts(int code, std::string_view detail, std::int64_t now) const;
    /// The AADSTS number an assertion deserves, 0 when it is good.
    int check_assertion(std::string_view assertion, const std::string& audience, std::int64_t now) const;

private:
    struct issued {
        std::int64_t expires = 0;
        std::uint64_t generation = 0;
        bool after_challenge = false;
    };
    /// Why a client is refused: an AADSTS number, 0 for none, and what its text says beside it.
    struct refusal {
        int code = 0;
        const char* detail = "";
    };
    refusal check_client(const request& r, const pairs& form, std::int64_t now) const;
    response success(std::int64_t now, bool with_refresh, bool with_claims);
    struct keys;
    std::unique_ptr<keys> keys_;
    credentials credentials_;
    std::string domain_;
    std::string tenant_id_ = "9c1f5a36-0b7e-4d0c-8f5e-6a2b3c4d5e6f";
    std::unordered_map<std::string, issued> tokens_;
    std::unordered_map<std::string, bool> refresh_;
    std::uint64_t generation_ = 0;
    std::uint64_t serial_ = 0;
};

}  // namespace m365stage::sim
