#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>

#include "auth.hpp"

namespace m365stage::sim {

namespace {

struct free_openssl {
    void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
    void operator()(X509* p) const { X509_free(p); }
    void operator()(BIO* p) const { BIO_free(p); }
};
using key_ptr = std::unique_ptr<EVP_PKEY, free_openssl>;
using cert_ptr = std::unique_ptr<X509, free_openssl>;
using bio_ptr = std::unique_ptr<BIO, free_openssl>;

void write_file(const std::string& path, const std::string& text) {
    int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    bool ok = fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    if (fd >= 0) {
        ok = ::close(fd) == 0 && ok;
    }
    if (!ok) {
        throw std::runtime_error("m365sim: cannot write " + path);
    }
}

std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

void add_extension(X509* cert, X509* issuer, int nid, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, cert, nullptr, nullptr, 0);
    X509_EXTENSION* e = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
    if (e != nullptr) {
        X509_add_ext(cert, e, -1);
        X509_EXTENSION_free(e);
    }
}

cert_ptr make_certificate(
    EVP_PKEY* key, const char* name, X509* issuer, EVP_PKEY* issuer_key, const char* names
) {
    cert_ptr cert(X509_new());
    X509_set_version(cert.get(), 2);
    unsigned char serial[8];
    RAND_bytes(serial, sizeof serial);
    std::uint64_t number = 0;
    for (unsigned char c : serial) {
        number = number << 8 | c;
    }
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert.get()), number >> 1);
    X509_gmtime_adj(X509_getm_notBefore(cert.get()), -day_seconds);
    X509_gmtime_adj(X509_getm_notAfter(cert.get()), 3650 * day_seconds);
    X509_set_pubkey(cert.get(), key);
    X509_NAME* subject = X509_get_subject_name(cert.get());
    X509_NAME_add_entry_by_txt(
        subject, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(name), -1, -1, 0
    );
    X509* by = issuer != nullptr ? issuer : cert.get();
    X509_set_issuer_name(cert.get(), X509_get_subject_name(by));
    bool is_ca = issuer == nullptr && names == nullptr;
    add_extension(cert.get(), by, NID_subject_key_identifier, "hash");
    if (is_ca) {
        add_extension(cert.get(), by, NID_basic_constraints, "critical,CA:TRUE");
        add_extension(cert.get(), by, NID_key_usage, "critical,keyCertSign,cRLSign");
    } else if (issuer != nullptr) {
        add_extension(cert.get(), by, NID_authority_key_identifier, "keyid");
        add_extension(cert.get(), by, NID_basic_constraints, "critical,CA:FALSE");
        add_extension(cert.get(), by, NID_ext_key_usage, "serverAuth");
        add_extension(cert.get(), by, NID_subject_alt_name, names);
    }
    X509_sign(cert.get(), issuer_key != nullptr ? issuer_key : key, EVP_sha256());
    return cert;
}

std::string pem_of(X509* cert, EVP_PKEY* key) {
    bio_ptr bio(BIO_new(BIO_s_mem()));
    if (cert != nullptr) {
        PEM_write_bio_X509(bio.get(), cert);
    }
    if (key != nullptr) {
        PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
    }
    char* data = nullptr;
    long n = BIO_get_mem_data(bio.get(), &data);
    return {data, static_cast<std::size_t>(n)};
}

void make_server_files(const credentials& c) {
    key_ptr ca_key(EVP_EC_gen("P-256"));
    cert_ptr ca = make_certificate(ca_key.get(), "m365sim test CA", nullptr, nullptr, nullptr);
    key_ptr key(EVP_EC_gen("P-256"));
    cert_ptr cert = make_certificate(
        key.get(), "localhost", ca.get(), ca_key.get(),
        "DNS:localhost,DNS:graph.microsoft.com,DNS:login.microsoftonline.com,IP:127.0.0.1,IP:::1"
    );
    write_file(c.ca_file, pem_of(ca.get(), nullptr));
    write_file(
        c.server_file, pem_of(cert.get(), nullptr) + pem_of(ca.get(), nullptr) + pem_of(nullptr, key.get())
    );
}

std::string make_federated_token(EVP_PKEY* key) {
    nlohmann::json claims = {
        {"iss", "https://issuer.contoso.example"},
        {"sub", "system:serviceaccount:m365stage"},
        {"aud", "api://AzureADTokenExchange"},
        {"iat", now_seconds()},
        {"exp", now_seconds() + 3650 * day_seconds}
    };
    std::string text =
        base64url(R"({"alg":"RS256","typ":"JWT","kid":"federated"})") + "." + base64url(claims.dump());
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key);
    std::size_t n = 0;
    EVP_DigestSign(context, nullptr, &n, reinterpret_cast<const unsigned char*>(text.data()), text.size());
    std::string signature(n, '\0');
    EVP_DigestSign(
        context, reinterpret_cast<unsigned char*>(signature.data()), &n,
        reinterpret_cast<const unsigned char*>(text.data()), text.size()
    );
    EVP_MD_CTX_free(context);
    signature.resize(n);
    return text + "." + base64url(signature);
}

}  // namespace

credentials make_credentials(const std::string& dir) {
    namespace fs = std::filesystem;
    fs::create_directories(dir);
    credentials c;
    c.ca_file = dir + "/ca.pem";
    c.server_file = dir + "/server.pem";
    c.secret_file = dir + "/client-secret";
    c.certificate_file = dir + "/app.pem";
    c.federated_file = dir + "/federated.jwt";
    if (!fs::exists(c.ca_file) || !fs::exists(c.server_file)) {
        make_server_files(c);
    }
    if (!fs::exists(c.secret_file)) {
        unsigned char raw[24];
        RAND_bytes(raw, sizeof raw);
        write_file(c.secret_file, base64url({reinterpret_cast<char*>(raw), sizeof raw}) + "~+/=%");
    }
    if (!fs::exists(c.certificate_file)) {
        key_ptr key(EVP_RSA_gen(2048));
        cert_ptr cert = make_certificate(key.get(), "m365stage app", nullptr, nullptr, "");
        write_file(c.certificate_file, pem_of(cert.get(), nullptr) + pem_of(nullptr, key.get()));
    }
    if (!fs::exists(c.federated_file)) {
        key_ptr key(EVP_RSA_gen(2048));
        write_file(c.federated_file, make_federated_token(key.get()));
    }
    c.client_secret = read_file(c.secret_file);
    c.federated_token = read_file(c.federated_file);
    return c;
}

}  // namespace m365stage::sim
