#include "auth/assertion.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <array>
#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "auth/encoding.hpp"

namespace m365stage::auth {
namespace {

template <auto Free>
struct deleter {
    template <class T>
    void operator()(T* p) const {
        Free(p);
    }
};
using bio_ptr = std::unique_ptr<BIO, deleter<BIO_free_all>>;
using key_ptr = std::unique_ptr<EVP_PKEY, deleter<EVP_PKEY_free>>;
using certificate_ptr = std::unique_ptr<X509, deleter<X509_free>>;
using digest_ptr = std::unique_ptr<EVP_MD_CTX, deleter<EVP_MD_CTX_free>>;

// What OpenSSL notes about a failed parse must not be found by the next TLS read on this thread.
struct clean_error_queue {
    clean_error_queue() = default;
    clean_error_queue(const clean_error_queue&) = delete;
    clean_error_queue& operator=(const clean_error_queue&) = delete;
    ~clean_error_queue() { ERR_clear_error(); }
};

struct identity {
    certificate_ptr certificate;
    key_ptr key;
};

core::error pem_error(std::string cause, std::string hint) {
    core::error e(core::error_kind::usage, std::move(cause));
    e.hint = std::move(hint);
    return e;
}

// OpenSSL would otherwise ask for a passphrase on the terminal, which a daemon does not have.
int no_passphrase(char*, int, int, void*) {
    return -1;
}

bio_ptr reader(const std::string& pem) {
    return bio_ptr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

core::result<identity> load_identity(const std::string& pem) {
    constexpr auto both =
        "the file needs the certificate and its private key, both as PEM, one after the other";
    clean_error_queue at_end;
    identity out;
    bio_ptr key_text = reader(pem);
    out.key.reset(PEM_read_bio_PrivateKey(key_text.get(), nullptr, no_passphrase, nullptr));
    if (!out.key) {
        if (pem.find("ENCRYPTED") != std::string::npos) {
            return pem_error("the private key is encrypted", "store it without a passphrase, mode 0600");
        }
        return pem_error("no private key in the certificate file", both);
    }
    // The file may hold the chain as well, in any order: ours is the one that the key fits.
    bio_ptr text = reader(pem);
    bool any = false;
    while (X509* next = PEM_read_bio_X509(text.get(), nullptr, no_passphrase, nullptr)) {
        certificate_ptr candidate(next);
        any = true;
        if (X509_check_private_key(candidate.get(), out.key.get()) == 1) {
            out.certificate = std::move(candidate);
            break;
        }
    }
    if (!any) {
        return pem_error("no certificate in the certificate file", both);
    }
    if (!out.certificate) {
        return pem_error("the private key does not fit the certificate", both);
    }
    return out;
}

std::optional<std::string> thumbprint(X509* certificate, const EVP_MD* algorithm) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned length = 0;
    if (X509_digest(certificate, algorithm, digest.data(), &length) != 1) {
        return std::nullopt;
    }
    return std::string(reinterpret_cast<const char*>(digest.data()), length);
}

std::optional<std::string> sign(EVP_PKEY* key, const std::string& text, assertion_kind kind) {
    clean_error_queue at_end;
    digest_ptr context(EVP_MD_CTX_new());
    EVP_PKEY_CTX* parameters = nullptr;
    if (!context || EVP_DigestSignInit(context.get(), &parameters, EVP_sha256(), nullptr, key) != 1) {
        return std::nullopt;
    }
    if (kind == assertion_kind::ps256 &&
        (EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) != 1 ||
         EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, 32) != 1)) {
        return std::nullopt;
    }
    const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
    std::size_t length = 0;
    if (EVP_DigestSign(context.get(), nullptr, &length, bytes, text.size()) != 1) {
        return std::nullopt;
    }
    std::string signature(length, '\0');
    auto* out = reinterpret_cast<unsigned char*>(signature.data());
    if (EVP_DigestSign(context.get(), out, &length, bytes, text.size()) != 1) {
        return std::nullopt;
    }
    signature.resize(length);
    return signature;
}

}  // namespace

core::result<std::string> make_assertion(
    const std::string& pem, const assertion_claims& claims, assertion_kind kind
) {
    auto who = load_identity(pem);
    if (!who) {
        return who.error();
    }
    if (EVP_PKEY_get_base_id(who->key.get()) != EVP_PKEY_RSA) {
        return pem_error("the private key is not an RSA key", "Entra ID takes RSA keys of 2048 bits or more");
    }
    bool pss = kind == assertion_kind::ps256;
    auto print = thumbprint(who->certificate.get(), pss ? EVP_sha256() : EVP_sha1());
    if (!print) {
        return core::error(core::error_kind::internal, "OpenSSL could not hash the certificate");
    }
    nlohmann::json header{{"alg", pss ? "PS256" : "RS256"}, {"typ", "JWT"}};
    header[pss ? "x5t#S256" : "x5t"] = base64url(*print);
    auto now = std::chrono::system_clock::to_time_t(claims.now);
    nlohmann::json body{
        {"aud", claims.audience},
        {"iss", claims.client_id},
        {"sub", claims.client_id},
        {"jti", claims.id},
        {"nbf", now},
        {"iat", now},
        {"exp", now + 600}
    };
    std::string text = base64url(header.dump()) + "." + base64url(body.dump());
    auto signature = sign(who->key.get(), text, kind);
    if (!signature) {
        return core::error(core::error_kind::internal, "OpenSSL could not sign the client assertion");
    }
    return text + "." + base64url(*signature);
}

core::result<std::chrono::system_clock::time_point> end_of_certificate(const std::string& pem) {
    auto who = load_identity(pem);
    if (!who) {
        return who.error();
    }
    std::tm parts{};
    if (ASN1_TIME_to_tm(X509_get0_notAfter(who->certificate.get()), &parts) != 1) {
        return pem_error("the certificate's end date can't be read", "");
    }
    return std::chrono::system_clock::from_time_t(timegm(&parts));
}

}  // namespace m365stage::auth
