#pragma once

#include "config/problems.hpp"
#include "config/yaml_document.hpp"

namespace m365stage::config {

/// Checks the document against the JSON Schema and explains every deviation: unknown and missing keys, wrong
/// types, values out of range.
void check_schema(const node& document, problem_list& problems);

}  // namespace m365stage::config
