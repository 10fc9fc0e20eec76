#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"

/// What a hook prints arrives line by line in Bareos' job log, which cuts lines at 127 bytes and may split a
/// character there: one fact a line, short, ASCII.
namespace m365stage::api {

inline constexpr std::size_t longest_job_log_line = 120;

/// One line; cut off at the end if it is too long. A character that is not ASCII becomes one '?'.
std::string job_log_line(std::string_view text);

/// All of the text, in as many lines as it takes, each beginning with `begin`, which is short.
std::vector<std::string> job_log_lines(std::string_view begin, std::string_view text);

/// A failure: the reason in one line. Where that is too long, why matters more than what was tried, and what
/// a person shall do, which is never cut off, comes in lines of its own. `what`: "backup refused: ", or
/// empty.
std::vector<std::string> refusal_lines(std::string_view what, core::error e);

}  // namespace m365stage::api
