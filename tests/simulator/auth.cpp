#include "auth.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace m365stage::sim {

using nlohmann::json;

/// The certificate that is registered for the app.
struct auth_service::keys {
    X509* cert = nullptr;
    EVP_PKEY* key = nullptr;
    std::string sha1;
    std::string sha256;
    ~keys() {
        EVP_PKEY_free(key);
        X509_free(cert);
    }
};

auth_service::auth_service(credentials c, std::string domain)
    : roles(
          {"Files.Read.All", "Sites.Read.All", "User.Read.All", "Group.Read.All", "Directory.Read.All",
           "Files.ReadWrite.All", "Sites.FullControl.All", "Mail.Read", "Mail.ReadWrite"}
      ),
      keys_(std::make_unique<keys>()),
      credentials_(std::move(c)),
      domain_(std::move(domain)) {
    std::FILE* in = std::fopen(credentials_.certificate_file.c_str(), "r");
    if (in != nullptr) {
        keys_->cert = PEM_read_X509(in, nullptr, nullptr, nullptr);
        std::fclose(in);
    }
    if (keys_->cert == nullptr) {
        throw std::runtime_error("m365sim: no certificate in " + credentials_.certificate_file);
    }
    keys_->key = X509_get_pubkey(keys_->cert);
    unsigned char digest[32];
    unsigned int n = 0;
    X509_digest(keys_->cert, EVP_sha1(), digest, &n);
    keys_->sha1 = base64url({reinterpret_cast<char*>(digest), n});
    X509_digest(keys_->cert, EVP_sha256(), digest, &n);
    keys_->sha256 = base64url({reinterpret_cast<char*>(digest), n});
}

auth_service::~auth_service() = default;

namespace {

struct aadsts_row {
    int code;
    int status;
    const char* error;
    const char* text;
};

constexpr aadsts_row aadsts_table[] = {
    {7000215, 401, "invalid_client",
     "Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
     "value, not the client secret ID."},
    {7000222, 401, "invalid_client", "The provided client secret keys for app are expired."},
    {7000218, 401, "invalid_client",
     "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."},
    {700027, 401, "invalid_client",
     "The certificate with identifier used to sign the client assertion is not registered on application."},
    {50012, 401, "invalid_client", "Authentication failed: signature verification failed."},
    {5001211, 401, "invalid_client", "Client assertion signature or thumbprint is not valid."},
    {50013, 401, "invalid_client", "Assertion failed signature validation."},
    {500133, 400, "invalid_client", "Assertion is not within its valid time range."},
    {700024, 401, "invalid_client", "Client assertion is not within its valid time range."},
    {700016, 400, "unauthorized_client", "Application with identifier was not found in the directory."},
    {7000112, 400, "unauthorized_client", "Application is disabled."},
    {90002, 400, "invalid_request",
     "Tenant not found. Check to make sure you have the correct tenant ID and are signing into the correct "
     "cloud."},
    {900021, 400, "invalid_request",
     "Specified tenant identifier is neither a valid DNS name, nor a valid external domain."},
    {50034, 400, "invalid_grant", "The user account does not exist in the directory."},
    {70011, 400, "invalid_scope", "The provided value for the input parameter 'scope' is not valid."},
    {28002, 400, "invalid_scope",
     "Provided value for the input parameter scope is not valid when requesting an access token."},
    {28003, 400, "invalid_scope", "Provided value for the input parameter scope can't be empty."},
    {700022, 400, "invalid_scope",
     "The provided value for the input parameter scope is not valid because it contains more than one "
     "resource."},
    {700023, 400, "invalid_request",
     "The provided value for the input parameter scope is not valid because it contains more than one "
     "resource."},
    {500011, 400, "invalid_resource", "The resource principal was not found in the tenant."},
    {900144, 400, "invalid_request", "The request body must contain a required parameter."},
    {9001023, 400, "invalid_request",
     "The grant type is not supported over the /common or /consumers endpoints."},
    {90038, 400, "invalid_request", "Tenant request is being redirected to the national cloud."},
    {900432, 400, "invalid_request", "Confidential client is not supported in cross-cloud request."},
    {900382, 400, "invalid_request", "Confidential client is not supported in cross-cloud request."},
    {65001, 400, "invalid_grant", "The user or administrator has not consented to use the application."},
    {700229, 401, "invalid_client",
     "Only app tokens can be used as Federated Identity Credentials for the issuer."},
    {530032, 400, "invalid_grant", "Blocked by Conditional Access security policy."},
    {53003, 401, "invalid_grant", "Access has been blocked by Conditional Access policies."},
    {90055, 429, "temporarily_unavailable", "Tenant is throttled due to too many requests."},
    {90006, 503, "temporarily_unavailable", "External service error."},
    {90012, 503, "temporarily_unavailable", "Request timed out."},
    {90024, 503, "temporarily_unavailable", "A transient error has occurred."},
    {90033, 503, "temporarily_unavailable", "A transient error has occurred. Please try again."},
    {90090, 503, "temporarily_unavailable", "A transient error has occurred."},
    {50000, 500, "temporarily_unavailable", "There was an error issuing a token."},
    {70000, 400, "invalid_grant", "The provided authorization code or refresh token has expired or was used."
    },
    {50049, 400, "invalid_request", "Unsupported grant type."},
};

std::string value_of(const pairs& form, std::string_view name) {
    for (const auto& [n, v] : form) {
        if (n == name) {
            return v;
        }
    }
    return {};
}

bool verify(EVP_PKEY* key, bool pss, std::string_view text, std::string_view signature) {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_PKEY_CTX* parameters = nullptr;
    bool ok = EVP_DigestVerifyInit(context, &parameters, EVP_sha256(), nullptr, key) == 1;
    if (ok && pss) {
        ok = EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1 &&
             EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, 32) == 1;
    }
    ok = ok && EVP_DigestVerify(
                   context, reinterpret_cast<const unsigned char*>(signature.data()), signature.size(),
                   reinterpret_cast<const unsigned char*>(text.data()), text.size()
               ) == 1;
    EVP_MD_CTX_free(context);
    return ok;
}

