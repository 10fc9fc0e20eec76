#include "http/range.hpp"

#include <charconv>

#include "http/text.hpp"

namespace m365stage::http {

std::optional<std::int64_t> range_start(std::string_view content_range) {
    constexpr std::string_view unit = "bytes ";
    if (!equal_names(content_range.substr(0, unit.size()), unit)) {
        return std::nullopt;
    }
    content_range.remove_prefix(unit.size());
    if (content_range.empty() || !is_digit(content_range.front())) {
        return std::nullopt;
    }
    std::int64_t start = 0;
    const auto* last = content_range.data() + content_range.size();
    const auto [end, ec] = std::from_chars(content_range.data(), last, start);
    const bool followed = ec == std::errc{} && end != last && *end == '-';
    return followed ? std::optional(start) : std::nullopt;
}

std::optional<std::int64_t> range_total(std::string_view content_range) {
    const auto slash = content_range.rfind('/');
    if (!range_start(content_range) || slash == content_range.npos) {
        return std::nullopt;
    }
    content_range.remove_prefix(slash + 1);
    std::int64_t total = 0;
    const auto* last = content_range.data() + content_range.size();
    const auto [end, ec] = std::from_chars(content_range.data(), last, total);
    const bool whole = ec == std::errc{} && end == last && total >= 0;
    return whole ? std::optional(total) : std::nullopt;
}

}  // namespace m365stage::http
