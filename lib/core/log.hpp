#pragma once

#include <string>
#include <string_view>

namespace m365stage::core {

enum class log_level { debug, info, warning, error };
enum class log_format { text, json, journal };

/// Where log lines go: stderr as text or JSON lines, or with the journal's "<N>" priority prefix.
/// Before the first call: text, info. Threads: call before any other thread logs.
void configure_log(log_level lowest, log_format format);

/// One line. Line breaks and control characters are replaced; texts longer than 2,000 bytes are cut.
/// The volume is bounded: more than 200 lines of one level in 10 s are counted and summed up in one line.
/// Never pass a token, secret or pre-authenticated URL: core::error texts are free of them.
void log(log_level level, std::string_view line);

}  // namespace m365stage::core
