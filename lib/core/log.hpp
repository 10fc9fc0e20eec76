#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace m365stage::core {

enum class log_level { debug, info, warning, error };
enum class log_format { text, json, journal };

/// Where log lines go: stderr as text or JSON lines, or the journal (stderr with its "<N>" prefixes where
/// there is none). Before the first call: text, info. May be called again. Threads: any.
void configure_log(log_level lowest, log_format format);

/// One line. Line breaks and control characters are replaced; texts longer than 2,000 bytes are cut.
/// The volume is bounded (core/log_bound.hpp): of a storm 200 lines of a level are written, then one a
/// second; the rest is counted. Never pass a token, secret or pre-authenticated URL: core::error texts are
/// free of them.
void log(log_level level, std::string_view line);

/// The error's line; in JSON and in the journal its parts are members (fields) of their own as well, so that
/// failures can be found by kind, object or request id. `more` is put behind it, if it is not empty.
void log_error(log_level level, const error& e, std::string_view more = {});

/// Tells how many lines were left out, of each level at most every 10 s. A program that runs on calls it now
/// and then, since nothing else may be logged when the storm is over; the last one is for the end.
void log_what_was_left_out();
void log_last_of_what_was_left_out();
/// All that were left out since the start.
std::uint64_t log_lines_left_out();

}  // namespace m365stage::core
