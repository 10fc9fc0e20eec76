#include "config/decode.hpp"

#include <array>
#include <charconv>
#include <cstdlib>
#include <utility>

#include "core/duration.hpp"

namespace m365stage::config {
namespace {

/// One section of the file, which may be missing altogether.
class section {
public:
    section(const node* value, std::string key, problem_list& problems)
        : value_(value), key_(std::move(key)), problems_(problems) {}

    section sub(const std::string& name) const { return section(find(name), path(name), problems_); }
    bool exists() const { return value_ != nullptr; }
    std::string folder() const { return problems_.folder(); }
    bool has(const std::string& name) const { return find(name) != nullptr; }
    const node* find(const std::string& name) const {
        return value_ == nullptr ? nullptr : value_->find(name);
    }
    std::string path(const std::string& name) const { return key_.empty() ? name : key_ + "." + name; }

    void problem(const std::string& name, const std::string& what) const {
        const node* n = name.empty() ? value_ : find(name);
        problems_.add(
            n == nullptr ? (value_ == nullptr ? 0 : value_->line) : n->line, name.empty() ? key_ : path(name),
            what
        );
    }

    void text(const std::string& name, std::string& out) const {
        const node* n = find(name);
        if (n != nullptr && (n->type == node_type::text || n->type == node_type::integer)) {
            out = n->text;
        }
    }

    void flag(const std::string& name, bool& out) const {
        const node* n = find(name);
        if (n != nullptr && n->type == node_type::boolean) {
            out = n->text.front() == 't' || n->text.front() == 'T';
        }
    }

    template <class Number>
    bool number(const std::string& name, Number& out, int base = 10) const {
        const node* n = find(name);
        if (n == nullptr) {
            return false;
        }
        std::string_view digits = n->text;
        digits.remove_prefix(digits.starts_with('+') ? 1 : 0);
        if (digits.starts_with("0o") || digits.starts_with("0x")) {
            base = digits[1] == 'o' ? 8 : 16;
            digits.remove_prefix(2);
        }
        Number value{};
        const char* end = digits.data() + digits.size();
        const auto parsed = [&] {
            if constexpr (std::is_floating_point_v<Number>) {
                return std::from_chars(digits.data(), end, value);
            } else {
                return std::from_chars(digits.data(), end, value, base);
            }
        }();
        if (parsed.ec != std::errc() || parsed.ptr != end) {
            return false;
        }
        out = value;
        return true;
    }

    void duration(const std::string& name, std::chrono::seconds& out) const {
        std::string written;
        text(name, written);
        if (written.empty()) {
            return;
        }
        if (const auto value = core::parse_duration(written)) {
            out = *value;
        } else {
            problem(
                name,
                "is " + quoted(written) + "; expected a duration such as 30s, 15m, 4h or 90d, at most 36500d"
            );
        }
    }

    void size(const std::string& name, std::uint64_t& out) const {
        std::string written;
        text(name, written);
        if (written.empty()) {
            return;
        }
        if (number(name, out)) {
            return;
        }
        if (const auto value = parse_size(written)) {
            out = *value;
        } else {
            problem(name, "is " + quoted(written) + "; expected a size in bytes, or such as 64MiB or 10GiB");
        }
    }

    template <class Enum, std::size_t N>
    void choice(
        const std::string& name, Enum& out, const std::array<std::pair<std::string_view, Enum>, N>& names
    ) const {
        std::string written;
        text(name, written);
        for (const auto& [known, value] : names) {
            if (known == written) {
                out = value;
            }
        }
    }