json parse_part(std::string_view part) {
    auto raw = base64_decode(part);
    return raw ? json::parse(*raw, nullptr, false) : json();
}

std::string text_of(const json& j, const char* key) {
    auto at = j.find(key);
    return at != j.end() && at->is_string() ? at->get<std::string>() : std::string();
}

std::int64_t number_of(const json& j, const char* key) {
    auto at = j.find(key);
    return at != j.end() && at->is_number() ? at->get<std::int64_t>() : 0;
}

}  // namespace

response auth_service::aadsts(int code, std::string_view detail, std::int64_t now) const {
    aadsts_row row{code, 400, "invalid_request", "Refused by the test tenant."};
    for (const auto& r : aadsts_table) {
        if (r.code == code) {
            row = r;
        }
    }
    std::string stamp = iso_time(now);
    stamp[10] = ' ';
    std::string number = std::to_string(code);
    std::string trace = guid_of(mix(static_cast<std::uint64_t>(now)), static_cast<std::uint64_t>(code));
    std::string text = "AADSTS" + number + ": " + row.text +
                       (detail.empty() ? "" : " " + std::string(detail)) + " Trace ID: " + trace +
                       " Correlation ID: " + trace + " Timestamp: " + stamp;
    json body = {
        {"error", row.error},
        {"error_description", text},
        {"error_codes", {code}},
        {"timestamp", stamp},
        {"trace_id", trace},
        {"correlation_id", trace},
        {"error_uri", "https://login.microsoftonline.com/error?code=" + number}
    };
    response r = json_response(row.status, body.dump());
    r.content_type = "application/json; charset=utf-8";
    return r;
}

int auth_service::check_assertion(std::string_view assertion, const std::string& audience, std::int64_t now)
    const {
    if (assertion == credentials_.federated_token) {
        return 0;
    }
    auto first = assertion.find('.');
    auto second = assertion.find('.', first + 1);
    if (first == assertion.npos || second == assertion.npos) {
        return 50013;
    }
    json header = parse_part(assertion.substr(0, first));
    json claims = parse_part(assertion.substr(first + 1, second - first - 1));
    auto signature = base64_decode(assertion.substr(second + 1));
    if (!header.is_object() || !claims.is_object() || !signature) {
        return 50013;
    }
    std::string alg = text_of(header, "alg");
    bool pss = alg == "PS256" && header.contains("x5t#S256") && !header.contains("x5t");
    bool pkcs = alg == "RS256" && header.contains("x5t") && !header.contains("x5t#S256");
    if (!header.contains("x5t") && !header.contains("x5t#S256")) {
        return 700229;  // an external token, but not the registered one
    }
    bool known =
        pss ? text_of(header, "x5t#S256") == keys_->sha256 : pkcs && text_of(header, "x5t") == keys_->sha1;
    if (!known) {
        return 700027;
    }
    if (!verify(keys_->key, pss, assertion.substr(0, second), *signature)) {
        return 700027;
    }
    if (text_of(claims, "iss") != credentials_.client_id ||
        text_of(claims, "sub") != credentials_.client_id) {
        return 700016;
    }
    if (!iequals(text_of(claims, "aud"), audience) || text_of(claims, "jti").empty()) {
        return 50013;
    }
    constexpr std::int64_t skew = 300;
    bool in_time = number_of(claims, "nbf") <= now + skew && number_of(claims, "exp") >= now - skew;
    return in_time ? 0 : 700024;
}

