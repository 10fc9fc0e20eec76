#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "config/decode.hpp"

namespace m365stage::config {
namespace {

/// Who may read the file besides its owner. The token of a workload identity is written by its platform,
/// which sets the mode (Kubernetes: 0644) and renews it every hour.
enum class protection { none, owner_only };

bool is_credential_of_systemd(const std::string& path) {
    const auto folder = credential_folder();
    return folder && path.starts_with(*folder + "/");
}

std::string what_is_wrong(const std::string& path, protection wanted) {
    struct stat info = {};
    if (::stat(path.c_str(), &info) != 0) {
        if (errno == ENOENT || errno == ENOTDIR) {
            return "the file " + quoted(path) + " does not exist; expected it there";
        }
        return "the file " + quoted(path) + " can't be looked at: " + std::strerror(errno) +
               "; expected a file that this user can read";
    }
    if (!S_ISREG(info.st_mode)) {
        return quoted(path) + " is not a regular file; expected a file";
    }
    // systemd protects its credentials by an ACL, whose mask shows up as rights of the group.
    const mode_t others = is_credential_of_systemd(path) ? S_IRWXO : S_IRWXG | S_IRWXO;
    if (wanted == protection::owner_only && (info.st_mode & others) != 0) {
        return "the secret file " + quoted(path) +
               " can be used by group or others; expected only its owner to read "
               "it: chmod 600 " +
               path;
    }
    if (::access(path.c_str(), R_OK) != 0) {
        return "the file " + quoted(path) +
               " is not readable for this user; expected it to be: check its owner";
    }
    return {};
}

class file_checker {
public:
    file_checker(const node& document, problem_list& problems) : document_(document), problems_(problems) {}

    void check(const std::string& in, const std::string& key, const std::string& path, protection wanted) {
        if (!path.starts_with('/')) {
            return;  // not configured, or reported already
        }
        std::string what = what_is_wrong(path, wanted);
        if (what.empty()) {
            return;
        }
        const node* parent = document_.find(in);
        const node* value = parent == nullptr ? nullptr : parent->find(key);
        if (value != nullptr && names_credential_folder(value->text) && !credential_folder()) {
            what += "; " + std::string(credential_variable) + " is not set, so it was looked for in " +
                    std::filesystem::path(path).parent_path().string();
        }
        problems_.add(value == nullptr ? 0 : value->line, in + "." + key, what);
    }

    void check_app(const std::string& in, const app_settings& app) {
        switch (app.proof) {
            case proof_kind::certificate:
                check(in, "certificate_file", app.proof_file, protection::owner_only);
                break;
            case proof_kind::client_secret:
                check(in, "client_secret_file", app.proof_file, protection::owner_only);
                break;
            case proof_kind::federated_token:
                check(in, "federated_token_file", app.proof_file, protection::none);
                break;
            case proof_kind::managed_identity:
                break;
        }
    }

private:
    const node& document_;
    problem_list& problems_;
};

}  // namespace

void check_files(const node& document, const settings& values, file_checks which, problem_list& problems) {
    if (which == file_checks::off) {
        return;
    }
    file_checker checker(document, problems);
    checker.check("endpoints", "ca_file", values.endpoints.ca_file, protection::none);
    if (which == file_checks::backup) {
        checker.check_app("app", values.app);
        checker.check("api", "token_file", values.api.token_file, protection::owner_only);
    } else if (values.restore_app) {
        checker.check_app("restore_app", *values.restore_app);
    }
}

}  // namespace m365stage::config
