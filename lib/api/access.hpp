#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/message.hpp"
#include "core/hash.hpp"

namespace m365stage::api {

/// Who may ask what over the TCP port. Over the Unix socket the file's mode decides and nothing is asked
/// here.
class access {
public:
    /// `port` is that of the listener: a Host field has to name it. `token_file` empty: only what is open to
    /// everybody answers.
    access(std::uint16_t port, std::string token_file);

    /// Reads the token again. Errors: usage (file missing, unreadable, empty, too short); the old token then
    /// stays.
    core::result<void> reload();

    /// The Host field of a request over TCP names this machine's loopback and the port. Anything else is a
    /// browser that a foreign name was pointed here for (DNS rebinding).
    bool is_own_host(std::string_view host) const;

    /// "Bearer <token>"; compared in constant time.
    bool is_right(std::string_view authorization) const;
    bool has_token() const { return token_.has_value(); }

private:
    std::uint16_t port_;
    std::string file_;
    std::optional<core::sha256_digest> token_;  // digests: equal length whatever was sent
};

/// True for what everybody may have over TCP: health, and the page without any data.
bool is_open(std::string_view path);

/// Host and token. Sets `trusted`; nullopt: go on.
std::optional<response> check_access(const access& who, request& r);

}  // namespace m365stage::api
