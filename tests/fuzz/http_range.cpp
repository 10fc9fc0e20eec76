// Fuzz target: Content-Range of partial answers. What is understood is a position, and the very one that is
// written there.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "http/range.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    for (const auto& field : {std::string(text), "bytes " + std::string(text)}) {
        const auto start = m365stage::http::range_start(field);
        if (!start) {
            continue;
        }
        constexpr std::size_t unit = 6;
        const auto digits = std::min(field.find_first_not_of('0', unit), field.find('-', unit));
        const auto written = *start == 0 ? "-" : std::to_string(*start) + "-";
        if (*start < 0 || !field.substr(digits).starts_with(written)) {
            std::abort();
        }
        const auto total = m365stage::http::range_total(field);
        if (total && *total < 0) {
            std::abort();
        }
    }
    return 0;
}
