#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "config/config.hpp"
#include "support.hpp"

using config_test::problems;
using config_test::temp_folder;
using m365stage::config::file_checks;
using m365stage::config::load;
using m365stage::config::proof_kind;

namespace {

std::string with_proof(const std::string& line, const temp_folder& folder) {
    return "tenant: { id: contoso.com }\n"
           "app:\n"
           "  client_id: 00000000-0000-0000-0000-000000000000\n"
           "  " +
           line + "\nendpoints: { ca_file: " + folder.write("ca.pem", "x", 0644) + " }\n";
}

/// Sets an environment variable until the end of the scope.
class scoped_variable {
public:
    scoped_variable(const char* name, const std::string& value) : name_(name) {
        ::setenv(name, value.c_str(), 1);
    }
    ~scoped_variable() { ::unsetenv(name_); }
    scoped_variable(const scoped_variable&) = delete;
    scoped_variable& operator=(const scoped_variable&) = delete;

private:
    const char* name_;
};

}  // namespace

TEST_SUITE("config") {
    TEST_CASE("files: a well protected configuration loads") {
        const temp_folder folder;
        const std::string secret = folder.write("secret", "x", 0600);
        const std::string file = folder.write("c.yaml", with_proof("client_secret_file: " + secret, folder));
        const auto loaded = load(file);
        REQUIRE_FALSE(loaded.has_error());
        CHECK(loaded->app.proof == proof_kind::client_secret);
        CHECK(loaded->app.proof_file == secret);
    }

    TEST_CASE("files: a configuration that is not there is a usage error") {
        const temp_folder folder;
        const auto loaded = load(folder.path("none.yaml"));
        REQUIRE(loaded.has_error());
        CHECK(loaded.error().kind == m365stage::core::error_kind::usage);
        CHECK(
            loaded.error().cause ==
            folder.path("none.yaml") +
                ": the file does not exist; expected the configuration there, or its path "
                "with --config"
        );
        CHECK(load("/").error().cause == "/: not a regular file; expected a YAML file");
        CHECK(load("/dev/zero").error().cause == "/dev/zero: not a regular file; expected a YAML file");
    }

    TEST_CASE("files: an unreadable configuration says so") {
        if (::geteuid() == 0) {
            return;  // root reads everything
        }
        const temp_folder folder;
        const std::string file = folder.write("c.yaml", "", 0);
        CHECK(load(file).error().cause.find("is not readable for this user") != std::string::npos);
    }

    TEST_CASE("files: a secret that others can read is refused, with the command that mends it") {
        const temp_folder folder;
        for (unsigned mode : {0640U, 0604U, 0644U, 0620U, 0660U}) {
            const std::string secret = folder.write("secret", "x", mode);
            const std::string wanted =
                "c.yaml:4: app.client_secret_file: the secret file \"" + secret +
                "\" can be used by group or others; expected only its owner to read it: "
                "chmod 600 " +
                secret;
            CAPTURE(mode);
            CHECK(
                problems(with_proof("client_secret_file: " + secret, folder), file_checks::backup) == wanted
            );
        }
        const std::string key = folder.write("app.pem", "x", 0640);
        CHECK(problems(with_proof("certificate_file: " + key, folder), file_checks::backup)
                  .ends_with("chmod 600 " + key));
        const std::string secret = folder.write("good", "x", 0400);
        const std::string token = folder.write("token", "x", 0644);
        const std::string text =
            with_proof("client_secret_file: " + secret, folder) + "api: { token_file: " + token + " }\n";
        CHECK(problems(text, file_checks::backup).ends_with("chmod 600 " + token));
    }

    TEST_CASE("files: the token of a workload identity has the mode that its platform gives it") {
        const temp_folder folder;
        const std::string token = folder.write("token", "x", 0644);
        CHECK(problems(with_proof("federated_token_file: " + token, folder), file_checks::backup).empty());
    }

    TEST_CASE("files: a file that is named but missing is reported at its line") {
        const temp_folder folder;
        const std::string missing = folder.path("missing");
        const std::string wanted =
            "c.yaml:4: app.certificate_file: the file \"" + missing + "\" does not exist; expected it there";
        CHECK(problems(with_proof("certificate_file: " + missing, folder), file_checks::backup) == wanted);
        CHECK(problems(with_proof("certificate_file: " + missing, folder), file_checks::off).empty());
        CHECK(
            problems(with_proof("certificate_file: " + folder.path(""), folder), file_checks::backup)
                .find("is not a regular file") != std::string::npos
        );
    }

    TEST_CASE("files: systemd's credentials are found and may carry the mask of an ACL") {
        const temp_folder folder;
        const std::string text = with_proof("client_secret_file: ${CREDENTIALS_DIRECTORY}/secret", folder);
        const scoped_variable variable(
            "CREDENTIALS_DIRECTORY", folder.path("").substr(0, folder.path("").size() - 1)
        );
        const std::string secret = folder.write("secret", "x", 0440);
        const auto parsed = m365stage::config::parse(text, "c.yaml");
        REQUIRE_FALSE(parsed.has_error());
        CHECK(parsed->app.proof_file == secret);
        folder.write("secret", "x", 0444);
        CHECK(problems(text, file_checks::backup).find("chmod 600") != std::string::npos);
    }

    TEST_CASE("files: of the two apps each command needs the credential that it uses, and no other") {
        const temp_folder folder;
        const std::string good = folder.write("good", "x", 0600);
        const std::string open = folder.write("open", "x", 0644);
        const std::string missing = folder.path("missing");
        const auto text = [&folder](const std::string& backup, const std::string& restore) {
            return with_proof("client_secret_file: " + backup, folder) +
                   "restore_app:\n"
                   "  client_id: 11111111-1111-1111-1111-111111111111\n"
                   "  certificate_file: " +
                   restore + "\n";
        };
        for (const std::string& bad : {open, missing}) {
            CAPTURE(bad);
            CHECK(problems(text(good, bad), file_checks::backup).empty());
            CHECK(problems(text(bad, good), file_checks::restore).empty());
            CHECK(problems(text(bad, good), file_checks::backup)
                      .starts_with("c.yaml:4: app.client_secret_file: "));
            CHECK(problems(text(bad, bad), file_checks::off).empty());
        }
        CHECK(
            problems(text(missing, open), file_checks::restore) ==
            "c.yaml:8: restore_app.certificate_file: the secret file \"" + open +
                "\" can be used by group or others; expected only its owner to read it: chmod 600 " + open
        );
        CHECK(
            problems(text(open, missing), file_checks::restore) ==
            "c.yaml:8: restore_app.certificate_file: the file \"" + missing +
                "\" does not exist; expected it there"
        );
    }

    TEST_CASE("files: the service's socket is found whatever else is wrong") {
        const temp_folder folder;
        const auto socket_of = [&folder](const char* text) {
            const auto found = m365stage::config::load_socket(folder.write("c.yaml", text));
            return found ? *found : std::string();
        };
        CHECK(socket_of("nonsense: 1\napi: { socket: /run/other.sock, port: 1 }\n") == "/run/other.sock");
        CHECK(socket_of("tenant: {}\n") == m365stage::config::settings().api.socket);
        CHECK(socket_of("").empty());
        CHECK(socket_of("api: {\n").empty());
        const char* broken = "tenant:\n\tid: x\napi:  # where\n  port: 1\n\n  socket: \"/run/other.sock\"\n";
        CHECK(socket_of(broken) == "/run/other.sock");
        CHECK(socket_of("tenant: [\nother:\n  socket: /run/other.sock\n").empty());
        CHECK(m365stage::config::load_socket(folder.path("none")).has_error());
    }

    TEST_CASE("files: without systemd, credentials are looked for beside the configuration") {
        const temp_folder folder;
        const std::string text = with_proof("client_secret_file: ${CREDENTIALS_DIRECTORY}/secret", folder);
        const auto parsed = m365stage::config::parse(text, folder.path("config.yaml"), file_checks::off);
        REQUIRE_FALSE(parsed.has_error());
        CHECK(parsed->app.proof_file == folder.path("credentials/secret"));
        const auto refused = m365stage::config::parse(text, folder.path("config.yaml"));
        CHECK(
            refused.error().cause ==
            folder.path("config.yaml") + ":4: app.client_secret_file: the file \"" +
                folder.path("credentials/secret") +
                "\" does not exist; expected it there; ${CREDENTIALS_DIRECTORY} is not set, so it was looked "
                "for in " +
                folder.path("credentials")
        );
    }
}
