#pragma once

#include <string_view>

#include "graph/errors.hpp"

namespace m365stage::graph {

/// What follows from a code or a phrase of the service. A row with status 0 holds for every status.
struct error_row {
    int status;
    std::string_view match;  ///< lower case: a whole code, or a part of a message
    core::error_kind kind;
    retry_class retry;
    std::string_view hint;
    std::string_view write_hint = {};  ///< for requests that change something, if it is another
};

/// The row of a code (lower case); the one for this very status goes first. nullptr: not known.
const error_row* find_code_row(int status, std::string_view code);

/// The row of a phrase in the messages (lower case). nullptr: none occurs.
const error_row* find_message_row(int status, std::string_view messages);

}  // namespace m365stage::graph
