#include "auth/retry_plan.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace m365stage::auth {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::optional<milliseconds> login_pause(
    unsigned tries, double chance, std::optional<milliseconds> retry_after
) {
    constexpr unsigned most = 5;
    if (tries >= most) {
        return std::nullopt;
    }
    if (retry_after) {
        return retry_after;
    }
    double ceiling = 1000.0 * std::pow(2.0, tries);
    return milliseconds(static_cast<std::int64_t>(ceiling * chance));
}

std::optional<milliseconds> metadata_pause(
    unsigned tries, int status, std::optional<milliseconds> retry_after
) {
    constexpr std::array<int, 5> pauses{0, 2, 6, 14, 30};
    constexpr std::array<int, 5> updating{4, 10, 14, 20, 30};
    if (tries == 0 || tries > pauses.size()) {
        return std::nullopt;
    }
    if (retry_after) {
        return retry_after;
    }
    int pause = status == 410 ? updating[tries - 1] : pauses[tries - 1];
    return seconds(status >= 500 ? std::max(pause, 1) : pause);
}

seconds renewal_age(seconds life) {
    seconds share(life.count() * 4 / 5);
    seconds ahead = std::max(life - std::chrono::minutes(5), life / 2);
    return std::min(share, ahead);
}

std::optional<milliseconds> retry_seconds(std::string_view text) {
    double value = 0;
    auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    constexpr double longest = 30.0 * 24 * 3600;
    if (failed != std::errc() || end != text.data() + text.size() || !(value >= 0) || value > longest) {
        return std::nullopt;
    }
    return milliseconds(static_cast<std::int64_t>(std::ceil(value * 1000)));
}

}  // namespace m365stage::auth