std::string auth_service::issue(std::int64_t now, std::int64_t lifetime) {
    json claims = {
        {"aud", "https://graph.microsoft.com"},
        {"iss", "https://sts.windows.net/" + tenant_id_ + "/"},
        {"iat", now},
        {"nbf", now},
        {"exp", now + lifetime},
        {"appid", credentials_.client_id},
        {"app_displayname", "m365stage"},
        {"idtyp", "app"},
        {"roles", roles},
        {"tid", tenant_id_},
        {"ver", "1.0"},
        {"uti", base64url(hex64(mix(++serial_ + static_cast<std::uint64_t>(now_ms()))))}
    };
    std::string body =
        base64url(R"({"typ":"JWT","alg":"RS256","kid":"sim"})") + "." + base64url(claims.dump());
    std::string token = body + "." + base64url(hex64(hash_of(body, 1)) + hex64(hash_of(body, 2)));
    tokens_[token] = {now + lifetime, generation_, false};
    return token;
}

std::string auth_service::issue_refresh(std::int64_t now) {
    std::string token =
        "0.refresh-" + base64url(hex64(mix(++serial_ * 31 + static_cast<std::uint64_t>(now))));
    refresh_[token] = true;
    return token;
}

response auth_service::success(std::int64_t now, bool with_refresh, bool with_claims) {
    std::string token = issue(now, expires_in);
    tokens_[token].after_challenge = with_claims;
    json body = {
        {"token_type", "Bearer"},
        {"expires_in", expires_in},
        {"ext_expires_in", expires_in},
        {"access_token", token}
    };
    if (with_refresh) {
        body["refresh_token"] = issue_refresh(now);
        body["scope"] = "Files.ReadWrite.All Sites.Read.All offline_access";
    }
    response r = json_response(200, body.dump());
    r.content_type = "application/json; charset=utf-8";
    r.set("Cache-Control", "no-store, no-cache");
    return r;
}

