#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace m365stage::graph {

/// What an error body says, in whatever costume it came (contract 2.3).
struct error_body {
    error_body() = default;
    std::vector<std::string> codes;  ///< outermost first, as written
    std::string message;             ///< the outermost one that is not empty
    std::string all_messages;        ///< of every level, lower case, for decisions that have no other signal
    std::string request_id;
    bool empty = false;  ///< nothing but blanks
    bool json = false;
};

/// Never fails: HTML, text, bytes, nothing, and megabytes of each are all read.
error_body read_error_body(std::string_view body);

}  // namespace m365stage::graph
