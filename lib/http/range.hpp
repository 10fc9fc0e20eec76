#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace m365stage::http {

/// Where the bytes of a partial answer begin, by its Content-Range ("bytes 100-199/200"); never negative.
/// nullopt: it is not understood.
std::optional<std::int64_t> range_start(std::string_view content_range);

/// How many bytes the whole has, by the same field; never negative. nullopt: it does not tell ("/*"), or is
/// not understood.
std::optional<std::int64_t> range_total(std::string_view content_range);

}  // namespace m365stage::http
