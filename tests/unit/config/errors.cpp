#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "config/config.hpp"
#include "support.hpp"

using config_test::minimal;
using config_test::problems;

TEST_SUITE("config") {
    TEST_CASE("errors: each names file, line, key, what is wrong and what was expected") {
        struct row {
            std::string appended;  // to the four minimal lines
            std::string problem;
        };
        const std::vector<row> rows = {
            {"sync: { intervall: 15m }\n",
             "c.yaml:5: sync.intervall: unknown key \"intervall\"; expected a known key: did you mean "
             "interval?"},
            {"snyc: {}\n", "c.yaml:5: snyc: unknown key \"snyc\"; expected a known key: did you mean sync?"},
            {"log:\n  zzzzzzzz: 1\n",
             "c.yaml:6: log.zzzzzzzz: unknown key \"zzzzzzzz\"; expected one of format, level"},
            {"sync:\n  concurrency: many\n",
             "c.yaml:6: sync.concurrency: is \"many\"; expected a whole number from 1 to 512"},
            {"sync:\n  concurrency: 0\n",
             "c.yaml:6: sync.concurrency: is the number 0; expected a whole number from 1 to 512"},
            {"sync:\n  concurrency: 99999999999999999999999\n",
             "c.yaml:6: sync.concurrency: is the number 99999999999999999999999; expected a whole number "
             "from 1 to 512"},
            {"sync:\n  concurrency: 1.5\n",
             "c.yaml:6: sync.concurrency: is the number 1.5; expected a whole number from 1 to 512"},
            {"sync:\n  concurrency:\n",
             "c.yaml:6: sync.concurrency: is empty; expected a whole number from 1 to 512"},
            {"sync:\n  concurrency: [1]\n",
             "c.yaml:6: sync.concurrency: is a list; expected a whole number from 1 to 512"},
            {"sync:\n\n  # comment\n  interval: 15\n",
             "c.yaml:8: sync.interval: is the number 15; expected a duration such as 30s, 15m, 4h or 90d"},
            {"sync: { interval: 15 m }\n",
             "c.yaml:5: sync.interval: is \"15 m\"; expected a duration such as 30s, 15m, 4h or 90d"},
            {"sync: { interval: 99999d }\n",
             "c.yaml:5: sync.interval: is \"99999d\"; expected a duration such as 30s, 15m, 4h or 90d, at "
             "most 36500d"},
            {"sync: { interval: 0s }\n", "c.yaml:5: sync.interval: is 0; expected at least 1s"},
            {"sync: 5\n",
             "c.yaml:5: sync: is the number 5; expected a mapping with some of concurrency, "
             "departed_retention, interval"},
            {"guard: { max_deleted_share: 1.5 }\n",
             "c.yaml:5: guard.max_deleted_share: is the number 1.5; expected a number from 0 to 1"},
            {"guard: { max_deleted_share: .nan }\n",
             "c.yaml:5: guard.max_deleted_share: is \".nan\"; expected a number from 0 to 1"},
            {"stage: { index_copy: yes }\n", "c.yaml:5: stage.index_copy: is \"yes\"; expected true or false"
            },
            {"stage: { root: data }\n", "c.yaml:5: stage.root: is \"data\"; expected an absolute path"},
            {"stage: { file_mode: 0888 }\n",
             "c.yaml:5: stage.file_mode: is the number 0888; expected an octal mode such as \"0640\""},
            {"stage: { file_mode: 0440 }\n",
             "c.yaml:5: stage.file_mode: shuts the service itself out; expected read and write for the owner "
             "(such as "
             "\"0640\")"},
            {"stage: { spool_max_bytes: 5GB }\n",
             "c.yaml:5: stage.spool_max_bytes: is \"5GB\"; expected a size in bytes, or such as 64MiB or "
             "10GiB, 1MiB at least"},
            {"stage: { spool_max_bytes: 0 }\n",
             "c.yaml:5: stage.spool_max_bytes: is the number 0; expected a size in bytes, or such as 64MiB "
             "or "
             "10GiB, 1MiB at least"},
            {"stage: { spool_max_bytes: 1023KiB }\n",
             "c.yaml:5: stage.spool_max_bytes: is too small: nothing could be fetched; expected a size such "
             "as "
             "64MiB or 10GiB, 1MiB at least"},
            {"limits: { mailbox_concurrency: 0 }\n",
             "c.yaml:5: limits.mailbox_concurrency: is the number 0; expected a whole number from 1 to 16"},
            {"lease: { max_duration: 0s }\n", "c.yaml:5: lease.max_duration: is 0; expected at least 1s"},
            {"stage: { spool_max_bytes: 9999999999TiB }\n",
             "c.yaml:5: stage.spool_max_bytes: is \"9999999999TiB\"; expected a size in bytes, or such as "
             "64MiB or "
             "10GiB"},
            {"limits: { sharepoint_units_per_minute: some }\n",
             "c.yaml:5: limits.sharepoint_units_per_minute: is \"some\"; expected auto, unlimited, or a "
             "whole number "
             "from 1 to 1000000000"},
            {"kinds: [onedrive, mial]\n",
             "c.yaml:5: kinds[1]: is \"mial\"; expected one of onedrive, mail, calendar, contacts, tasks, "
             "sharepoint, "
             "groups"},
            {"kinds: []\n",
             "c.yaml:5: kinds: does not fit; expected a list of at least one of onedrive, mail, calendar, "
             "contacts, tasks, sharepoint, groups, each once"},
            {"kinds: [mail, mail]\n",
             "c.yaml:5: kinds: does not fit; expected a list of at least one of onedrive, mail, calendar, "
             "contacts, "
             "tasks, sharepoint, groups, each once"},
            {"kinds: mail\n",
             "c.yaml:5: kinds: is \"mail\"; expected a list of at least one of onedrive, mail, "
             "calendar, contacts, tasks, sharepoint, groups, each once"},
            {"select: { users: { include: [1] } }\n",
             "c.yaml:5: select.users.include[0]: is the number 1; expected a pattern such as "
             "\"*@contoso.com\""},
            {"log: { level: loud }\n",
             "c.yaml:5: log.level: is \"loud\"; expected one of trace, debug, info, warning, error"},
            {"api: { listen: 0.0.0.0:80 }\n",
             "c.yaml:5: api.listen: is \"0.0.0.0:80\"; expected a loopback address and port such as "
             "127.0.0.1:8365"},
            {"api: { listen: \"127.0.0.1:65536\" }\n",
             "c.yaml:5: api.listen: is \"127.0.0.1:65536\"; expected a port up to 65535"},
            {"endpoints: { graph: http://graph.example }\n",
             "c.yaml:5: endpoints.graph: is not encrypted; expected https:// (http:// is only for loopback "
             "addresses)"},
            {"endpoints: { login: https://login.microsoftonline.us }\n",
             "c.yaml:5: endpoints.login: belongs to another cloud than tenant.cloud says; expected "
             "tenant.cloud: us-gov, "
             "or an address of this cloud"},
            {"guard: &a\n  min_deleted_items: 1\n  min_deleted_items: 2\n",
             "c.yaml:7: guard.min_deleted_items: the key is there twice (first in line 6); expected it once"},
            {"log:\n\tlevel: info\n", "c.yaml:6: a tab in the indentation; expected blanks"},
            {"---\nlog: {}\n",
             "c.yaml:5: a second YAML document starts here; expected one document in the file"},
            {"? [a]\n: b\n", "c.yaml:5: a list or mapping is used as a key; expected a name"},
        };
        for (const row& r : rows) {
            CAPTURE(r.appended);
            CHECK(problems(minimal + r.appended) == r.problem);
        }
    }

    TEST_CASE("errors: broken YAML is reported with its line") {
        for (const char* text : {"log: [1, 2\n", "log: \"unfinished\n", "a: b: c\n", "log: {\n"}) {
            CAPTURE(text);
            const std::string found = problems(text);
            CHECK(found.find("not valid YAML") != std::string::npos);
            CHECK(found.starts_with("c.yaml:"));
        }
        CHECK(problems(minimal + "log: {}\n] \n").starts_with("c.yaml:6: not valid YAML"));
    }

    TEST_CASE("errors: an empty file lacks everything that is required") {
        const std::string expected =
            "c.yaml:1: tenant: the key is missing at the top level; expected a mapping with some of cloud, "
            "id\n"
            "c.yaml:1: app: the key is missing at the top level; expected a mapping with some of "
            "certificate_algorithm, "
            "certificate_file, "
            "client_id, client_secret_file, federated_token_file, managed_identity";
        CHECK(problems("") == expected);
        CHECK(problems("# nothing\n") == expected);
    }

    TEST_CASE("errors: a file that is no mapping says so") {
        CHECK(problems("- a\n").starts_with("c.yaml:1: is a list; expected a mapping with some of api, app,")
        );
        CHECK(problems("hello\n").starts_with(
            "c.yaml:1: is \"hello\"; expected a mapping with some of api, app,"
        ));
    }

    TEST_CASE("errors: all are found at once, by line") {
        CHECK(
            problems("tenant:\n  cloud: mars\napp:\n  client_id: abc\nlog: { level: 1 }\n") ==
            "c.yaml:1: tenant.id: the key is missing; expected a domain such as contoso.onmicrosoft.com, or "
            "the "
            "tenant's GUID\n"
            "c.yaml:2: tenant.cloud: is \"mars\"; expected one of global, us-gov, us-gov-dod, china\n"
            "c.yaml:3: app: no credential; expected one of certificate_file, client_secret_file, "
            "federated_token_file, managed_identity\n"
            "c.yaml:4: app.client_id: is \"abc\"; expected an application (client) id such as "
            "00000000-0000-0000-0000-000000000000\n"
            "c.yaml:5: log.level: is the number 1; expected one of trace, debug, info, warning, error"
        );
    }

    TEST_CASE("errors: twenty are shown and the rest is counted") {
        std::string text = minimal;
        for (int i = 0; i < 25; ++i) {
            text += "unknown_key_" + std::to_string(i) + ": 1\n";
        }
        const std::string found = problems(text);
        CHECK(std::count(found.begin(), found.end(), '\n') == 20);
        CHECK(found.ends_with("\nc.yaml: 5 more problems"));
    }

    TEST_CASE("errors: the credential is exactly one") {
        const std::string head =
            "tenant: { id: contoso.com }\napp:\n  client_id: 00000000-0000-0000-0000-000000000000\n";
        CHECK(
            problems(head + "  certificate_file: /a\n  client_secret_file: /b\n") ==
            "c.yaml:5: app.client_secret_file: a second credential beside certificate_file; expected exactly "
            "one"
        );
        CHECK(
            problems(head + "  client_secret_file: /b\n  managed_identity: {}\n") ==
            "c.yaml:5: app.managed_identity: a second credential beside client_secret_file; expected exactly "
            "one"
        );
        CHECK(
            problems(head) ==
            "c.yaml:2: app: no credential; expected one of certificate_file, client_secret_file, "
            "federated_token_file, managed_identity"
        );
        CHECK(
            problems("tenant: { id: contoso.com }\napp:\n  certificate_file: /a\n") ==
            "c.yaml:2: app.client_id: the key is missing; expected the application (client) id of the app "
            "registration"
        );
        CHECK(
            problems(head + "  client_secret_file: /b\n  certificate_algorithm: RS256\n") ==
            "c.yaml:5: app.certificate_algorithm: has no meaning without a certificate; expected "
            "certificate_file "
            "beside it"
        );
        CHECK(
            problems("tenant: { id: common }\napp: { managed_identity: {} }\n") ==
            "c.yaml:1: tenant.id: is \"common\"; expected one tenant: its domain or GUID"
        );
    }

    TEST_CASE("errors: a secret in the file is refused and never repeated") {
        const std::string head =
            "tenant: { id: contoso.com }\napp:\n  client_id: 00000000-0000-0000-0000-000000000000\n";
        for (const char* line :
             {"  client_secret: s3cr3t-value\n", "  client_secret_file: s3cr3t-value\n",
              "  certificate_file: /a\n  password: s3cr3t-value\n",
              "  certificate_file: /a\nendpoints: { proxy: \"http://me:s3cr3t-value@proxy:1\" }\n",
              "  certificate_file: /a\napi: { token: s3cr3t-value }\n"}) {
            CAPTURE(line);
            const std::string found = problems(head + line);
            CHECK_FALSE(found.empty());
            CHECK(found.find("s3cr3t-value") == std::string::npos);
        }
        CHECK(
            problems(head + "  client_secret: x\n")
                .find("c.yaml:4: app.client_secret: a secret must not be in this file; expected "
                      "client_secret_file "
                      "with the path of a file that only its owner can read (chmod 600)") != std::string::npos
        );
    }

    TEST_CASE("errors: what could exhaust the machine is refused") {
        SUBCASE("aliases that expand") {
            std::string text = minimal + "a: &a [x,x,x,x,x,x,x,x,x,x]\n";
            for (char c = 'b'; c < 'k'; ++c) {
                const std::string before(1, static_cast<char>(c - 1));
                text += std::string(1, c) + ": &" + c + " [";
                for (int i = 0; i < 10; ++i) {
                    text += "*" + before + (i < 9 ? "," : "]\n");
                }
            }
            CHECK(problems(text).find("the file holds too many values") != std::string::npos);
        }
        SUBCASE("an alias inside of what it names") {
            CHECK(
                problems(minimal + "log: &l { level: *l }\n").find("an alias inside of what it names") !=
                std::string::npos
            );
        }
        SUBCASE("deep nesting") {
            CHECK(
                problems(minimal + "x: " + std::string(100, '[') + std::string(100, ']'))
                    .find("nested too deeply") != std::string::npos
            );
            CHECK_FALSE(problems(std::string(100'000, '[')).empty());
        }
        SUBCASE("a long value") {
            CHECK(
                problems(minimal + "log: { level: " + std::string(2'000, 'a') + " }\n") ==
                "c.yaml:5: a value of 2000 bytes; expected at most 1024 bytes"
            );
        }
        SUBCASE("a file beyond 1 MiB") {
            CHECK(
                problems(minimal + "#" + std::string(1 << 20, 'a')) ==
                "c.yaml: the file is too large; expected at most 1 MiB"
            );
        }
        SUBCASE("a NUL byte") {
            CHECK(
                problems(minimal + std::string("\0", 1)) ==
                "c.yaml:5: the file holds a NUL byte; expected UTF-8 text"
            );
        }
    }
}
