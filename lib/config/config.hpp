#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"

/// The configuration: YAML in, checked plain values out. The initial values below are the built-in defaults,
/// and the only place where they are written in code; a test compares them with schema/config.schema.json and
/// examples/config.yaml. `schema/config.schema.json` describes each key for people and editors.
namespace m365stage::config {

enum class cloud_kind { global, us_gov, us_gov_dod, china };

/// The hosts of one cloud (login and Graph), without a slash at the end.
struct cloud_hosts {
    cloud_hosts() = default;
    cloud_hosts(std::string_view l, std::string_view g) : login(l), graph(g) {}
    std::string_view login, graph;
};
cloud_hosts hosts_of(cloud_kind cloud);

/// Suffixes of the host names that a cloud's downloads and uploads lead to, besides Graph itself
/// (contract 5.6, Q45). All of them are Microsoft's; wider than what was seen, since a host that is left out
/// is a file that is not staged.
std::vector<std::string> file_hosts_of(cloud_kind cloud);
std::string_view to_string(cloud_kind cloud);

struct tenant_settings {
    tenant_settings() = default;
    std::string id;  ///< verified domain or GUID
    cloud_kind cloud = cloud_kind::global;
    bool operator==(const tenant_settings&) const = default;
};

/// What an app registration proves itself with.
enum class proof_kind { certificate, client_secret, federated_token, managed_identity };

/// How the client assertion is signed when the proof is a certificate.
enum class assertion_algorithm { ps256, rs256 };

/// One app registration and its one credential. The secret itself is never in here, only the file it is in.
struct app_settings {
    app_settings() = default;
    std::string client_id;  ///< may be empty for a managed identity only
    proof_kind proof = proof_kind::certificate;
    std::string proof_file;                  ///< absolute; empty for a managed identity
    std::string managed_identity_client_id;  ///< empty: the system-assigned identity
    assertion_algorithm certificate_algorithm = assertion_algorithm::ps256;
    bool operator==(const app_settings&) const = default;
};

/// SharePoint's resource units a minute.
enum class unit_budget { automatic, unlimited, fixed };

struct limit_settings {
    limit_settings() = default;
    std::uint32_t licences = 1000;  ///< of the tenant; the default is the smallest tier
    unit_budget sharepoint_units = unit_budget::automatic;
    std::uint32_t sharepoint_units_per_minute = 0;  ///< meaningful with unit_budget::fixed alone
    std::uint32_t mailbox_concurrency = 4;
    std::optional<std::uint32_t> mailbox_requests_per_10min = 10'000;  ///< nothing: unlimited
    bool operator==(const limit_settings&) const = default;
};

/// Where to connect to. `login` and `graph` follow from the cloud unless they are overridden.
struct endpoint_settings {
    endpoint_settings() = default;
    std::string login = std::string(hosts_of(cloud_kind::global).login);
    std::string graph = std::string(hosts_of(cloud_kind::global).graph);
    std::string ca_file = "/etc/ssl/certs/ca-certificates.crt";
    std::string proxy;                                        ///< "http://host:port"; empty: direct
    std::string managed_identity = "http://169.254.169.254";  ///< the instance metadata service
    bool operator==(const endpoint_settings&) const = default;
};

struct stage_settings {
    stage_settings() = default;
    std::string root = "/var/lib/m365stage";
    std::string group;               ///< name or number; empty: the service's own group
    std::uint32_t file_mode = 0600;  ///< of the files in tree/
    std::uint32_t dir_mode = 0700;   ///< of the folders in tree/
    std::uint64_t spool_max_bytes = std::uint64_t{10} << 30;
    std::uint64_t min_free_bytes = 0;  ///< 0: stop only when the disk is really full
    bool index_copy = false;
    bool operator==(const stage_settings&) const = default;
};

/// Shell-like patterns over names, ASCII case ignored: selected is what an include matches and no exclude
/// does. Patterns are also taken as they stand in an address: "My%20Team" is "My Team" as well.
struct selection {
    selection() = default;
    std::vector<std::string> include{"*"};
    std::vector<std::string> exclude;
    bool selects(std::string_view name) const;
    bool operator==(const selection&) const = default;
};

struct select_settings {
    select_settings() = default;
    selection users;   ///< over user principal names
    selection sites;   ///< over "host/sites/path"
    selection groups;  ///< over mail nicknames
    bool operator==(const select_settings&) const = default;
};

/// The kinds of data that can be staged. `groups` are the document libraries of Microsoft 365 groups.
enum class data_kind { onedrive, mail, calendar, contacts, tasks, sharepoint, groups };
std::string_view to_string(data_kind kind);

struct mail_settings {
    mail_settings() = default;
    bool recoverable_items = false;  ///< stage what users deleted for good, as long as Exchange keeps it
    bool operator==(const mail_settings&) const = default;
};

struct sync_settings {
    sync_settings() = default;
    std::chrono::seconds interval = std::chrono::minutes(15);
    std::uint32_t concurrency = 32;
    std::chrono::seconds departed_retention = std::chrono::days(90);
    bool operator==(const sync_settings&) const = default;
};

struct guard_settings {
    guard_settings() = default;
    double max_deleted_share = 0.3;  ///< 0..1 of a container's items
    std::uint64_t min_deleted_items = 50;
    bool operator==(const guard_settings&) const = default;
};

struct lease_settings {
    lease_settings() = default;
    std::chrono::seconds max_duration = std::chrono::hours(12);
    bool operator==(const lease_settings&) const = default;
};

struct api_settings {
    api_settings() = default;
    std::string socket = "/run/m365stage/api.sock";
    std::string listen;      ///< "127.0.0.1:8365" or "[::1]:8365"; empty: no TCP port
    std::string token_file;  ///< empty: over TCP only the health addresses answer
    bool operator==(const api_settings&) const = default;
};

enum class log_level { trace, debug, info, warning, error };
enum class log_format { automatic, journal, text, json };
std::string_view to_string(log_level level);

struct log_settings {
    log_settings() = default;
    log_level level = log_level::info;
    log_format format = log_format::automatic;
    bool operator==(const log_settings&) const = default;
};

/// Everything that is configured.
struct settings {
    settings() = default;
    tenant_settings tenant;
    app_settings app;
    std::optional<app_settings> restore_app;
    limit_settings limits;
    endpoint_settings endpoints;
    stage_settings stage;
    select_settings select;
    std::vector<data_kind> kinds{data_kind::onedrive, data_kind::sharepoint};
    mail_settings mail;
    sync_settings sync;
    guard_settings guard;
    lease_settings lease;
    api_settings api;
    log_settings log;
    bool has(data_kind kind) const;
    bool operator==(const settings&) const = default;
};

/// Which of the files that the configuration names must be there and well protected: those that a command
/// uses. Of the two apps each needs its own credential alone, and the other's need not be on the machine.
enum class file_checks {
    backup,   ///< of `app`; ca_file, token_file
    restore,  ///< of `restore_app`; ca_file
    off,      ///< none: who only talks to the service needs its socket's path, not its secrets
};

/// The longest configuration file that is read.
constexpr std::size_t longest_file_bytes = std::size_t{1} << 20;

/// Reads and checks the file.
/// Errors:  usage, and nothing else. `cause` holds one line for each problem found (at most 20), each as
///          "FILE:LINE: key.path: what is wrong; expected ...": print it line by line. No secret is ever
///          quoted.
core::result<settings> load(const std::string& path, file_checks checks = file_checks::backup);

/// The same for text in memory; `name` stands for the file in messages.
core::result<settings> parse(
    std::string_view text, const std::string& name, file_checks checks = file_checks::backup
);

/// The API's socket as the file names it, whatever else in it may be wrong: for words to a running service
/// that must not be lost. Errors: usage (the file can't be read; it is no YAML mapping, and no line of it
/// names the socket).
core::result<std::string> load_socket(const std::string& path);

/// The JSON Schema that configurations are checked against, as in schema/config.schema.json.
std::string_view schema_text();

/// Reads a size: a whole number with an optional unit of B, KiB, MiB, GiB or TiB ("64MiB", "1048576").
/// Returns nothing for other text and from 2^63 bytes.
std::optional<std::uint64_t> parse_size(std::string_view text);

}  // namespace m365stage::config
