#pragma once

#include <chrono>
#include <optional>

#include "core/error.hpp"

namespace m365stage::auth {

/// Pauses between the tries of one renewal: five tries, full jitter, Retry-After to the letter.
/// `tries` is how many have failed, `chance` is even in [0, 1). nullopt: give up.
std::optional<std::chrono::milliseconds> login_pause(
    unsigned tries, double chance, std::optional<std::chrono::milliseconds> retry_after
);

/// The same for IMDS (contract 1.3): 0, 2, 6, 14, 30 s; after a 410 for at least 70 s in all.
std::optional<std::chrono::milliseconds> metadata_pause(
    unsigned tries, int status, std::optional<std::chrono::milliseconds> retry_after
);

/// How long after it was issued a token is renewed: at 80 % of its life or 5 minutes before its end,
/// whichever is earlier, but never before half of its life (short-lived tokens would be renewed all the
/// time).
std::chrono::seconds renewal_age(std::chrono::seconds life);

/// Seconds of a Retry-After header, whole or with decimals; nullopt for anything else.
std::optional<std::chrono::milliseconds> retry_seconds(std::string_view text);

}  // namespace m365stage::auth
