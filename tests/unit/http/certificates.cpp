#include "certificates.hpp"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>

namespace m365stage::test {
namespace {

template <auto Free>
struct freer {
    template <class T>
    void operator()(T* p) const {
        Free(p);
    }
};
using key_ptr = std::unique_ptr<EVP_PKEY, freer<EVP_PKEY_free>>;
using x509_ptr = std::unique_ptr<X509, freer<X509_free>>;
using bio_ptr = std::unique_ptr<BIO, freer<BIO_free_all>>;

void need(bool ok) {
    if (!ok) {
        throw std::runtime_error("OpenSSL could not make a test certificate");
    }
}

std::string text_of(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    return std::string(data, static_cast<std::size_t>(size));
}

void add_extension(X509* cert, X509* issuer, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, cert, nullptr, nullptr, 0);
    X509_EXTENSION* ext = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
    need(ext != nullptr);
    X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
}

}  // namespace

key_pair make_certificate(const certificate_wish& wish, const key_pair* issuer) {
    static long serial = 1000;
    key_ptr key(EVP_EC_gen("P-256"));
    x509_ptr cert(X509_new());
    need(key && cert);
    X509_set_version(cert.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(cert.get()), wish.from_days * 86400L);
    X509_gmtime_adj(X509_getm_notAfter(cert.get()), wish.until_days * 86400L);
    X509_set_pubkey(cert.get(), key.get());
    X509_NAME_add_entry_by_txt(
        X509_get_subject_name(cert.get()), "CN", MBSTRING_ASC,
        reinterpret_cast<const unsigned char*>(wish.name.c_str()), -1, -1, 0
    );
    x509_ptr parent;
    key_ptr signer;
    if (issuer) {
        bio_ptr c(BIO_new_mem_buf(issuer->certificate.data(), static_cast<int>(issuer->certificate.size())));
        bio_ptr k(BIO_new_mem_buf(issuer->key.data(), static_cast<int>(issuer->key.size())));
        parent.reset(PEM_read_bio_X509(c.get(), nullptr, nullptr, nullptr));
        signer.reset(PEM_read_bio_PrivateKey(k.get(), nullptr, nullptr, nullptr));
        need(parent && signer);
    }
    X509* from = parent ? parent.get() : cert.get();
    X509_set_issuer_name(cert.get(), X509_get_subject_name(from));
    add_extension(
        cert.get(), from, NID_basic_constraints, wish.is_authority ? "critical,CA:TRUE" : "CA:FALSE"
    );
    if (!wish.is_authority) {
        add_extension(cert.get(), from, NID_subject_alt_name, wish.subject_alt);
    }
    need(X509_sign(cert.get(), signer ? signer.get() : key.get(), EVP_sha256()) > 0);
    key_pair out;
    bio_ptr c(BIO_new(BIO_s_mem()));
    bio_ptr k(BIO_new(BIO_s_mem()));
    need(PEM_write_bio_X509(c.get(), cert.get()) == 1);
    need(PEM_write_bio_PrivateKey(k.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
    out.certificate = text_of(c.get());
    out.key = text_of(k.get());
    return out;
}

const key_pair& test_authority() {
    static const key_pair made = [] {
        certificate_wish wish;
        wish.name = "test authority";
        wish.is_authority = true;
        return make_certificate(wish);
    }();
    return made;
}

const std::string& test_authority_file() {
    struct file {
        file() {
            char name[] = "/tmp/m365stage-ca-XXXXXX";
            const int fd = mkstemp(name);
            need(fd >= 0);
            path = name;
            const auto& pem = test_authority().certificate;
            need(write(fd, pem.data(), pem.size()) == static_cast<ssize_t>(pem.size()));
            close(fd);
        }
        ~file() { std::remove(path.c_str()); }
        std::string path;
    };
    static const file kept;
    return kept.path;
}

}  // namespace m365stage::test
