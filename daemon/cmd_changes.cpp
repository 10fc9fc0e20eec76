#include <cstdio>

#include "api/documents.hpp"
#include "daemon/command.hpp"
#include "daemon/index_access.hpp"

namespace m365stage::daemon {
namespace {

constexpr const char* changes_help =
    "Without --since the changes of the last generation; with --since G those of all generations after G.\n"
    "With --json: one object a line, old_path null for what was created, new_path null for what was "
    "deleted.\n\n"
    "Example: m365stage changes --since 41 --json";

struct changes_arguments {
    changes_arguments() = default;
    std::int64_t since = -1;  ///< below 0: the last generation only
};

void write_text(line_writer& out, const index::change_row& c) {
    const auto what = index::to_string(c.what);
    out.number(c.generation).raw("  ").raw(what);
    out.raw(std::string(what.size() < 10 ? 10 - what.size() : 1, ' '));
    if (c.old_path && c.new_path && *c.old_path != *c.new_path) {
        out.raw(*c.old_path).raw(" -> ").raw(*c.new_path);
    } else {
        out.raw(c.new_path ? *c.new_path : c.old_path.value_or(""));
    }
    out.end_line();
}

int run_changes(const global_options& global, const changes_arguments& arguments) {
    auto opened = open_index::open(global, index::database::mode::read_only);
    if (!opened) {
        return fail(opened.error());
    }
    auto& db = *opened->db;
    const auto last = index::last_generation(db);
    if (arguments.since > last) {
        core::error e(
            core::error_kind::usage,
            "--since " + std::to_string(arguments.since) + ": the last generation is " + std::to_string(last)
        );
        e.hint = "'m365stage status' shows it; an index that was rebuilt counts anew";
        return fail(e);
    }
    const auto since = arguments.since >= 0 ? arguments.since : index::generation_before(db, last);
    line_writer out;
    index::list_changes(db, since, 0, [&](const index::change_row& c) {
        if (global.json) {
            api::append_change(out.text(), c);
            out.end_line();
        } else {
            write_text(out, c);
        }
        return out.wanted();
    });
    return static_cast<int>(core::exit_code::done);
}

}  // namespace

void add_changes(CLI::App& app, const global_options& global, runner& run) {
    auto* command = app.add_subcommand("changes", "what changed in the tree");
    command->footer(changes_help);
    auto arguments = std::make_shared<changes_arguments>();
    command->add_option("--since", arguments->since, "show all changes after this generation")
        ->check(whole_number_from(0));
    command->callback([&global, &run, arguments] {
        run = [&global, arguments] { return guarded([&] { return run_changes(global, *arguments); }); };
    });
}

}  // namespace m365stage::daemon
