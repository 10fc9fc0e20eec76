#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "support.hpp"

using namespace m365stage::config;
using config_test::minimal;

namespace {

settings accepted(const std::string& text) {
    const auto parsed = parse(text, "c.yaml", file_checks::off);
    REQUIRE_MESSAGE(parsed.has_value(), (parsed.has_error() ? parsed.error().cause : ""));
    return *parsed;
}

/// The built-in defaults with what the minimal configuration sets.
settings minimal_settings() {
    settings s;
    s.tenant.id = "contoso.onmicrosoft.com";
    s.app.client_id = "00000000-0000-0000-0000-000000000000";
    s.app.proof_file = "/etc/m365stage/app.pem";
    return s;
}

std::string read(const std::string& relative) {
    std::ifstream file(std::string(M365STAGE_SOURCE_DIR) + "/" + relative);
    REQUIRE(file.good());
    return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

/// The defaults that a schema states, as one document; keys without a default are left out.
nlohmann::json defaults_of(const nlohmann::json& schema) {
    nlohmann::json out = nlohmann::json::object();
    for (const auto& [key, value] : schema.at("properties").items()) {
        if (value.contains("properties")) {
            out[key] = defaults_of(value);
        } else if (value.contains("default")) {
            out[key] = value.at("default");
        }
    }
    return out;
}

void require_descriptions(const nlohmann::json& schema, const std::string& path) {
    CAPTURE(path);
    CHECK(schema.contains("description"));
    if (schema.contains("properties")) {
        CHECK(schema.at("additionalProperties") == false);
        for (const auto& [key, value] : schema.at("properties").items()) {
            require_descriptions(value, path + "." + key);
        }
    }
}

}  // namespace

TEST_SUITE("config") {
    TEST_CASE("values: what is left out has its default") {
        CHECK(accepted(minimal) == minimal_settings());
    }

    TEST_CASE("values: sections without keys change nothing") {
        CHECK(
            accepted(
                minimal + "limits:\nendpoints: {}\nstage:\nselect:\n  users:\nsync:\nguard:\napi:\nlog:\n"
            ) == minimal_settings()
        );
    }

    TEST_CASE("values: the built-in defaults are those that the design promises") {
        const settings s = minimal_settings();
        CHECK(s.endpoints.login == "https://login.microsoftonline.com");
        CHECK(s.endpoints.graph == "https://graph.microsoft.com");
        CHECK(s.endpoints.managed_identity == "http://169.254.169.254");
        CHECK(s.stage.root == "/var/lib/m365stage");
        CHECK(s.stage.file_mode == 0600);
        CHECK(s.stage.dir_mode == 0700);
        CHECK_FALSE(s.stage.index_copy);
        CHECK(s.sync.interval == std::chrono::minutes(15));
        CHECK(s.sync.concurrency == 32);
        CHECK(s.sync.departed_retention == std::chrono::days(90));
        CHECK(s.lease.max_duration == std::chrono::hours(12));
        CHECK(s.guard.max_deleted_share == doctest::Approx(0.3));
        CHECK(s.guard.min_deleted_items == 50);
        CHECK(s.api.socket == "/run/m365stage/api.sock");
        CHECK(s.limits.mailbox_concurrency == 4);
        CHECK(s.limits.mailbox_requests_per_10min == 10'000U);
        CHECK(s.limits.sharepoint_units == unit_budget::automatic);
        CHECK(s.has(data_kind::onedrive));
        CHECK(s.has(data_kind::sharepoint));
        CHECK_FALSE(s.has(data_kind::mail));
        CHECK(s.select.users.selects("ann@contoso.com"));
        CHECK_FALSE(s.mail.recoverable_items);
        CHECK(s.log.level == log_level::info);
    }

    TEST_CASE("values: examples/config.yaml shows every key with exactly the built-in default") {
        const std::string text = read("examples/config.yaml");
        CHECK(accepted(text) == minimal_settings());
        const auto every = nlohmann::json::parse(schema_text());
        for (const auto& [section, schema] : every.at("properties").items()) {
            CAPTURE(section);
            CHECK((text.find("\n" + section + ":") != std::string::npos || section == "restore_app"));
            const auto& known = schema.contains("properties") ? schema : every.at("definitions").at("app");
            for (const auto& [key, unused] : known.at("properties").items()) {
                CAPTURE(key);
                CHECK((section == "kinds" || text.find(" " + key + ":") != std::string::npos));
            }
        }
    }

    TEST_CASE("values: the schema's defaults are the built-in ones") {
        auto document = defaults_of(nlohmann::json::parse(schema_text()));
        document["tenant"]["id"] = "contoso.onmicrosoft.com";
        document["app"]["client_id"] = "00000000-0000-0000-0000-000000000000";
        document["app"]["certificate_file"] = "/etc/m365stage/app.pem";
        CHECK(accepted(document.dump()) == minimal_settings());
    }

    TEST_CASE("values: the schema is the published one, closed and described throughout") {
        CHECK(schema_text() == read("schema/config.schema.json"));
        const auto schema = nlohmann::json::parse(schema_text());
        CHECK(schema.at("$schema") == "http://json-schema.org/draft-07/schema#");
        require_descriptions(schema, "");
        require_descriptions(schema.at("definitions").at("app"), "app");
    }

    TEST_CASE("values: a full configuration is read key by key") {
        const settings s = accepted(read("tests/data/config/full.yaml"));
        CHECK(s.tenant.cloud == cloud_kind::global);
        CHECK(s.app.proof == proof_kind::certificate);
        REQUIRE(s.restore_app.has_value());
        CHECK(s.restore_app->client_id == "11111111-1111-1111-1111-111111111111");
        CHECK(s.restore_app->proof_file == "/etc/m365stage/restore.pem");
        CHECK(s.limits.licences == 1000);
        CHECK(s.endpoints.proxy == "http://proxy.example:3128");
        CHECK(s.select.users.exclude == std::vector<std::string>{"svc-*@contoso.com"});
        CHECK_FALSE(s.select.users.selects("SVC-print@contoso.com"));
        CHECK(
            s.kinds ==
            std::vector{
                data_kind::onedrive, data_kind::mail, data_kind::calendar, data_kind::contacts,
                data_kind::tasks, data_kind::sharepoint
            }
        );
        CHECK(s.api.listen == "127.0.0.1:8365");
        CHECK(s.api.token_file == "/etc/m365stage/api-token");
    }

    TEST_CASE("values: a site is selected by its address as people read it, and as a browser shows it") {
        selection sites;
        const auto includes = [&](const char* pattern) {
            sites.include = {pattern};
            return sites.selects("contoso.sharepoint.com/sites/My Team");
        };
        CHECK(includes("contoso.sharepoint.com/sites/My Team"));
        CHECK(includes("contoso.sharepoint.com/sites/My%20Team"));
        CHECK(includes("*/my%20*"));
        CHECK_FALSE(includes("*/My%2"));
        CHECK_FALSE(includes("*/My%zzTeam"));
        CHECK_FALSE(includes("*/MyTeam%"));
        sites.include = {"*"};
        sites.exclude = {"*/My%20Team"};
        CHECK_FALSE(sites.selects("contoso.sharepoint.com/sites/My Team"));
        sites.exclude = {"*/100%"};
        CHECK_FALSE(sites.selects("contoso.sharepoint.com/sites/100%"));
    }

    TEST_CASE("values: the cloud decides the endpoints unless they are overridden") {
        const auto with_cloud = [](const std::string& cloud, const std::string& more = "") {
            return accepted(
                       "tenant: { id: contoso.com, cloud: " + cloud + " }\napp: { managed_identity: {} }\n" +
                       more
            )
                .endpoints;
        };
        CHECK(with_cloud("us-gov").login == "https://login.microsoftonline.us");
        CHECK(with_cloud("us-gov").graph == "https://graph.microsoft.us");
        CHECK(with_cloud("us-gov-dod").login == "https://login.microsoftonline.us");
        CHECK(with_cloud("us-gov-dod").graph == "https://dod-graph.microsoft.us");
        CHECK(with_cloud("china").login == "https://login.chinacloudapi.cn");
        CHECK(with_cloud("china").graph == "https://microsoftgraph.chinacloudapi.cn");
        const auto own = with_cloud("china", "endpoints: { graph: \"http://127.0.0.1:8080/\" }\n");
        CHECK(own.login == "https://login.chinacloudapi.cn");
        CHECK(own.graph == "http://127.0.0.1:8080");
    }

    TEST_CASE("values: each cloud has hosts for its files, and no other cloud's") {
        const auto has = [](m365stage::config::cloud_kind cloud, const std::string& host) {
            const auto all = m365stage::config::file_hosts_of(cloud);
            return std::find(all.begin(), all.end(), host) != all.end();
        };
        using m365stage::config::cloud_kind;
        for (const auto* host : {"sharepoint.com", "1drv.com", "svc.ms", "office.com", "office365.com"}) {
            CHECK(has(cloud_kind::global, host));
        }
        CHECK(has(cloud_kind::us_gov, "sharepoint.us"));
        CHECK(has(cloud_kind::us_gov_dod, "sharepoint-mil.us"));
        CHECK(has(cloud_kind::china, "sharepoint.cn"));
        CHECK_FALSE(has(cloud_kind::china, "sharepoint.com"));
        CHECK_FALSE(has(cloud_kind::us_gov, "sharepoint.com"));
    }

    TEST_CASE("values: limits that are words") {
        const auto limits =
            accepted(
                minimal +
                "limits: { sharepoint_units_per_minute: unlimited, mailbox_requests_per_10min: unlimited }\n"
            )
                .limits;
        CHECK(limits.sharepoint_units == unit_budget::unlimited);
        CHECK_FALSE(limits.mailbox_requests_per_10min.has_value());
        const auto number = accepted(minimal + "limits: { sharepoint_units_per_minute: 600 }\n").limits;
        CHECK(number.sharepoint_units == unit_budget::fixed);
        CHECK(number.sharepoint_units_per_minute == 600);
    }

    TEST_CASE("values: modes are octal however they are written") {
        for (const char* written : {"0640", "\"0640\"", "640", "\"640\""}) {
            CAPTURE(written);
            CHECK(accepted(minimal + "stage: { file_mode: " + written + " }\n").stage.file_mode == 0640);
        }
    }

    TEST_CASE("values: identities") {
        const std::string head = "tenant: { id: contoso.com }\n";
        const auto system = accepted(head + "app: { managed_identity: }\n").app;
        CHECK(system.proof == proof_kind::managed_identity);
        CHECK(system.managed_identity_client_id.empty());
        const std::string id = "22222222-2222-2222-2222-222222222222";
        CHECK(
            accepted(head + "app: { managed_identity: { client_id: " + id + " } }\n")
                .app.managed_identity_client_id == id
        );
        const auto rs256 = accepted(minimal + "  certificate_algorithm: RS256\n").app;
        CHECK(rs256.certificate_algorithm == assertion_algorithm::rs256);
        const auto same = accepted(
            minimal +
            "restore_app:\n  client_id: 00000000-0000-0000-0000-000000000000\n  client_secret_file: /s\n"
        );
        CHECK(same.restore_app->client_id == same.app.client_id);
    }

    TEST_CASE("values: anchors and aliases are followed") {
        const auto select =
            accepted(minimal + "select:\n  users: &all { include: [\"a*\"] }\n  sites: *all\n").select;
        CHECK(select.sites == select.users);
        CHECK(select.sites.include == std::vector<std::string>{"a*"});
    }

    TEST_CASE("values: sizes") {
        CHECK(parse_size("0") == 0U);
        CHECK(parse_size("5B") == 5U);
        CHECK(parse_size("64MiB") == 64U << 20);
        CHECK(parse_size("10GiB") == std::uint64_t{10} << 30);
        CHECK(parse_size("9223372036854775807") == 9'223'372'036'854'775'807U);
        for (const char* text : {"", "MiB", "-1", "1MB", "1 MiB", "9223372036854775808", "8388608TiB"}) {
            CAPTURE(text);
            CHECK_FALSE(parse_size(text).has_value());
        }
    }

    TEST_CASE("values: each kind of data has a name and is accepted by it") {
        const auto kinds =
            accepted(minimal + "kinds: [onedrive, mail, calendar, contacts, tasks, sharepoint, groups]\n")
                .kinds;
        std::string names;
        for (data_kind kind : kinds) {
            names += std::string(to_string(kind)) + " ";
        }
        CHECK(names == "onedrive mail calendar contacts tasks sharepoint groups ");
    }
}
