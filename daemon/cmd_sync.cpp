#include <algorithm>
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
#include "daemon/index_access.hpp"
#include "daemon/progress.hpp"
#include "daemon/runtime.hpp"
#include "daemon/service_client.hpp"

namespace m365stage::daemon {
namespace {

struct sync_arguments {
    sync_arguments() = default;
    std::string only;
};

/// A pass that has ended, from its document: the service tells of its passes in the same words.
void print(const nlohmann::json& s) {
    auto n = [&s](const char* name) { return progress::count(s.value(name, std::uint64_t{0})); };
    const bool any = s.value("new_generation", false);
    const bool kept_back = s.value("kept_back", false);
    std::printf(
        "%s pass in %s: %s containers, %s items; generation %s%s\n", s.value("outcome", "").c_str(),
        progress::duration(s.value("seconds", 0.0)).c_str(), n("containers").c_str(), n("items").c_str(),
        n("generation").c_str(), any || kept_back ? "" : " (nothing changed)"
    );
    if (any) {
        std::printf(
            "created %s, content %s, metadata %s, renamed %s, moved %s, deleted %s; fetched %s files, %s\n",
            n("created").c_str(), n("content").c_str(), n("metadata").c_str(), n("renamed").c_str(),
            n("moved").c_str(), n("deleted").c_str(), n("fetched").c_str(),
            progress::bytes(s.value("fetched_bytes", std::uint64_t{0})).c_str()
        );
    }
    if (const auto owed = s.value("owed", 0); owed > 0) {
        const char* are = owed == 1 ? "item is" : "items are";
        std::printf("%s %s owed: see 'm365stage status'\n", n("owed").c_str(), are);
    }
    if (const auto held = s.value("held", 0); held > 0) {
        const char* are = held == 1 ? "deletion is" : "deletions are";
        std::printf("%s %s held: see 'm365stage guard list'\n", n("held").c_str(), are);
    }
    const auto errors = s.value("errors", nlohmann::json::array()).size();
    if (errors > 0 && s.value("owed", 0) == 0 && s.value("held", 0) == 0) {
        std::printf("not everything could be brought up to date: see 'm365stage status'\n");
    }
}

/// What failed in a pass of the service; one of our own has told it while it ran.
void print_errors(const nlohmann::json& pass) {
    constexpr std::size_t most = 10;
    const auto errors = pass.value("errors", nlohmann::json::array());
    for (std::size_t i = 0; i < std::min(most, errors.size()); ++i) {
        std::fprintf(stderr, "m365stage: %s\n", errors[i].get<std::string>().c_str());
    }
    if (errors.size() > most) {
        std::fprintf(stderr, "m365stage: and more: see 'm365stage status' and the service's log\n");
    }
}

/// Who holds the tree still, and what waits for the end of that, as the index has it now.
void print_kept_back(const global_options& global) {
    auto opened = open_index::open(global, index::database::mode::read_only);
    if (!opened) {
        return;
    }
    guarded([&opened] {
        const auto waiting = index::count_backlog(*opened->db);
        std::string who;
        for (const auto& l : index::active_leases(*opened->db, core::now_seconds())) {
            who += (who.empty() ? "" : ", ") + ("job " + l.job_id) + " (" + l.holder + ")";
        }
        std::printf(
            "a lease%s holds the tree still: what changed goes there when it ends; %s items, %s wait in the "
            "spool\n",
            who.empty() ? "" : (" of " + who).c_str(), progress::number(waiting.spooled).c_str(),
            progress::bytes(static_cast<std::uint64_t>(waiting.spooled_bytes)).c_str()
        );
        return 0;
    });
}

/// Prints the document of a pass; its exit code.
int report(const global_options& global, const nlohmann::json& pass) {
    const auto failure = pass.value("failure", nlohmann::json());
    if (global.json) {
        std::printf("%s\n", api::dump(pass).c_str());
    } else if (!failure.is_string()) {
        print(pass);
        if (pass.value("kept_back", false)) {
            print_kept_back(global);
        }
    }
    if (failure.is_string()) {
        std::fprintf(stderr, "m365stage: %s\n", failure.get<std::string>().c_str());
    }
    return pass.value("exit_code", static_cast<int>(core::exit_code::local));
}

/// A pass of the service that works on stage.root.
int sync_by_service(const global_options& global, const std::string& socket, const std::string& only) {
    constexpr std::chrono::seconds longest = std::chrono::hours(24 * 7);
    const nlohmann::json wanted{{"only", only}, {"wait", longest.count()}};
    const auto pass =
        ask_service(socket, "POST", "/api/v1/passes", wanted, longest + std::chrono::minutes(1));
    if (!pass) {
        return fail(pass.error());
    }
    if (!global.json) {
        print_errors(*pass);
    }
    return report(global, *pass);
}

/// Runs the pass until it ends, or until SIGINT or SIGTERM stops it; what is begun is finished at the next
/// start.
core::result<sync::pass_summary> run_to_end(
    boost::asio::io_context& io, connection& c, stage& st, const sync::pass_options& options
) {
    progress display(*c.graph, *c.transport);
    sync::tree_gate gate(io.get_executor());
    std::optional<sync::pass_summary> summary;
    std::exception_ptr failure;
    boost::asio::cancellation_signal stop;
    boost::asio::cancellation_signal stop_display;
    boost::asio::signal_set signals(io, SIGINT, SIGTERM);
    signals.async_wait([&](const boost::system::error_code& ec, int) {
        if (!ec) {
            boost::system::error_code ignored;
            signals.clear(ignored);  // a second one ends the process by itself
            index::wait_for_no_lock();
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
                c.tokens->stop();
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
    // Outlives the threads of the stage: one may still be waking it when the last work is done.
    boost::asio::io_context io(1);
    auto st = stage::open(*settings);
    if (!st && st.error().kind == core::error_kind::busy && service_answers(settings->api.socket)) {
        return sync_by_service(global, settings->api.socket, arguments.only);
    }
    if (!st) {
        return fail(st.error());
    }
    auto c = connection::open(io, *settings, settings->app);
    if (!c) {
        return fail(c.error());
    }
    options.only = arguments.only;
    options.clock_lead = [&reach = *(*c)->transport] { return reach.clock_lead(); };
    auto summary = run_to_end(io, **c, **st, options);
    if (!summary) {
        return fail(summary.error());
    }
    return report(global, api::pass_document(*summary));
}

}  // namespace

void add_sync(CLI::App& app, const global_options& global, runner& run) {
    auto* command = app.add_subcommand("sync", "one pass: bring the tree up to date, then end");
    auto arguments = std::make_shared<sync_arguments>();
    command->add_option(
        "--only", arguments->only,
        "only what matches and lies below, e.g. 'users/ann@contoso.com' or '*/mail'"
    );
    command->callback([&global, &run, arguments] {
        run = [&global, arguments] { return run_sync(global, *arguments); };
    });
}

}  // namespace m365stage::daemon
