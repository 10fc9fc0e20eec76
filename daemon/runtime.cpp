#include "daemon/runtime.hpp"

#include <grp.h>
#include <pthread.h>

#include <array>
#include <charconv>
#include <cstdlib>

#include "core/log.hpp"
#include "sync/rebuild.hpp"

namespace m365stage::daemon {
namespace {

core::result<std::optional<gid_t>> group_of(const std::string& name) {
    if (name.empty()) {
        return std::optional<gid_t>();
    }
    gid_t number = 0;
    auto [end, ec] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (ec == std::errc{} && end == name.data() + name.size()) {
        return std::optional<gid_t>(number);
    }
    const auto* entry = ::getgrnam(name.c_str());
    if (entry == nullptr) {
        core::error e(core::error_kind::usage, "stage.group: no such group '" + name + "'");
        e.hint = "create it or use a group number";
        return e;
    }
    return std::optional<gid_t>(entry->gr_gid);
}

auth::credential_kind kind_of(config::proof_kind p) {
    switch (p) {
        case config::proof_kind::certificate:
            return auth::credential_kind::certificate;
        case config::proof_kind::client_secret:
            return auth::credential_kind::secret;
        case config::proof_kind::federated_token:
            return auth::credential_kind::federated_token;
        case config::proof_kind::managed_identity:
            break;
    }
    return auth::credential_kind::managed_identity;
}

/// True if Graph is that of the configured cloud, however it is written.
bool has_own_endpoint(const config::settings& s) {
    const auto known = http::parse_url(config::hosts_of(s.tenant.cloud).graph);
    const auto given = http::parse_url(s.endpoints.graph);
    return known && given && known->origin() == given->origin();
}

}  // namespace

void configure_log(const config::log_settings& s) {
    auto level = core::log_level::info;
    if (s.level == config::log_level::trace || s.level == config::log_level::debug) {
        level = core::log_level::debug;
    } else if (s.level == config::log_level::warning) {
        level = core::log_level::warning;
    } else if (s.level == config::log_level::error) {
        level = core::log_level::error;
    }
    // systemd sets JOURNAL_STREAM when stderr goes to the journal.
    const bool journal =
        s.format == config::log_format::journal ||
        (s.format == config::log_format::automatic && std::getenv("JOURNAL_STREAM") != nullptr);
    auto format = core::log_format::text;
    if (s.format == config::log_format::json) {
        format = core::log_format::json;
    } else if (journal) {
        format = core::log_format::journal;
    }
    core::configure_log(level, format);
}

auth::credential credential_of(const config::settings& s, const config::app_settings& app) {
    auth::credential c;
    c.section = s.restore_app && &app == &*s.restore_app ? "restore_app" : "app";
    c.kind = kind_of(app.proof);
    c.login_url = s.endpoints.login;
    c.graph_url = s.endpoints.graph;
    c.tenant = s.tenant.id;
    c.client_id =
        app.proof == config::proof_kind::managed_identity ? app.managed_identity_client_id : app.client_id;
    c.secret_file = app.proof_file;
    c.certificate_file = app.proof_file;
    c.federated_token_file = app.proof_file;
    c.certificate_rs256 = app.certificate_algorithm == config::assertion_algorithm::rs256;
    c.managed_identity_url = s.endpoints.managed_identity;
    return c;
}

http::client_options http_options_of(const config::settings& s) {
    http::client_options o;
    o.ca_file = s.endpoints.ca_file;
    o.proxy = s.endpoints.proxy;
    o.max_connections_per_origin = std::max<std::size_t>(64, s.sync.concurrency + 16);
    return o;
}

graph::client_options graph_options_of(const config::settings& s) {
    graph::client_options o;
    o.graph_url = s.endpoints.graph;
    if (has_own_endpoint(s) && s.endpoints.ca_file == config::settings().endpoints.ca_file) {
        // Another endpoint, or another authority behind a proxy, has file hosts that only who runs it knows:
        // any host, as long as it is https.
        o.download_hosts = config::file_hosts_of(s.tenant.cloud);
    }
    o.mailbox_concurrency = s.limits.mailbox_concurrency;
    o.mailbox_requests_per_10min.reset();
    if (s.limits.mailbox_requests_per_10min) {
        o.mailbox_requests_per_10min = *s.limits.mailbox_requests_per_10min;
    }
    const auto published = graph::published_budget(s.limits.licences);
    if (s.limits.sharepoint_units == config::unit_budget::automatic) {
        o.sharepoint_units_per_minute = published.per_minute;
        o.sharepoint_units_per_day = published.per_day;
    } else if (s.limits.sharepoint_units == config::unit_budget::fixed) {
        o.sharepoint_units_per_minute = s.limits.sharepoint_units_per_minute;
        o.learn = false;
    }
    return o;
}

sync::pass_options pass_options_of(const config::settings& s) {
    sync::pass_options o;
    o.concurrency = s.sync.concurrency;
    o.enumerations = s.sync.concurrency;
    o.mailbox_concurrency = s.limits.mailbox_concurrency;
    o.spool_max_bytes = s.stage.spool_max_bytes;
    o.min_free_bytes = s.stage.min_free_bytes;
    o.departed_retention = s.sync.departed_retention.count();
    o.guard.max_deleted_share = s.guard.max_deleted_share;
    o.guard.min_deleted_items = static_cast<std::int64_t>(s.guard.min_deleted_items);
    o.kinds.user_drives = s.has(config::data_kind::onedrive);
    o.kinds.sites = s.has(config::data_kind::sharepoint);
    o.kinds.group_drives = s.has(config::data_kind::groups) || o.kinds.sites;
    if (!s.has(config::data_kind::groups)) {
        // Groups are asked for their sites' libraries alone then.
        o.kinds.takes_library_of = [sites = s.select.sites](const std::string& site) {
            return sites.selects(site);
        };
    }
    o.kinds.mail = s.has(config::data_kind::mail);
    o.kinds.recoverable_items = s.mail.recoverable_items;
    o.kinds.calendar = s.has(config::data_kind::calendar);
    o.kinds.contacts = s.has(config::data_kind::contacts);
    o.kinds.tasks = s.has(config::data_kind::tasks);
    const bool mailboxes = o.kinds.mail || o.kinds.calendar || o.kinds.contacts || o.kinds.tasks;
    o.owner_kinds.clear();
    if (o.kinds.user_drives || mailboxes) {
        o.owner_kinds.emplace_back("user");
    }
    if (o.kinds.group_drives || (s.has(config::data_kind::groups) && mailboxes)) {
        o.owner_kinds.emplace_back("group");
    }
    if (o.kinds.sites) {
        o.owner_kinds.emplace_back("site");
    }
    o.selects = [select = s.select](std::string_view kind, std::string_view name) {
        if (kind == "user") {
            return select.users.selects(name);
        }
        return kind == "site" ? select.sites.selects(name) : select.groups.selects(name);
    };
    return o;
}

core::result<std::unique_ptr<tree::stage_root>> open_root(const config::stage_settings& s) {
    tree::root_options o;
    o.file_mode = s.file_mode;
    o.folder_mode = s.dir_mode;
    auto group = group_of(s.group);
    if (!group) {
        return group.error();
    }
    o.group = *group;
    return tree::stage_root::open(s.root, o);
}

core::result<std::unique_ptr<connection>> connection::open(
    boost::asio::io_context& io, const config::settings& s, const config::app_settings& app
) {
    auto transport = http::make_client(io, http_options_of(s));
    if (!transport) {
        return transport.error();
    }
    auto c = std::make_unique<connection>();
    c->transport = std::make_unique<http::reach_watch>(std::move(*transport));
    c->tokens = auth::make_token_source(*c->transport, credential_of(s, app));
    c->graph = graph::make_client(io, *c->transport, *c->tokens, graph_options_of(s));
    return c;
}

namespace {

/// Threads begin with the name of the one that makes them: so ps and top show what each of ours is for.
class names_new_threads {
public:
    explicit names_new_threads(const char* name) {
        ::pthread_getname_np(::pthread_self(), before_.data(), before_.size());
        ::pthread_setname_np(::pthread_self(), name);
    }
    ~names_new_threads() { ::pthread_setname_np(::pthread_self(), before_.data()); }
    names_new_threads(const names_new_threads&) = delete;
    names_new_threads& operator=(const names_new_threads&) = delete;

private:
    std::array<char, 16> before_{};
};

}  // namespace

core::result<std::unique_ptr<stage>> stage::open(const config::settings& s) {
    auto root = open_root(s.stage);
    if (!root) {
        return root.error();
    }
    auto lock = (*root)->lock();
    if (!lock) {
        return lock.error();
    }
    auto st = std::make_unique<stage>();
    st->root = std::move(*root);
    st->lock = std::move(*lock);
    if (auto there = sync::require_index(*st->root); !there) {
        return there.error();
    }
    try {
        const names_new_threads name("m365-index");
        st->store = std::make_unique<index::store>(s.stage.root + "/index.db");
    } catch (const core::fatal& f) {
        return f.why();
    }
    const names_new_threads name("m365-disk");
    st->disk = std::make_unique<async::worker>(2);
    return st;
}

}  // namespace m365stage::daemon
