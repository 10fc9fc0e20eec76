#include <cstdio>
#include <nlohmann/json.hpp>

#include "api/documents.hpp"
#include "core/glob.hpp"
#include "daemon/command.hpp"
#include "daemon/index_access.hpp"
#include "daemon/progress.hpp"
#include "daemon/service_client.hpp"
#include "tree/names.hpp"

namespace m365stage::daemon {
namespace {

constexpr const char* guard_help =
    "A round that would delete more of a container than guard.max_deleted_share is held: the files stay in "
    "the tree\n"
    "until a person approves, or until they are back in Microsoft 365. Ends with 6 if anything is held, else "
    "0.\n\n"
    "Example: m365stage guard list --json";
constexpr const char* approve_help =
    "Works at any time, also while the service runs; the next pass removes the files. Deletions that come "
    "later are\n"
    "judged anew. Names are printed by 'm365stage guard list'.\n\n"
    "Example: m365stage guard approve users/ann@contoso.com/onedrive";
constexpr int shown_examples = 5;

using nlohmann::json;

void print(const index::held_container& h) {
    std::printf(
        "%s: %s deletions held, %s items are left; since round %s", h.key.c_str(),
        progress::number(h.held).c_str(), progress::number(h.items).c_str(), progress::number(h.round).c_str()
    );
    if (h.completed_at != 0) {
        std::printf(" (last round %s)", core::format_timestamp(h.completed_at).c_str());
    }
    std::printf("%s\n", h.approved ? "; approved, the next pass removes them" : "");
    for (const auto& path : h.examples) {
        std::printf("  %s\n", path.c_str());
    }
    if (h.held > static_cast<std::int64_t>(h.examples.size())) {
        std::printf("  ... all of them: m365stage ls --json '%s' (state held)\n", h.key.c_str());
    }
}

int list_held(const global_options& global) {
    auto opened = open_index::open(global, index::database::mode::read_only);
    if (!opened) {
        return fail(opened.error());
    }
    const auto held = index::held_containers(*opened->db, shown_examples, tree::local_name);
    bool waits = false;
    for (const auto& h : held) {
        waits = waits || !h.approved;
    }
    if (global.json) {
        json out = json::array();
        for (const auto& h : held) {
            out.push_back(api::held_document(h));
        }
        std::printf("%s\n", api::dump(out).c_str());
    } else {
        for (const auto& h : held) {
            print(h);
        }
        std::printf(
            "%s\n", waits ? "If they are right: m365stage guard approve CONTAINER"
                          : (held.empty() ? "nothing is held" : "nothing waits for approval")
        );
    }
    return static_cast<int>(waits ? core::exit_code::guard : core::exit_code::done);
}

int print_approved(const global_options& global, const nlohmann::json& held) {
    if (global.json) {
        std::printf("%s\n", api::dump(held).c_str());
    } else {
        std::printf(
            "%s: %s deletions approved; the next pass removes the files from the tree\n",
            held.value("container", "").c_str(), progress::number(held.value("held", std::int64_t{0})).c_str()
        );
    }
    return static_cast<int>(core::exit_code::done);
}

int approve_one(const global_options& global, const std::string& key) {
    auto settings = config::load(global.config_file, config::file_checks::off);
    if (settings && service_answers(settings->api.socket)) {
        // The service begins that pass at once.
        constexpr std::chrono::seconds longest(60);
        const auto held = ask_service(
            settings->api.socket, "POST", "/api/v1/guard/approve", nlohmann::json{{"container", key}}, longest
        );
        return held ? print_approved(global, *held) : fail(held.error());
    }
    auto opened = open_index::open(global, index::database::mode::read_write);
    if (!opened) {
        return fail(opened.error());
    }
    auto approved = index::approve_guard(*opened->db, key);
    if (!approved) {
        return fail(approved.error());
    }
    return print_approved(global, api::held_document(*approved));
}

/// The containers with held deletions that the pattern selects. What can't be found out, or fits nothing, is
/// taken for the name of one: the error says why it is none.
std::vector<std::string> held_keys(const global_options& global, const std::string& written) {
    const core::path_pattern wanted(written);
    std::vector<std::string> out;
    if (auto opened = open_index::open(global, index::database::mode::read_only)) {
        for (const auto& h : index::held_containers(*opened->db, 0, tree::local_name)) {
            if (wanted.selects(h.key)) {
                out.push_back(h.key);
            }
        }
    }
    if (out.empty()) {
        out.push_back(wanted.text());
    }
    return out;
}

int run_approve(const global_options& global, const std::string& written) {
    int code = static_cast<int>(core::exit_code::done);
    for (const auto& key : held_keys(global, written)) {
        const int one = approve_one(global, key);
        code = code == 0 ? one : code;
    }
    return code;
}

}  // namespace

void add_guard(CLI::App& app, const global_options& global, runner& run) {
    auto* command = app.add_subcommand("guard", "see and release held deletions");
    command->require_subcommand(1);
    command->footer(guard_help);
    auto* list = command->add_subcommand("list", "containers whose deletions are held");
    list->footer(guard_help);
    list->callback([&global, &run] { run = [&global] { return guarded([&] { return list_held(global); }); }; }
    );
    auto* approve =
        command->add_subcommand("approve", "let the next pass do the held deletions of a container");
    approve->footer(approve_help);
    auto key = std::make_shared<std::string>();
    approve->add_option("CONTAINER", *key, "name as 'guard list' prints it, or what lies above, or a pattern")
        ->required();
    approve->callback([&global, &run, key] {
        run = [&global, key] { return guarded([&] { return run_approve(global, *key); }); };
    });
}

}  // namespace m365stage::daemon
