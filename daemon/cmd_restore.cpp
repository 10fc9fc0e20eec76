#include <unistd.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "daemon/command.hpp"
#include "daemon/progress.hpp"
#include "daemon/restore_report.hpp"
#include "daemon/runtime.hpp"
#include "restore/execute.hpp"

namespace m365stage::daemon {
namespace {

constexpr const char* restore_help =
    "DIR is the tree that was restored, a folder in it, or one above it. Without --in-place and --into "
    "everything\n"
    "goes into a new folder 'Restored DATE' of the place it came from. Nothing is ever deleted, and nothing "
    "is\n"
    "overwritten without --conflict replace. Interrupted, the same command goes on where it was.";

struct restore_arguments {
    restore_arguments() = default;
    restore::request asked;
    std::string conflict = "skip", as_of;
    bool dry_run = false, yes = false;
};

core::error usage(std::string operation, std::string cause, std::string hint) {
    core::error e(core::error_kind::usage, std::move(cause));
    e.operation = std::move(operation);
    e.hint = std::move(hint);
    return e;
}

/// "2026-11-23", or with a time of day: "2026-11-23T08:00:00Z".
std::optional<core::unix_seconds> time_of(const std::string& text) {
    return core::parse_timestamp(text.find('T') == std::string::npos ? text + "T00:00:00Z" : text);
}

/// ", waiting 12 s for Microsoft", if one of the targets is paused.
std::string told_pause(const restore::counters& c, const graph::client& graph) {
    double longest = 0;
    for (const auto& scope : c.scopes) {
        if (auto until = graph.paused_until(scope)) {
            const auto left = *until - std::chrono::steady_clock::now();
            longest = std::max(longest, std::chrono::duration<double>(left).count());
        }
    }
    return longest > 0 ? ", waiting " + progress::duration(longest) + " for Microsoft" : "";
}

/// One line about how far it is, on stderr: live on a terminal, every five seconds otherwise.
async::task<void> show(const restore::counters& c, graph::client& graph, bool terminal) {
    boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
    const auto start = std::chrono::steady_clock::now();
    for (;;) {
        timer.expires_after(std::chrono::milliseconds(terminal ? 250 : 5000));
        co_await timer.async_wait(boost::asio::use_awaitable);
        const auto elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        std::string text = std::string(c.phase) + ": " + progress::count(c.objects_done) + "/" +
                           progress::count(c.objects) + " objects, " + progress::bytes(c.bytes_done) +
                           " of " + progress::bytes(c.bytes);
        if (c.bytes_done > 0) {
            text += ", " +
                    progress::bytes(static_cast<std::uint64_t>(static_cast<double>(c.bytes_done) / elapsed)) +
                    "/s";
        }
        if (c.failed > 0) {
            text += ", " + progress::count(c.failed) + " failed";
        }
        text += told_pause(c, graph);
        std::fprintf(stderr, terminal ? "\r\033[K%s" : "%s\n", text.c_str());
        std::fflush(stderr);
    }
}

/// Runs a coroutine to its end; SIGINT and SIGTERM stop it (error `cancelled`).
template <class T>
core::result<T> run_to_end(
    boost::asio::io_context& io, connection& c, const restore::counters& count,
    async::task<core::result<T>> work
) {
    std::optional<core::result<T>> out;
    std::exception_ptr failure;
    boost::asio::cancellation_signal stop;
    boost::asio::cancellation_signal stop_display;
    boost::asio::signal_set signals(io, SIGINT, SIGTERM);
    const bool terminal = ::isatty(STDERR_FILENO) == 1;
    signals.async_wait([&](const boost::system::error_code& ec, int) {
        if (!ec) {
            boost::system::error_code ignored;
            signals.clear(ignored);  // a second one ends the process by itself
            stop.emit(boost::asio::cancellation_type::terminal);
        }
    });
    boost::asio::co_spawn(
        io, show(count, *c.graph, terminal),
        boost::asio::bind_cancellation_slot(stop_display.slot(), [](std::exception_ptr) {})
    );
    boost::asio::co_spawn(
        io, std::move(work),
        boost::asio::bind_cancellation_slot(
            stop.slot(),
            [&](std::exception_ptr e, core::result<T> value) {
                failure = e;
                out.emplace(std::move(value));
                signals.cancel();
                c.tokens->stop();
                stop_display.emit(boost::asio::cancellation_type::terminal);
            }
        )
    );
    io.restart();
    io.run();
    if (terminal) {
        std::fputs("\r\033[K", stderr);
    }
    if (failure) {
        try {
            std::rethrow_exception(failure);
        } catch (const core::fatal& f) {
            return f.why();
        } catch (const boost::system::system_error&) {
            core::error e(core::error_kind::cancelled, "stopped by a signal");
            e.hint = "nothing is lost: the same command goes on where it was";
            return e;
        }
    }
    return std::move(*out);
}

/// What the journal says of this run.
async::task<core::result<restore_outcome>> collect(restore::journal& log, const restore::plan& p) {
    restore_outcome out;
    out.goes_on = log.goes_on();
    out.kinds = co_await log.tallies();
    auto take = [&out, &p](const std::string& path, const restore::entry& e) {
        ++out.left_count;
        if (out.left.size() < restore_outcome::most_listed) {
            out.left.emplace_back(p.shown(path), e);
            auto& why = out.left.back().second.detail;
            why = why.empty() ? "it was under way when the restore ended" : why;
        }
    };
    co_await log.each_left(std::move(take));
    co_return out;
}

bool confirmed() {
    std::fputs("Go on? [y/N] ", stderr);
    std::string answer;
    std::getline(std::cin, answer);
    return answer == "y" || answer == "Y" || answer == "yes";
}

/// A folder for the journal of a dry run, which leaves nothing behind.
class scratch_folder {
public:
    scratch_folder() {
        std::string name = (std::filesystem::temp_directory_path() / "m365stage-XXXXXX").string();
        if (::mkdtemp(name.data()) != nullptr) {
            path_ = name;
        }
    }
    ~scratch_folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    scratch_folder(const scratch_folder&) = delete;
    scratch_folder& operator=(const scratch_folder&) = delete;
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

core::result<void> complete(restore_arguments& a, const config::settings& settings) {
    if (!settings.restore_app) {
        return usage(
            "restore", "the configuration has no restore_app",
            "register an app with write permissions and configure it (README, \"Restore\"): the app for "
            "backup "
            "can't write"
        );
    }
    if (!a.as_of.empty()) {
        a.asked.as_of = time_of(a.as_of);
        if (!a.asked.as_of) {
            return usage(
                "--as-of", "'" + a.as_of + "' is no time", "write 2026-11-23 or 2026-11-23T08:00:00Z"
            );
        }
    }
    a.asked.conflict = a.conflict == "rename"    ? restore::conflict_rule::rename
                       : a.conflict == "replace" ? restore::conflict_rule::replace
                                                 : restore::conflict_rule::skip;
    if (a.asked.state_folder.empty()) {
        a.asked.state_folder = settings.stage.root + "/restore";
    }
    if (!a.asked.to.empty()) {
        if (auto place = restore::parse_place(a.asked.to); !place) {
            return place.error();
        }
    }
    if (a.asked.into.find('/') != std::string::npos) {
        return usage(
            "--into", "it is one name, not a path", "--to users/NAME@DOMAIN/FOLDER/FOLDER names a path"
        );
    }
    return core::result<void>();
}

/// Everything behind the plan: asks, does it, and tells.
int carry_out(
    boost::asio::io_context& io, connection& c, restore::context& with, const restore::plan& p,
    const global_options& global, const restore_arguments& a
) {
    if (a.dry_run) {
        const bool obstacle =
            p.cannot_count > 0 || std::any_of(p.parts.begin(), p.parts.end(), [](const auto& part) {
                return !part.obstacle.empty() || !part.lost.empty();
            });
        return static_cast<int>(
            p.is_forbidden() ? core::exit_code::auth
            : obstacle       ? core::exit_code::some_failed
                             : core::exit_code::done
        );
    }
    if (!a.yes && ::isatty(STDIN_FILENO) != 1) {
        return fail(
            usage("restore", "nothing was done: nobody is there to be asked", "--yes goes on without asking")
        );
    }
    if (!a.yes && !confirmed()) {
        std::fputs("nothing was done\n", stderr);
        return static_cast<int>(core::exit_code::done);
    }
    const auto start = std::chrono::steady_clock::now();
    auto done = run_to_end<void>(io, c, with.count, restore::execute(with, p));
    auto told = run_to_end<restore_outcome>(io, c, with.count, collect(with.log, p));
    if (!told) {
        return fail(told.error());
    }
    if (!done) {
        told->failure = done.error();
    }
    told->forbidden = p.is_forbidden();
    told->service = c.graph->stats();
    told->bytes = with.count.bytes_done;
    told->seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    print_outcome(*told, global.json);
    return told->failure ? fail(*told->failure) : static_cast<int>(told->exit());
}

int run_restore(const global_options& global, restore_arguments& a) {
    // The credential of the backup app need not be on the machine that restores.
    auto settings = config::load(global.config_file, config::file_checks::restore);
    if (!settings) {
        return fail(settings.error());
    }
    configure_log(settings->log);
    if (auto ready = complete(a, *settings); !ready) {
        return fail(ready.error());
    }
    auto tree = restore::source_tree::find(a.asked.from);
    if (!tree) {
        return fail(tree.error());
    }
    const auto tag = a.asked.tag((*tree)->root().path() + "\n" + (*tree)->start());
    const scratch_folder scratch;
    std::error_code ec;
    const bool begun = std::filesystem::exists(a.asked.state_folder + "/" + tag, ec);
    // Outlives the threads of the journal: one may still be waking it when the last work is done.
    boost::asio::io_context io(1);
    auto log = restore::journal::open(a.dry_run && !begun ? scratch.path() : a.asked.state_folder, tag);
    if (!log) {
        return fail(log.error());
    }
    auto c = connection::open(io, *settings, *settings->restore_app);
    if (!c) {
        return fail(c.error());
    }
    async::worker disk(4);
    restore::counters count;
    restore::context with(io.get_executor(), *(*c)->graph, **tree, **log, disk, a.asked, count);
    auto p = run_to_end<restore::plan>(io, **c, count, restore::make_plan(with, *(*c)->tokens));
    if (!p) {
        return fail(p.error());
    }
    print_plan(*p, global.json);
    return carry_out(io, **c, with, *p, global, a);
}

}  // namespace

void add_restore(CLI::App& app, const global_options& global, runner& run) {
    auto* command =
        app.add_subcommand("restore", "put a restored tree, or a part of it, back into Microsoft 365");
    command->footer(restore_help);
    auto a = std::make_shared<restore_arguments>();
    command->add_option("--from", a->asked.from, "folder that the backup system restored")->required();
    command->add_option(
        "--select", a->asked.select, "only what matches and lies below, e.g. 'users/ann@*/onedrive/Reports'"
    );
    command->add_option(
        "--to", a->asked.to, "another place: users/NAME@DOMAIN[/FOLDER], sites/HOST/PATH, ..."
    );
    auto* in_place = command->add_flag("--in-place", a->asked.in_place, "into the folders that it came from");
    command->add_option("--into", a->asked.into, "into this folder, made if it is not there")
        ->excludes(in_place);
    command->add_option("--conflict", a->conflict, "what to do about names that are taken by something else")
        ->check(CLI::IsMember({"skip", "rename", "replace"}))
        ->capture_default_str();
    command->add_option("--as-of", a->as_of, "leave out what was made or changed after this time");
    command->add_flag("--permissions", a->asked.permissions, "sharing as well; nobody gets a mail about it");
    command->add_flag(
        "--settings", a->asked.settings,
        "mailbox settings, inbox rules and categories as well; automatic replies stay switched off"
    );
    command->add_option("--state", a->asked.state_folder, "folder for the journal (stage.root/restore)");
    command->add_flag("--dry-run", a->dry_run, "print the plan and end");
    command->add_flag("--yes", a->yes, "do not ask");
    command->callback([&global, &run, a] { run = [&global, a] { return run_restore(global, *a); }; });
}

}  // namespace m365stage::daemon
