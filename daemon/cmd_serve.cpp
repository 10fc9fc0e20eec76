#include <unistd.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <cstdio>

#include "api/rules.hpp"
#include "api/server.hpp"
#include "core/log.hpp"
#include "daemon/command.hpp"
#include "daemon/notify.hpp"
#include "daemon/progress.hpp"
#include "daemon/service.hpp"

namespace m365stage::daemon {
namespace {

constexpr const char* serve_help =
    "Runs until SIGTERM or SIGINT; a second one ends it at once. Nothing is ever lost: the next start goes "
    "on.\n"
    "SIGHUP reads the configuration again and says what needs a restart.\n"
    "Ends with 2 for a configuration that can't be, with 5 if the API's socket can't be made, with 7 if "
    "another\nm365stage works on stage.root or the API's port is taken; everything else it tells in its log "
    "and in\n/readyz, and tries again.";

/// What holds since the start, whatever the new configuration says; named for the log.
std::string keep_what_is_fixed(const config::settings& old, config::settings& fresh) {
    std::string kept;
    auto keep = [&kept](const char* name, const auto& was, auto& now) {
        if (!(was == now)) {
            now = was;
            kept += (kept.empty() ? "" : ", ") + std::string(name);
        }
    };
    keep("tenant", old.tenant, fresh.tenant);
    keep("stage.root", old.stage.root, fresh.stage.root);
    keep("stage.group", old.stage.group, fresh.stage.group);
    keep("stage.file_mode", old.stage.file_mode, fresh.stage.file_mode);
    keep("stage.dir_mode", old.stage.dir_mode, fresh.stage.dir_mode);
    keep("api", old.api, fresh.api);
    return kept;
}

/// Reads the configuration, and tells the log what it says of it. Errors: usage.
core::result<config::settings> load_settings(const std::string& file) {
    auto settings = config::load(file);
    if (settings) {
        configure_log(settings->log);
    }
    return settings;
}

/// The service, its server and what comes from outside, until a signal.
class process {
public:
    process(
        boost::asio::io_context& io, std::string config_file, staging_service& service, api::server& server
    )
        : io_(io),
          config_file_(std::move(config_file)),
          service_(service),
          server_(server),
          signals_(io, SIGTERM, SIGINT, SIGHUP),
          watchdog_(io) {}

    /// Empty if all went well; otherwise what ended it.
    std::exception_ptr run() {
        spawn(service_.run(), working_, stop_service_);
        spawn(server_.run(), serving_, stop_server_);
        heard_ = service_.listen([this](const char* what) {
            if (std::string_view(what) != "progress") {
                notify::status(api::status_line(service_.state()));
            }
        });
        await_signal();
        if (const auto every = notify::watch_interval()) {
            feed_watchdog(*every);
        }
        notify::ready(api::status_line(service_.state()));
        core::log(
            core::log_level::info, "m365stage " M365STAGE_VERSION " serves " + service_.settings().stage.root
        );
        io_.run();
        service_.tell_what_is_lost();
        clear_away();
        return failure_;
    }

private:
    void spawn(async::task<void> work, bool& runs, boost::asio::cancellation_signal& stop) {
        runs = true;
        auto ended = [this, &runs](std::exception_ptr e) {
            runs = false;
            if (e && !stopping_ && !failure_) {
                failure_ = e;
            }
            end();
        };
        boost::asio::co_spawn(io_, std::move(work), boost::asio::bind_cancellation_slot(stop.slot(), ended));
    }

    /// First the passes and leases, then the answers to those who wait for them, then nothing is left.
    void end() {
        if (!stopping_) {
            stopping_ = true;
            notify::stopping();
            core::log(core::log_level::info, "stopping");
            service_.stop();
            stop_service_.emit(boost::asio::cancellation_type::terminal);
        }
        if (!working_) {
            server_.stop();
        }
        if (!working_ && !serving_) {
            heard_.reset();
            watchdog_.cancel();
            boost::system::error_code ignored;
            for (const int number : {SIGTERM, SIGINT}) {
                signals_.remove(number, ignored);  // they would go on being caught, with nobody to hear them
                std::signal(number, [](int) { ::_exit(static_cast<int>(core::exit_code::timed_out)); });
            }
            signals_.cancel();
            io_.stop();
        }
    }

    /// All work is done, nothing is being written, and what was cancelled is cleared away. What may be left
    /// then is a name that the resolver looks up, which nothing can cancel: nobody waits for it, and so do we
    /// not.
    void clear_away() {
        io_.restart();
        io_.run_for(std::chrono::seconds(1));
        if (!io_.stopped() && !failure_) {
            core::log(core::log_level::info, "stopped");
            ::_exit(static_cast<int>(core::exit_code::done));
        }
    }

    void await_signal() {
        signals_.async_wait([this](const boost::system::error_code& ec, int number) {
            if (ec) {
                return;
            }
            if (number == SIGHUP) {
                reload();
            } else if (stopping_) {
                ::_exit(static_cast<int>(core::exit_code::timed_out));
            } else {
                end();
            }
            await_signal();
        });
    }

    void reload() {
        notify::reloading();
        auto fresh = load_settings(config_file_);
        if (fresh) {
            const auto kept = keep_what_is_fixed(service_.settings(), *fresh);
            core::log(core::log_level::info, "the configuration was read again");
            if (!kept.empty()) {
                core::log(core::log_level::warning, "changed, but only after a restart: " + kept);
            }
            service_.reconfigure(std::move(*fresh));
            if (auto token = server_.reload(); !token) {
                core::log_error(core::log_level::error, token.error());
            }
        } else {
            core::log_error(core::log_level::error, fresh.error(), "the configuration stays as it was");
        }
        notify::ready(api::status_line(service_.state()));
    }

    /// The network thread says that it is alive; when it hangs, systemd starts the service anew.
    void feed_watchdog(std::chrono::microseconds every) {
        notify::alive();
        watchdog_.expires_after(every);
        watchdog_.async_wait([this, every](const boost::system::error_code& ec) {
            if (!ec) {
                feed_watchdog(every);
            }
        });
    }

    boost::asio::io_context& io_;
    std::string config_file_;
    staging_service& service_;
    api::server& server_;
    boost::asio::signal_set signals_;
    boost::asio::steady_timer watchdog_;
    boost::asio::cancellation_signal stop_service_, stop_server_;
    std::shared_ptr<void> heard_;
    bool working_ = false, serving_ = false, stopping_ = false;
    std::exception_ptr failure_;
};

int run_serve(const global_options& global) {
    auto settings = load_settings(global.config_file);
    if (!settings) {
        return fail(settings.error());
    }
    boost::asio::io_context io(1);
    staging_service service(io, *settings);
    if (auto opened = service.open(); !opened) {
        return fail(opened.error());
    }
    api::server_options o;
    o.socket = settings->api.socket;
    o.listen = settings->api.listen;
    o.token_file = settings->api.token_file;
    auto server = api::server::open(io, service, o);
    if (!server) {
        return fail(server.error());
    }
    process p(io, global.config_file, service, **server);
    if (const auto failure = p.run()) {
        std::rethrow_exception(failure);
    }
    core::log(core::log_level::info, "stopped");
    return static_cast<int>(core::exit_code::done);
}

}  // namespace

void add_serve(CLI::App& app, const global_options& global, runner& run) {
    auto* command = app.add_subcommand("serve", "the service: passes at sync.interval, leases, REST API");
    command->footer(serve_help);
    command->callback([&global, &run] { run = [&global] { return run_serve(global); }; });
}

}  // namespace m365stage::daemon
