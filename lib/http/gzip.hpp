#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace m365stage::http {

/// Inflates a whole gzip body (several members in a row are allowed).
/// Errors: too_large as soon as the output would exceed `max_bytes` (a zip bomb costs no more than that);
///         protocol if it is not gzip, is damaged or ends early.
core::result<std::string> gunzip(std::string_view packed, std::uint64_t max_bytes);

}  // namespace m365stage::http
