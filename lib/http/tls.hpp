#pragma once

#include <openssl/types.h>

#include <memory>
#include <string>

#include "core/error.hpp"

namespace m365stage::http {

struct session_slot;

/// Protocol versions, ALPN, trust anchors and the session cache of a client context.
/// Errors: usage if `ca_file` can't be read.
core::result<void> prepare_context(SSL_CTX* context, const std::string& ca_file);

/// Everything that makes one connection safe, in one place: the chain is verified (verify_peer), the
/// certificate must be for `host` (a DNS name, or the address itself if `host` is one), SNI is sent for
/// names, an older session is offered. The new session is stored in `slot`, which the connection keeps alive.
bool prepare_tls(SSL* ssl, const std::string& host, const std::shared_ptr<session_slot>& slot);

/// Before an SSL object is freed without a closing handshake: its session stays good for resumption (OpenSSL
/// would take the missing farewell for a failure).
void retire_tls(SSL* ssl);

/// What to tell a person about a handshake that failed; `fallback` if it was not about the certificate.
core::error handshake_failure(SSL* ssl, const std::string& host, const std::string& fallback);

}  // namespace m365stage::http
