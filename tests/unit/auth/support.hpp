#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "../../support/fake_transport.hpp"
#include "auth/token_source.hpp"

namespace m365stage::test {

/// A folder that goes with the test.
class temp_dir {
public:
    temp_dir() {
        std::string pattern = (std::filesystem::temp_directory_path() / "m365stage-auth-XXXXXX").string();
        path_ = ::mkdtemp(pattern.data());
    }
    ~temp_dir() { std::filesystem::remove_all(path_); }
    temp_dir(const temp_dir&) = delete;
    temp_dir& operator=(const temp_dir&) = delete;

    std::string file(const std::string& name, const std::string& text) const {
        std::string path = (path_ / name).string();
        std::ofstream(path, std::ios::binary) << text;
        return path;
    }
    std::string path(const std::string& name) const { return (path_ / name).string(); }

private:
    std::filesystem::path path_;
};

/// A self-signed certificate with its key; made once per program.
struct test_identity {
    std::string certificate, key;
    std::shared_ptr<EVP_PKEY> pair;
    std::shared_ptr<X509> x509;
};

inline std::string bio_text(BIO* bio) {
    char* data = nullptr;
    long size = BIO_get_mem_data(bio, &data);
    std::string out(data, static_cast<std::size_t>(size));
    BIO_free(bio);
    return out;
}

inline test_identity make_identity(bool rsa = true) {
    test_identity out;
    EVP_PKEY* made = rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    out.pair.reset(made, EVP_PKEY_free);
    out.x509.reset(X509_new(), X509_free);
    X509* x = out.x509.get();
    ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
    ASN1_TIME_set(X509_getm_notBefore(x), 1'700'000'000);
    ASN1_TIME_set(X509_getm_notAfter(x), 1'900'000'000);
    X509_set_pubkey(x, made);
    X509_sign(x, made, EVP_sha256());
    BIO* text = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(text, x);
    out.certificate = bio_text(text);
    text = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(text, made, nullptr, nullptr, 0, nullptr, nullptr);
    out.key = bio_text(text);
    return out;
}

inline const test_identity& identity() {
    static const test_identity instance = make_identity();
    return instance;
}

inline std::string token_json(const std::string& value, int life) {
    return R"({"token_type":"Bearer","expires_in":)" + std::to_string(life) + R"(,"access_token":")" + value +
           "\"}";
}

inline std::string login_error(const std::string& error, long code, const std::string& sentence) {
    return R"({"error":")" + error + R"(","error_description":"AADSTS)" + std::to_string(code) + ": " +
           sentence +
           R"( Trace ID: 1111-22 Correlation ID: 3333-44 Timestamp: 2026-10-02 09:15:01Z","error_codes":[)" +
           std::to_string(code) + R"(],"trace_id":"1111-22"})";
}

}  // namespace m365stage::test
