#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace m365stage::graph {

struct parsed_object {
    parsed_object();
    parsed_object(parsed_object&&) noexcept;
    parsed_object& operator=(parsed_object&&) noexcept;
    ~parsed_object();
    std::unique_ptr<nlohmann::json> value;  ///< always an object
    bool repaired = false;
};

/// Parses a JSON object as Graph sends it. What is not quite JSON is mended: lone surrogates and invalid
/// UTF-8 become U+FFFD, raw control characters inside strings are escaped. Errors: protocol (no object,
/// nested deeper than 64, HTML or something else instead).
core::result<parsed_object> parse_object(std::string_view body);

/// The mended text; equal to `body` if nothing was to be mended.
std::string mend_json(std::string_view body);

/// What a body that is no JSON object looks like: "HTML", "nothing", "a JSON array", ...
std::string_view nature_of(std::string_view body);

/// `text` with every invalid byte sequence replaced by U+FFFD.
std::string valid_utf8(std::string_view text);

}  // namespace m365stage::graph
