#pragma once

#include <string>
#include <string_view>

namespace m365stage::test {

/// The text as a gzip member.
std::string gzipped(std::string_view text);

}  // namespace m365stage::test
