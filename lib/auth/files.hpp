#pragma once

#include <string>

#include "core/error.hpp"

namespace m365stage::auth {

/// A small file with something secret, without its line end. Read on the network thread: it is a few
/// kilobytes about once an hour. Errors: usage (missing, not readable, empty, over 1 MiB, not a regular
/// file); never the content.
core::result<std::string> read_secret_file(const std::string& path);

/// Hints of this module say "{app}" where the section of the configuration belongs that has the credential.
core::error name_section(core::error e, const std::string& section);

}  // namespace m365stage::auth
