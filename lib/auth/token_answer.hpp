#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace m365stage::auth {

/// An access token as the login service or IMDS hands it out.
struct token_answer {
    token_answer() = default;
    std::string value;
    std::chrono::seconds life{0};
};

/// What the renewal does after a failed answer.
enum class next_step {
    give_up,          ///< only a person can change it
    fresh_assertion,  ///< the assertion's validity window was missed: once more with a new one
    back_off,         ///< transient
};

struct login_failure {
    login_failure() = default;
    core::error why;
    next_step next = next_step::give_up;
};

/// Of a token whose answer does not tell how long it is good, which RFC 6749 (5.1) allows. Entra's live an
/// hour or more.
inline constexpr std::chrono::minutes untold_life{5};

/// Reads a 200 of the token endpoint or of IMDS (where numbers are strings). Errors: protocol; auth_refused,
/// if the token's life is nonsense.
core::result<token_answer> parse_token(std::string_view body);

/// Judges any other answer of the token endpoint (contract 1.5). Never fails; the texts hold no trace ids.
login_failure judge_login(int status, std::string_view body);

/// Judges any other answer of IMDS (contract 1.3).
login_failure judge_metadata(int status, std::string_view body);

/// Microsoft's sentence without "AADSTSnnn:", trace id, correlation id and timestamp.
std::string plain_sentence(std::string_view description);

}  // namespace m365stage::auth
