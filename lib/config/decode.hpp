#pragma once

#include "config/config.hpp"
#include "config/problems.hpp"
#include "config/yaml_document.hpp"

namespace m365stage::config {

/// Takes the values over into settings. A value whose type does not fit is skipped: check_schema() has
/// reported it. Reports what a schema can't say: credentials that exclude each other, endpoints that do not
/// belong together.
settings decode(const node& document, problem_list& problems);

/// Reports files that are named but missing, unreadable, or secret and readable by others.
void check_files(const node& document, const settings& values, problem_list& problems);

}  // namespace m365stage::config