auth_service::refusal auth_service::check_client(const request& r, const pairs& form, std::int64_t now)
    const {
    std::string id = value_of(form, "client_id");
    std::string secret = value_of(form, "client_secret");
    std::string basic = r.header("authorization");
    if (basic.starts_with("Basic ")) {
        std::string text = base64_decode(std::string_view(basic).substr(6)).value_or("");
        auto colon = text.find(':');
        id = url_decode(text.substr(0, colon));
        secret = colon == text.npos ? "" : url_decode(text.substr(colon + 1));
    }
    if (id != credentials_.client_id) {
        return {id.empty() ? 900144 : 700016, ""};
    }
    std::string assertion = value_of(form, "client_assertion");
    if (assertion.empty() && secret.empty()) {
        return {7000218, ""};
    }
    if (assertion.empty()) {
        return {secret == credentials_.client_secret ? 0 : 7000215, ""};
    }
    if (value_of(form, "client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer") {
        return {900144, "'client_assertion_type'"};
    }
    return {check_assertion(assertion, r.origin() + r.path, now), ""};
}

response auth_service::login(const request& r, std::int64_t now) {
    auto parts = split(r.path, '/');
    if (parts.size() != 4 || parts[1] != "oauth2" || parts[2] != "v2.0" || parts[3] != "token" ||
        r.method != "POST") {
        return graph_error(404, "ResourceNotFound", "No such login endpoint.");
    }
    if (refuse_code != 0 && refuse_count != 0) {
        refuse_count -= refuse_count > 0 ? 1 : 0;
        return aadsts(refuse_code, "", now);
    }
    std::string named = url_decode(parts[0]);
    if (named.find('.') == named.npos && named.size() != 36 && named != "common" &&
        named != "organizations") {
        return aadsts(900021, "", now);
    }
    bool common = named == "common" || named == "organizations";
    if (!common && !iequals(named, domain_) && named != tenant_id_) {
        return aadsts(90002, "", now);
    }
    pairs form = parse_query(r.body);
    auto field = [&form](std::string_view name) { return value_of(form, name); };
    std::string grant = field("grant_type");
    if (grant.empty()) {
        return aadsts(900144, "'grant_type'", now);
    }
    if (grant == "refresh_token") {
        if (refresh_.erase(field("refresh_token")) == 0) {
            return aadsts(70000, "", now);
        }
        return success(now, true, false);
    }
    if (grant != "client_credentials") {
        return aadsts(50049, "", now);
    }
    if (common) {
        return aadsts(9001023, "", now);
    }
    std::string scope = field("scope");
    if (scope.find("/.default") == scope.npos) {
        return aadsts(scope.empty() ? 900144 : 70011, "'scope'", now);
    }
    if (scope.find(' ') != scope.npos) {
        return aadsts(700022, "", now);
    }
    refusal no = check_client(r, form, now);
    if (no.code != 0) {
        return aadsts(no.code, no.detail, now);
    }
    return success(now, false, !field("claims").empty());
}

response auth_service::managed_identity(const request& r, std::int64_t now) {
    auto refuse = [](int status, const char* error, const char* text) {
        return json_response(status, json{{"error", error}, {"error_description", text}}.dump());
    };
    if (r.header("metadata") != "true") {
        return refuse(400, "bad_request_102", "Required metadata header not specified");
    }
    if (r.parameter("api-version").empty()) {
        return refuse(400, "invalid_request", "Required query variable 'api-version' is missing");
    }
    if (r.parameter("resource").find("graph") == std::string::npos) {
        return refuse(400, "invalid_resource", "AADSTS50001: The application was not found in the tenant.");
    }
    json body = {
        {"access_token", issue(now, expires_in)},
        {"refresh_token", ""},
        {"expires_in", std::to_string(expires_in)},
        {"expires_on", std::to_string(now + expires_in)},
        {"not_before", std::to_string(now)},
        {"resource", r.parameter("resource")},
        {"token_type", "Bearer"}
    };
    response out = json_response(200, body.dump());
    out.content_type = "application/json; charset=utf-8";
    return out;
}

bool auth_service::check(const request& r, std::int64_t now, response& refusal) {
    std::string header = r.header("authorization");
    auto refuse = [&](const char* message) {
        refusal = graph_error(401, "InvalidAuthenticationToken", message);
        refusal.set(
            "WWW-Authenticate",
            "Bearer realm=\"\", authorization_uri=\"" + r.origin() +
                "/common/oauth2/authorize\", client_id=\"00000003-0000-0000-c000-000000000000\""
        );
        return false;
    };
    if (header.empty()) {
        return refuse("Access token is empty.");
    }
    auto at =
        tokens_.find(header.size() > 7 && iequals(header.substr(0, 7), "Bearer ") ? header.substr(7) : "");
    if (at == tokens_.end()) {
        return refuse("CompactToken parsing failed with error code: 80049217");
    }
    if (at->second.expires <= now || at->second.generation != generation_) {
        return refuse("Lifetime validation failed, the token is expired.");
    }
    if (keep_expired > 0) {
        --keep_expired;
        return refuse("Access token has expired or is not yet valid.");
    }
    if (cae_challenge && !at->second.after_challenge) {
        refuse(
            "Continuous access evaluation resulted in challenge with result: InteractionRequired and code: "
            "TokenIssuedBeforeRevocationTimestamp"
        );
        refusal.headers.clear();
        std::string claims =
            base64(R"({"access_token":{"nbf":{"essential":true,"value":")" + std::to_string(now) + R"("}}})");
        refusal.set(
            "WWW-Authenticate", "Bearer realm=\"\", authorization_uri=\"" + r.origin() +
                                    "/common/oauth2/authorize\", error=\"insufficient_claims\", claims=\"" +
                                    claims + "\""
        );
        return false;
    }
    if (roles.empty()) {
        refusal = graph_error(
            403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation."
        );
        return false;
    }
    return true;
}

}  // namespace m365stage::sim
