#pragma once

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
/// The volume is bounded: more than 200 lines of one level in 10 s are counted and summed up in one line.
/// Never pass a token, secret or pre-authenticated URL: core::error texts are free of them.
void log(log_level level, std::string_view line);

/// The error's line; in JSON and in the journal its parts are members (fields) of their own as well, so that
/// failures can be found by kind, object or request id. `more` is put behind it, if it is not empty.
void log_error(log_level level, const error& e, std::string_view more = {});

}  // namespace m365stage::core
