#include <cstdio>

#include "api/documents.hpp"
#include "daemon/command.hpp"
#include "daemon/index_access.hpp"
#include "daemon/progress.hpp"
#include "tree/names.hpp"

namespace m365stage::daemon {
namespace {

constexpr const char* ls_help =
    "PATTERN is matched against whole paths below tree/: '*' stands for anything, also for '/'. It selects "
    "what it\n"
    "matches and everything below, so 'users/ann@contoso.com' or a folder's name are patterns, too.\n"
    "States: staged; pending (to be fetched), spooled (fetched, to be put into the tree), failed (with the "
    "reason),\n"
    "held (removed in Microsoft 365, kept by the guard). With --json: one object a line.\n\n"
    "Example: m365stage ls 'users/ann@*/*.docx' --json";

void write_text(line_writer& out, const index::listed_item& i) {
    const auto size = i.size ? progress::count(static_cast<std::uint64_t>(*i.size)) : std::string("-");
    out.raw(i.state).raw(std::string(i.state.size() < 8 ? 8 - i.state.size() : 0, ' '));
    out.raw(std::string(size.size() < 15 ? 15 - size.size() : 0, ' ')).raw(size).raw("  ").raw(i.path);
    if (index::is_folder(i.type)) {
        out.raw("/");
    }
    if (!i.error.empty()) {
        out.raw("  (").raw(i.error).raw(")");
    }
    out.end_line();
}

int run_ls(const global_options& global, const std::string& pattern) {
    auto opened = open_index::open(global, index::database::mode::read_only);
    if (!opened) {
        return fail(opened.error());
    }
    line_writer out;
    auto each = [&](const index::container& c, const index::listed_item& i) {
        if (global.json) {
            api::append_item(out.text(), c, i);
            out.end_line();
        } else {
            write_text(out, i);
        }
        return out.wanted();
    };
    index::list_items(*opened->db, pattern, tree::local_name, each);
    return static_cast<int>(core::exit_code::done);
}

}  // namespace

void add_ls(CLI::App& app, const global_options& global, runner& run) {
    auto* command = app.add_subcommand("ls", "what is staged, and what is not yet");
    command->footer(ls_help);
    auto pattern = std::make_shared<std::string>();
    command->add_option("PATTERN", *pattern, "only paths that match, e.g. 'sites/*/libraries/*.xlsx'");
    command->callback([&global, &run, pattern] {
        run = [&global, pattern] { return guarded([&] { return run_ls(global, *pattern); }); };
    });
}

}  // namespace m365stage::daemon
