#pragma once

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "config/config.hpp"

namespace config_test {

/// What every valid configuration needs, four lines long. Tests append to it.
inline const std::string minimal =
    "tenant: { id: contoso.onmicrosoft.com }\n"
    "app:\n"
    "  client_id: 00000000-0000-0000-0000-000000000000\n"
    "  certificate_file: /etc/m365stage/app.pem\n";

/// The problems that are reported for `text`; empty if it is accepted.
inline std::string problems(
    std::string_view text, m365stage::config::file_checks checks = m365stage::config::file_checks::off
) {
    const auto outcome = m365stage::config::parse(text, "c.yaml", checks);
    return outcome.has_error() ? outcome.error().cause : std::string();
}

/// A folder of its own for each test.
class temp_folder {
public:
    temp_folder() {
        std::string name = (std::filesystem::temp_directory_path() / "m365stage-XXXXXX").string();
        path_ = ::mkdtemp(name.data());
    }
    ~temp_folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    temp_folder(const temp_folder&) = delete;
    temp_folder& operator=(const temp_folder&) = delete;

    std::string path(const std::string& name) const { return path_ + "/" + name; }

    /// Writes a file with these permission bits and returns its path.
    std::string write(const std::string& name, std::string_view text, unsigned mode = 0600) const {
        std::ofstream(path(name), std::ios::binary) << text;
        std::filesystem::permissions(path(name), static_cast<std::filesystem::perms>(mode));
        return path(name);
    }

private:
    std::string path_;
};

}  // namespace config_test
