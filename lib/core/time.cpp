#include "core/time.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>

namespace m365stage::core {
namespace {

/// Takes exactly `count` digits off the front of `text`.
std::optional<int> digits(std::string_view& text, std::size_t count) {
    if (text.size() < count) {
        return std::nullopt;
    }
    int value = 0;
    auto [end, ec] = std::from_chars(text.data(), text.data() + count, value);
    if (ec != std::errc{} || end != text.data() + count || text[0] == '-') {
        return std::nullopt;
    }
    text.remove_prefix(count);
    return value;
}

bool take(std::string_view& text, char c) {
    if (text.empty() || (text[0] != c && !(c == 'T' && (text[0] == 't' || text[0] == ' ')))) {
        return false;
    }
    text.remove_prefix(1);
    return true;
}

/// The offset at the end of a timestamp in seconds; nullopt if it is malformed.
std::optional<int> offset(std::string_view text) {
    if (text.empty() || text == "Z" || text == "z") {
        return 0;
    }
    const int sign = text[0] == '-' ? -1 : 1;
    if (text[0] != '+' && text[0] != '-') {
        return std::nullopt;
    }
    text.remove_prefix(1);
    auto hours = digits(text, 2);
    take(text, ':');
    auto minutes = digits(text, 2);
    if (!hours || !minutes || !text.empty() || *hours > 23 || *minutes > 59) {
        return std::nullopt;
    }
    return sign * (*hours * 3600 + *minutes * 60);
}

}  // namespace

unix_seconds now_seconds() {
    using namespace std::chrono;
    return duration_cast<seconds>(system_clock::now().time_since_epoch()).count();
}

std::optional<unix_seconds> parse_timestamp(std::string_view text) {
    auto year = digits(text, 4);
    const bool dash1 = take(text, '-');
    auto month = digits(text, 2);
    const bool dash2 = take(text, '-');
    auto day = digits(text, 2);
    if (!year || !month || !day || !dash1 || !dash2 || !take(text, 'T')) {
        return std::nullopt;
    }
    auto hour = digits(text, 2);
    const bool colon1 = take(text, ':');
    auto minute = digits(text, 2);
    const bool colon2 = take(text, ':');
    auto second = digits(text, 2);
    if (!hour || !minute || !second || !colon1 || !colon2 || *hour > 23 || *minute > 59 || *second > 60) {
        return std::nullopt;
    }
    if (take(text, '.')) {
        while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
            text.remove_prefix(1);
        }
    }
    auto shift = offset(text);
    using namespace std::chrono;
    const year_month_day date{
        std::chrono::year{*year}, std::chrono::month{static_cast<unsigned>(*month)},
        std::chrono::day{static_cast<unsigned>(*day)}
    };
    if (!shift || !date.ok()) {
        return std::nullopt;
    }
    const auto days = sys_days{date}.time_since_epoch().count();
    return unix_seconds{days} * seconds_a_day + unix_seconds{*hour} * 3600 + unix_seconds{*minute} * 60 +
           *second - *shift;
}

std::string format_timestamp(unix_seconds t) {
    using namespace std::chrono;
    const sys_seconds at{seconds{t}};
    const auto day = floor<days>(at);
    const year_month_day date{day};
    const hh_mm_ss clock{at - day};
    char text[40];
    std::snprintf(
        text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02dZ", int{date.year()}, unsigned{date.month()},
        unsigned{date.day()}, static_cast<int>(clock.hours().count()),
        static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count())
    );
    return text;
}

unix_seconds clamp_mtime(unix_seconds t) {
    return std::clamp<unix_seconds>(t, 0, latest_mtime);
}

}  // namespace m365stage::core
