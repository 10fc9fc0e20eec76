#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>

#include "async/worker.hpp"
#include "auth/token_source.hpp"
#include "config/config.hpp"
#include "graph/client.hpp"
#include "http/reach.hpp"
#include "index/store.hpp"
#include "sync/pass.hpp"
#include "tree/stage_root.hpp"

namespace m365stage::daemon {

/// Log level and format as configured; `automatic`: journal under systemd, text otherwise.
void configure_log(const config::log_settings& s);

auth::credential credential_of(const config::settings& s, const config::app_settings& app);
http::client_options http_options_of(const config::settings& s);
graph::client_options graph_options_of(const config::settings& s);
sync::pass_options pass_options_of(const config::settings& s);

/// Opens stage.root with the modes and the group of the configuration. Errors: usage (unknown group), disk.
core::result<std::unique_ptr<tree::stage_root>> open_root(const config::stage_settings& s);

/// The connection to Microsoft 365. Members are in the order in which they need each other.
struct connection {
    /// Errors: usage (ca_file, proxy).
    static core::result<std::unique_ptr<connection>> open(
        boost::asio::io_context& io, const config::settings& s, const config::app_settings& app
    );
    std::unique_ptr<http::reach_watch> transport;
    std::unique_ptr<auth::token_source> tokens;
    std::unique_ptr<graph::client> graph;
};

/// stage.root, locked, with its index.
struct stage {
    /// Errors: usage, disk, busy, index.
    static core::result<std::unique_ptr<stage>> open(const config::settings& s);
    std::unique_ptr<tree::stage_root> root;
    tree::unique_fd lock;
    std::unique_ptr<index::store> store;
    std::unique_ptr<async::worker> disk;
};

}  // namespace m365stage::daemon