    void texts(const std::string& name, std::vector<std::string>& out) const {
        const node* n = find(name);
        if (n == nullptr || n->type != node_type::list) {
            return;
        }
        out.clear();
        for (const node& item : n->items) {
            out.push_back(item.text);
        }
    }

private:
    const node* value_;
    std::string key_;
    problem_list& problems_;
};

constexpr std::array clouds{
    std::pair<std::string_view, cloud_kind>{"global", cloud_kind::global},
    std::pair<std::string_view, cloud_kind>{"us-gov", cloud_kind::us_gov},
    std::pair<std::string_view, cloud_kind>{"us-gov-dod", cloud_kind::us_gov_dod},
    std::pair<std::string_view, cloud_kind>{"china", cloud_kind::china},
};

constexpr std::array algorithms{
    std::pair<std::string_view, assertion_algorithm>{"PS256", assertion_algorithm::ps256},
    std::pair<std::string_view, assertion_algorithm>{"RS256", assertion_algorithm::rs256},
};

constexpr std::array log_levels{
    std::pair<std::string_view, log_level>{"trace", log_level::trace},
    std::pair<std::string_view, log_level>{"debug", log_level::debug},
    std::pair<std::string_view, log_level>{"info", log_level::info},
    std::pair<std::string_view, log_level>{"warning", log_level::warning},
    std::pair<std::string_view, log_level>{"error", log_level::error},
};

constexpr std::array log_formats{
    std::pair<std::string_view, log_format>{"auto", log_format::automatic},
    std::pair<std::string_view, log_format>{"journal", log_format::journal},
    std::pair<std::string_view, log_format>{"text", log_format::text},
    std::pair<std::string_view, log_format>{"json", log_format::json},
};

constexpr std::array all_kinds{data_kind::onedrive, data_kind::mail,  data_kind::calendar,
                               data_kind::contacts, data_kind::tasks, data_kind::sharepoint,
                               data_kind::groups};

constexpr std::array proofs{
    std::pair<std::string_view, proof_kind>{"certificate_file", proof_kind::certificate},
    std::pair<std::string_view, proof_kind>{"client_secret_file", proof_kind::client_secret},
    std::pair<std::string_view, proof_kind>{"federated_token_file", proof_kind::federated_token},
    std::pair<std::string_view, proof_kind>{"managed_identity", proof_kind::managed_identity},
};

void decode_tenant(const section& s, tenant_settings& out) {
    s.text("id", out.id);
    s.choice("cloud", out.cloud, clouds);
    for (std::string_view shared : {"common", "organizations", "consumers"}) {
        if (out.id == shared) {
            s.problem("id", "is " + quoted(out.id) + "; expected one tenant: its domain or GUID");
        }
    }
}

/// Replaces ${CREDENTIALS_DIRECTORY}, which systemd sets for units with LoadCredential=. Commands that a
/// person or a backup job runs have no such variable: they look where the units load from, beside the
/// configuration.
void secret_path(const section& s, const std::string& name, std::string& out) {
    s.text(name, out);
    if (names_credential_folder(out)) {
        const auto folder = credential_folder().value_or(s.folder() + "/credentials");
        out = folder + out.substr(credential_variable.size());
    }
}

void decode_proof(const section& s, app_settings& out) {
    std::string found;
    for (const auto& [name, kind] : proofs) {
        const std::string key(name);
        if (!s.has(key)) {
            continue;
        }
        if (!found.empty()) {
            s.problem(key, "a second credential beside " + found + "; expected exactly one");
            continue;
        }
        found = key;
        out.proof = kind;
        if (kind != proof_kind::managed_identity) {
            secret_path(s, key, out.proof_file);
        }
    }
    if (found.empty()) {
        s.problem(
            "",
            "no credential; expected one of certificate_file, client_secret_file, federated_token_file, "
            "managed_identity"
        );
    }
}

void decode_app(const section& s, app_settings& out) {
    if (!s.exists()) {
        return;
    }
    s.text("client_id", out.client_id);
    s.choice("certificate_algorithm", out.certificate_algorithm, algorithms);
    decode_proof(s, out);
    s.sub("managed_identity").text("client_id", out.managed_identity_client_id);
    if (!s.has("client_id") && !s.has("managed_identity")) {
        s.problem(
            "client_id", "the key is missing; expected the application (client) id of the app registration"
        );
    }
    if (s.has("certificate_algorithm") && !s.has("certificate_file")) {
        s.problem(
            "certificate_algorithm",
            "has no meaning without a certificate; expected certificate_file beside it"
        );
    }
}

void decode_limits(const section& s, limit_settings& out) {
    s.number("licences", out.licences);
    s.number("mailbox_concurrency", out.mailbox_concurrency);
    std::string written;
    s.text("sharepoint_units_per_minute", written);
    if (written == "unlimited") {
        out.sharepoint_units = unit_budget::unlimited;
    } else if (s.number("sharepoint_units_per_minute", out.sharepoint_units_per_minute)) {
        out.sharepoint_units = unit_budget::fixed;
    }
    written.clear();
    s.text("mailbox_requests_per_10min", written);
    std::uint32_t requests = 0;
    if (written == "unlimited") {
        out.mailbox_requests_per_10min.reset();
    } else if (s.number("mailbox_requests_per_10min", requests)) {
        out.mailbox_requests_per_10min = requests;
    }
}

std::string_view host_of(std::string_view url) {
    url.remove_prefix(std::min(url.find("://") + 3, url.size()));
    if (url.starts_with('[')) {
        return url.substr(0, url.find(']') + 1);
    }
    return url.substr(0, url.find_first_of(":/"));
}

bool is_loopback(std::string_view host) {
    return host == "localhost" || host == "[::1]" || host.starts_with("127.");
}

void decode_url(const section& s, const std::string& name, std::string& out) {
    s.text(name, out);
    if (out.ends_with('/')) {
        out.pop_back();
    }
}

/// Tokens and secrets go to these hosts: never in clear over a network.
void require_tls(const section& s, const std::string& name, const std::string& url) {
    if (s.has(name) && url.starts_with("http://") && !is_loopback(host_of(url))) {
        s.problem(name, "is not encrypted; expected https:// (http:// is only for loopback addresses)");
    }
}

void check_cloud_pair(const section& s, const endpoint_settings& e, cloud_kind cloud) {
    for (const auto& [name, kind] : clouds) {
        const cloud_hosts known = hosts_of(kind);
        const cloud_hosts own = hosts_of(cloud);
        const std::string hint =
            "; expected tenant.cloud: " + std::string(name) + ", or an address of this cloud";
        if (s.has("graph") && e.graph == known.graph && e.graph != own.graph) {
            s.problem("graph", "belongs to another cloud than tenant.cloud says" + hint);
        }
        if (s.has("login") && e.login == known.login && e.login != own.login) {
            s.problem("login", "belongs to another cloud than tenant.cloud says" + hint);
        }
    }
}

void decode_endpoints(const section& s, cloud_kind cloud, endpoint_settings& out) {
    out.login = hosts_of(cloud).login;
    out.graph = hosts_of(cloud).graph;
    decode_url(s, "login", out.login);
    decode_url(s, "graph", out.graph);
    decode_url(s, "proxy", out.proxy);
    decode_url(s, "managed_identity", out.managed_identity);
    s.text("ca_file", out.ca_file);
    require_tls(s, "login", out.login);
    require_tls(s, "graph", out.graph);
    check_cloud_pair(s, out, cloud);
}

void decode_stage(const section& s, stage_settings& out) {
    s.text("root", out.root);
    while (out.root.size() > 1 && out.root.ends_with('/')) {
        out.root.pop_back();
    }
    s.text("group", out.group);
    s.number("file_mode", out.file_mode, 8);
    s.number("dir_mode", out.dir_mode, 8);
    if ((out.file_mode & 0600) != 0600) {
        s.problem(
            "file_mode",
            "shuts the service itself out; expected read and write for the owner (such as \"0640\")"
        );
    }
    if ((out.dir_mode & 0700) != 0700) {
        s.problem(
            "dir_mode", "shuts the service itself out; expected all rights for the owner (such as \"0750\")"
        );
    }
    s.size("spool_max_bytes", out.spool_max_bytes);
    constexpr std::uint64_t least_spool = std::uint64_t{1} << 20;  // as in the schema, which knows no units
    if (out.spool_max_bytes < least_spool) {
        s.problem(
            "spool_max_bytes",
            "is too small: nothing could be fetched; expected a size such as 64MiB or 10GiB, 1MiB at least"
        );
    }
    s.size("min_free_bytes", out.min_free_bytes);
    s.flag("index_copy", out.index_copy);
}

void decode_selection(const section& s, selection& out) {
    s.texts("include", out.include);
    s.texts("exclude", out.exclude);
}

void decode_kinds(const section& root, std::vector<data_kind>& out) {
    std::vector<std::string> names;
    root.texts("kinds", names);
    if (names.empty()) {
        return;
    }
    out.clear();
    for (const std::string& name : names) {
        for (data_kind kind : all_kinds) {
            if (to_string(kind) == name) {
                out.push_back(kind);
            }
        }
    }
}

void decode_sync(const section& s, sync_settings& out) {
    s.duration("interval", out.interval);
    if (out.interval == std::chrono::seconds::zero()) {
        s.problem("interval", "is 0; expected at least 1s");
    }
    s.number("concurrency", out.concurrency);
    s.duration("departed_retention", out.departed_retention);
}

void decode_api(const section& s, api_settings& out) {
    s.text("socket", out.socket);
    constexpr std::size_t longest_socket_path = 107;  // sockaddr_un
    if (out.socket.size() > longest_socket_path) {
        s.problem("socket", "is too long for a Unix socket; expected at most 107 bytes");
    }
    s.text("listen", out.listen);
    const auto colon = out.listen.rfind(':');
    if (colon != std::string::npos && std::atoi(out.listen.c_str() + colon + 1) > 65'535) {
        s.problem("listen", "is " + quoted(out.listen) + "; expected a port up to 65535");
    }
    secret_path(s, "token_file", out.token_file);
}

}  // namespace

std::optional<std::string> credential_folder() {
    const char* given = std::getenv("CREDENTIALS_DIRECTORY");
    return given != nullptr && *given != '\0' ? std::optional<std::string>(given) : std::nullopt;
}

bool names_credential_folder(std::string_view written) {
    return written.starts_with(credential_variable);
}

settings decode(const node& document, problem_list& problems) {
    settings out;
    const section root(&document, "", problems);
    decode_tenant(root.sub("tenant"), out.tenant);
    decode_app(root.sub("app"), out.app);
    if (root.has("restore_app")) {
        decode_app(root.sub("restore_app"), out.restore_app.emplace());
    }
    decode_limits(root.sub("limits"), out.limits);
    decode_endpoints(root.sub("endpoints"), out.tenant.cloud, out.endpoints);
    decode_stage(root.sub("stage"), out.stage);
    decode_selection(root.sub("select").sub("users"), out.select.users);
    decode_selection(root.sub("select").sub("sites"), out.select.sites);
    decode_selection(root.sub("select").sub("groups"), out.select.groups);
    decode_kinds(root, out.kinds);
    root.sub("mail").flag("recoverable_items", out.mail.recoverable_items);
    decode_sync(root.sub("sync"), out.sync);
    const section guard = root.sub("guard");
    guard.number("max_deleted_share", out.guard.max_deleted_share);
    guard.number("min_deleted_items", out.guard.min_deleted_items);
    const section lease = root.sub("lease");
    lease.duration("max_duration", out.lease.max_duration);
    if (out.lease.max_duration == std::chrono::seconds::zero()) {
        lease.problem("max_duration", "is 0; expected at least 1s");
    }
    decode_api(root.sub("api"), out.api);
    const section log = root.sub("log");
    log.choice("level", out.log.level, log_levels);
    log.choice("format", out.log.format, log_formats);
    return out;
}

}  // namespace m365stage::config
