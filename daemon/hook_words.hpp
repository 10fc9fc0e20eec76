#pragma once

#include <string>
#include <vector>

namespace m365stage::daemon {

/// What a hook's status is recorded as if none was given.
inline constexpr const char* unknown_status = "unknown";

/// The arguments (without the program's name) of a hook as its author meant them. Bareos puts values into a
/// line and splits that at blanks, so `--status %e` arrives as "--status", "OK", "--", "with", "warnings":
/// the words up to the next option of the hook become one value, joined by a blank. After-job also loses what
/// it has no use for, before-job's options too: a job's lease has to end whatever else stands there. Other
/// commands come back as they are.
std::vector<std::string> join_hook_words(std::vector<std::string> arguments);

/// A status as the service takes it: one short line, `unknown_status` if it is blank.
std::string status_to_tell(std::string text);

}  // namespace m365stage::daemon
