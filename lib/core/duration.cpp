#include "core/duration.hpp"

#include <array>
#include <charconv>
#include <cstdint>

namespace m365stage::core {
namespace {

struct unit {
    char letter;
    std::int64_t seconds;
};

// Largest first: format_duration takes the first that divides the value.
constexpr std::array units{unit{'d', 86'400}, unit{'h', 3'600}, unit{'m', 60}, unit{'s', 1}};

}  // namespace

std::optional<std::chrono::seconds> parse_duration(std::string_view text) {
    if (text.size() < 2 || text.front() < '0' || text.front() > '9') {
        return std::nullopt;
    }
    const char* number_end = text.data() + text.size() - 1;
    std::int64_t count = 0;
    const auto [end, failure] = std::from_chars(text.data(), number_end, count);
    if (failure != std::errc() || end != number_end) {
        return std::nullopt;
    }
    for (const unit& u : units) {
        if (u.letter == text.back()) {
            if (count > longest_duration.count() / u.seconds) {
                return std::nullopt;
            }
            return std::chrono::seconds(count * u.seconds);
        }
    }
    return std::nullopt;
}

std::string format_duration(std::chrono::seconds value) {
    if (value.count() <= 0) {
        return "0s";
    }
    for (const unit& u : units) {
        if (value.count() % u.seconds == 0) {
            return std::to_string(value.count() / u.seconds) + u.letter;
        }
    }
    return std::to_string(value.count()) + "s";
}

}  // namespace m365stage::core
