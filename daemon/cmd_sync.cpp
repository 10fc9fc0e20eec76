#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "api/documents.hpp"
#include "core/log.hpp"
#include "daemon/command.hpp"
#include "daemon/progress.hpp"
#include "daemon/runtime.hpp"

namespace m365stage::daemon {
namespace {

struct sync_arguments {
    sync_arguments() = default;
    std::string only;
};

void print(const sync::pass_summary& s) {
    auto n = [](auto value) { return progress::count(static_cast<std::uint64_t>(value)); };
    std::printf(
        "%s pass in %s: %s containers, %s items; generation %s%s\n", s.outcome.c_str(),
        progress::duration(s.seconds).c_str(), n(s.containers).c_str(), n(s.items).c_str(),
        n(s.generation).c_str(), s.new_generation ? "" : " (nothing changed)"
    );
    if (s.new_generation) {
        std::printf(
            "created %s, content %s, metadata %s, renamed %s, moved %s, deleted %s; fetched %s files, %s\n",
            n(s.created).c_str(), n(s.content).c_str(), n(s.metadata).c_str(), n(s.renamed).c_str(),
            n(s.moved).c_str(), n(s.deleted).c_str(), n(s.counters.fetched).c_str(),
            progress::bytes(s.counters.fetched_bytes).c_str()
        );
    }
    if (s.owed > 0) {
        std::printf("%s items are owed: see 'm365stage status'\n", n(s.owed).c_str());
    }
    if (s.held > 0) {
        std::printf("%s deletions are held: see 'm365stage guard list'\n", n(s.held).c_str());
    }
}

/// Runs the pass until it ends, or until SIGINT or SIGTERM stops it; what is begun is finished at the next
/// start.
core::result<sync::pass_summary> run_to_end(
    boost::asio::io_context& io, connection& c, stage& st, const sync::pass_options& options
) {
    progress display(*c.graph);
    sync::tree_gate gate(io.get_executor());
    std::optional<sync::pass_summary> summary;
    std::exception_ptr failure;
    boost::asio::cancellation_signal stop;
    boost::asio::cancellation_signal stop_display;
    boost::asio::signal_set signals(io, SIGINT, SIGTERM);
    signals.async_wait([&](const boost::system::error_code& ec, int) {
        if (!ec) {
            stop.emit(boost::asio::cancellation_type::terminal);
        }
    });
    boost::asio::co_spawn(
        io, display.show(),
        boost::asio::bind_cancellation_slot(stop_display.slot(), [](std::exception_ptr) {})
    );
    auto watch = [&display](sync::pass_context* pass) { display.watch(pass); };
    boost::asio::co_spawn(
        io, sync::run_pass(io.get_executor(), *c.graph, *st.store, *st.root, *st.disk, gate, options, watch),
        boost::asio::bind_cancellation_slot(
            stop.slot(),
            [&](std::exception_ptr e, sync::pass_summary s) {
                failure = e;
                summary = std::move(s);
                signals.cancel();
                stop_display.emit(boost::asio::cancellation_type::terminal);
            }
        )
    );
    io.run();
    display.finish();
    if (failure) {
        try {
            std::rethrow_exception(failure);
        } catch (const boost::system::system_error&) {
            core::error e(core::error_kind::cancelled, "stopped by a signal");
            e.hint = "nothing is lost: the next pass goes on from here";
            return e;
        }
    }
    return std::move(*summary);
}

int run_sync(const global_options& global, const sync_arguments& arguments) {
    auto settings = config::load(global.config_file);
    if (!settings) {
        return fail(settings.error());
    }
    configure_log(settings->log);
    auto options = pass_options_of(*settings);
    if (const auto missing = kinds_without_source(*settings); !missing.empty()) {
        core::error e(core::error_kind::usage, "kinds: this version cannot stage " + missing);
        e.hint = "nothing of that is backed up; onedrive, sharepoint and groups can be staged";
        if (options.owner_kinds.empty()) {
            return fail(e);
        }
        core::log(core::log_level::warning, core::describe(e));
    }
    auto st = stage::open(*settings);
    if (!st) {
        return fail(st.error());
    }
    boost::asio::io_context io(1);
    auto c = connection::open(io, *settings, settings->app);
    if (!c) {
        return fail(c.error());
    }
    options.only = arguments.only;
    auto summary = run_to_end(io, **c, **st, options);
    if (!summary) {
        return fail(summary.error());
    }
    if (global.json) {
        std::printf("%s\n", api::dump(api::pass_document(*summary)).c_str());
    } else if (!summary->failure) {
        print(*summary);
    }
    if (summary->failure) {
        return fail(*summary->failure);
    }
    return static_cast<int>(summary->exit);
}

}  // namespace

void add_sync(CLI::App& app, const global_options& global, runner& run) {
    auto* command = app.add_subcommand("sync", "one pass: bring the tree up to date, then end");
    auto arguments = std::make_shared<sync_arguments>();
    command->add_option("--only", arguments->only, "only containers whose name matches, e.g. 'users/ann@*'");
    command->callback([&global, &run, arguments] {
        run = [&global, arguments] { return run_sync(global, *arguments); };
    });
}

}  // namespace m365stage::daemon
