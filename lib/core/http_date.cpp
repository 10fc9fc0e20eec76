#include "core/http_date.hpp"

#include <ctime>
#include <string>

namespace m365stage::core {

std::optional<unix_seconds> parse_http_date(std::string_view text) {
    constexpr std::size_t longest = 64;
    std::tm parts{};
    const std::string copy(text.substr(0, longest));
    const char* rest = ::strptime(copy.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    if (rest == nullptr || *rest != '\0') {
        return std::nullopt;
    }
    return ::timegm(&parts);
}

}  // namespace m365stage::core
