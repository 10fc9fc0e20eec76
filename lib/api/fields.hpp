#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "api/message.hpp"

namespace m365stage::api {

/// The named values of a request, from its query or from the JSON object in its body. Each value is asked for
/// by name; what is wrong, and what nobody asked for, is told by `finish`, so call it before using any value.
class field_reader {
public:
    static field_reader of_query(const request& r);
    /// No body is an empty object. Errors (told by `finish`): bad_request.
    static field_reader of_body(const request& r);

    std::string text(std::string_view name, std::size_t longest = 1000);
    std::string required_text(std::string_view name, std::size_t longest = 200);
    std::int64_t number(std::string_view name, std::int64_t otherwise, std::int64_t least, std::int64_t most);
    bool flag(std::string_view name);

    /// Errors: bad_request, with the first thing that is wrong.
    core::result<void> finish();

private:
    struct field {
        std::string name;
        std::variant<std::string, std::int64_t, bool> value;
        bool asked = false;
    };
    field* take(std::string_view name);
    void wrong(std::string_view name, std::string_view expected);

    std::vector<field> fields_;
    std::string known_;
    std::optional<core::error> error_;
};

}  // namespace m365stage::api
