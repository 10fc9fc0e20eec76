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
void check_files(const node& document, const settings& values, file_checks which, problem_list& problems);

/// What the path of a secret may begin with: systemd's folder for the credentials of a unit.
inline constexpr std::string_view credential_variable = "${CREDENTIALS_DIRECTORY}";
bool names_credential_folder(std::string_view written);
/// That folder; nullopt: systemd did not start this.
std::optional<std::string> credential_folder();

}  // namespace m365stage::config
