#include "http/tls.hpp"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "http/stream.hpp"

namespace m365stage::http {
namespace {

constexpr std::size_t read_buffer_bytes = 64u << 10;

using slot_pointer = std::shared_ptr<session_slot>;

void free_slot(void*, void* stored, CRYPTO_EX_DATA*, int, long, void*) {
    delete static_cast<slot_pointer*>(stored);
}

int slot_index() {
    static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, free_slot);
    return index;
}

/// OpenSSL calls this whenever the server hands out a session (TLS 1.3: with the first bytes after the
/// handshake).
int keep_session(SSL* ssl, SSL_SESSION* session) {
    auto* slot = static_cast<slot_pointer*>(SSL_get_ex_data(ssl, slot_index()));
    if (!slot) {
        return 0;
    }
    (*slot)->session =
        std::shared_ptr<void>(session, [](void* s) { SSL_SESSION_free(static_cast<SSL_SESSION*>(s)); });
    return 1;
}

bool is_address(const std::string& host) {
    unsigned char parsed[sizeof(in6_addr)];
    return inet_pton(AF_INET, host.c_str(), parsed) == 1 || inet_pton(AF_INET6, host.c_str(), parsed) == 1;
}

std::string in_plain_words(long verdict) {
    switch (verdict) {
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return "it has expired";
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return "it is not valid yet";
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            return "it was issued for another name";
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
            return "it is self-signed or its authority is not trusted here";
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            return "its authority is not trusted here";
        case X509_V_ERR_CERT_REVOKED:
            return "it has been revoked";
        default:
            return X509_verify_cert_error_string(verdict);
    }
}

}  // namespace

core::result<void> prepare_context(SSL_CTX* context, const std::string& ca_file) {
    static constexpr unsigned char http11[] = "\x08http/1.1";
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_alpn_protos(context, http11, sizeof http11 - 1);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, keep_session);
    // Several records with one system call.
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, read_buffer_bytes);
    const int loaded = ca_file.empty() ? SSL_CTX_set_default_verify_paths(context)
                                       : SSL_CTX_load_verify_file(context, ca_file.c_str());
    if (loaded == 1) {
        return {};
    }
    const char* why = ERR_reason_error_string(ERR_peek_last_error());
    core::error bad(
        core::error_kind::usage, "the CA certificates can't be read from " +
                                     (ca_file.empty() ? std::string("the system's store") : ca_file) + ": " +
                                     (why ? why : "no certificate found")
    );
    ERR_clear_error();
    bad.hint = "endpoints.ca_file names a PEM file with the authorities to trust";
    return bad;
}

bool prepare_tls(SSL* ssl, const std::string& host, const std::shared_ptr<session_slot>& slot) {
    SSL_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
    X509_VERIFY_PARAM* rules = SSL_get0_param(ssl);
    if (is_address(host)) {
        if (X509_VERIFY_PARAM_set1_ip_asc(rules, host.c_str()) != 1) {
            return false;
        }
    } else {
        X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        if (X509_VERIFY_PARAM_set1_host(rules, host.c_str(), host.size()) != 1 ||
            SSL_set_tlsext_host_name(ssl, host.c_str()) != 1) {
            return false;
        }
    }
    if (!slot) {
        return true;
    }
    auto kept = std::make_unique<slot_pointer>(slot);
    if (SSL_set_ex_data(ssl, slot_index(), kept.get()) != 1) {
        return false;
    }
    [[maybe_unused]] const auto* owned_by_ssl = kept.release();
    if (slot->session) {
        SSL_set_session(ssl, static_cast<SSL_SESSION*>(slot->session.get()));
    }
    return true;
}

void retire_tls(SSL* ssl) {
    SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

core::error handshake_failure(SSL* ssl, const std::string& host, const std::string& fallback) {
    const long verdict = SSL_get_verify_result(ssl);
    if (verdict == X509_V_OK) {
        return core::error(
            core::error_kind::transport, "the TLS handshake with " + host + " failed: " + fallback
        );
    }
    core::error refused(
        core::error_kind::transport, "the certificate of " + host + " is refused: " + in_plain_words(verdict)
    );
    refused.hint = "check the clock, endpoints.ca_file, and whether a proxy opens TLS connections";
    return refused;
}

}  // namespace m365stage::http
