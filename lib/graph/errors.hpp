#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "core/error.hpp"
#include "http/http.hpp"

namespace m365stage::graph {

/// What repeating the same call may do about a failed answer.
enum class retry_class {
    never,          ///< only another call or a person helps
    brief,          ///< an error that is now and then a hiccup: up to 3 tries
    transient,      ///< up to `max_attempts`
    throttled,      ///< the whole scope pauses; tries are not counted
    sign_in,        ///< the token was refused: a new one, once
    sign_in_again,  ///< "expired", which may last a few seconds after a renewal: up to 6 tries
};

struct verdict {
    verdict() = default;
    core::error why;
    retry_class retry = retry_class::never;
};

/// What the classification must know of the request.
struct asked {
    asked() = default;
    http::method verb = http::method::get;
    bool preauthenticated = false;  ///< a file host's URL: its errors come as they are
    std::string object;
    std::chrono::system_clock::time_point now;  ///< for a Retry-After that is a date, in answers without one
};

/// Judges an answer with status 400 or more, whatever its body is (contract 2.3 to 2.6, 4.5). Never fails.
/// The error holds no token: texts are scrubbed.
verdict judge(const asked& request, const http::response& answer);

/// Judges a failure of the transport.
verdict judge(const asked& request, core::error failure);

/// Tries after which a refusal is believed although no clear word came with it.
inline constexpr int most_doubts = 3;

/// True if a refusal may be taken for the service's own: it has a code of the service, or `tries` before it
/// ended no better. A gateway's web page may be a passing fault, and what is believed is not asked for again.
bool is_clear(const core::error& refusal, int tries = 0);

/// The failure of a refusal that is not clear: one that the next try may mend.
core::error as_unclear(core::error refusal);

/// `text` without tokens (tempauth=, access_token, $deltatoken, authtoken, Bearer ..., JWTs), as valid UTF-8,
/// cut to about 2 KB.
std::string scrub(std::string_view text);

/// The decoded claims challenge of a 401's WWW-Authenticate (contract 1.6); empty if there is none.
std::string claims_challenge(const http::header_list& fields);

/// Retry-After: whole seconds, decimals, or an HTTP date. nullopt: none that can be understood.
std::optional<std::chrono::milliseconds> parse_retry_after(
    std::string_view text, std::chrono::system_clock::time_point now
);

}  // namespace m365stage::graph
