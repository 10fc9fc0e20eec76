#include "sync/lease.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "index/containers.hpp"
#include "sync/state_file.hpp"
#include "tree/names.hpp"

namespace m365stage::sync {
namespace {

using nlohmann::json;

// The manifest names so many items of each reason; the counts are complete.
constexpr int named_items = 200;

// The generation that the copy of the index in tree/.m365stage/ tells of.
constexpr std::string_view copied_generation = "copied_generation";

core::error refused(core::error_kind kind, std::string why, std::string hint) {
    core::error e(kind, std::move(why));
    e.operation = "lease";
    e.hint = std::move(hint);
    return e;
}

core::result<void> place_index_copy(const tree::stage_root& root, const std::string& index_file) {
    const std::string name = "index.db";
    if (auto removed = root.remove_file("spool/" + name); !removed) {
        return removed;
    }
    index::copy_index(index_file, root.path() + "/spool/" + name);
    return place_state_file(root, name);
}

}  // namespace

tree_facts facts_of_tree(index::database& db) {
    tree_facts f;
    f.generation = index::last_generation(db);
    const auto count = index::count_staged(db, index::count_backlog(db));
    f.items = count.known;
    f.staged = count.staged;
    f.bytes = count.bytes;
    f.coverage_percent = count.percent();
    f.fresh_at = index::tree_fresh_since(db).value_or(0);
    f.owed_reasons = index::failing_items(db, named_items, tree::local_name);
    for (const auto& g : f.owed_reasons) {
        f.owed += g.items;
    }
    f.no_room = index::count_without_room(db);
    const auto containers = index::count_containers(db);
    f.held = containers.held;
    f.containers = containers.all;
    index::each_container(db, index::which_containers::noteworthy, "", [&](const index::container& c) {
        if (c.state != "departed" && !c.error_kind.empty()) {
            f.stale_containers.push_back({c.key, c.state, c.error_kind, c.completed_at.value_or(0)});
        }
        return true;
    });
    f.uncovered = index::not_covered(db);
    f.index_copied = index::setting(db, copied_generation) == std::to_string(f.generation);
    return f;
}

std::optional<core::error> refusal(index::database& db, const tree_facts& facts, bool fail_on_owed) {
    using core::error_kind;
    if (!index::tree_is_whole(db)) {
        return refused(
            error_kind::busy, "a change of the tree was cut off and is not finished",
            "the next pass finishes it: see 'm365stage status'"
        );
    }
    if (fail_on_owed && facts.owed > 0) {
        return refused(
            error_kind::owed, std::to_string(facts.owed) + " items are owed, and --on-owed is fail",
            "see 'm365stage status'"
        );
    }
    const auto stale =
        std::count_if(facts.stale_containers.begin(), facts.stale_containers.end(), [](const auto& s) {
            return s.reason != core::to_string(error_kind::locked);
        });
    if (fail_on_owed && stale > 0) {
        return refused(
            error_kind::owed, std::to_string(stale) + " containers are not up to date, and --on-owed is fail",
            "see 'm365stage status'"
        );
    }
    return std::nullopt;
}

std::string manifest_text(const tree_facts& facts) {
    json owed = json::array();
    for (const auto& g : facts.owed_reasons) {
        json named = json::array();
        for (const auto& e : g.examples) {
            named.push_back(e.path);
        }
        owed.push_back({{"reason", g.reason}, {"items", g.items}, {"paths", std::move(named)}});
    }
    json stale = json::array();
    for (const auto& s : facts.stale_containers) {
        stale.push_back({{"container", s.container}, {"state", s.state}, {"reason", s.reason}});
    }
    json uncovered = json::array();
    for (const auto& u : facts.uncovered) {
        uncovered.push_back({{"owner", u.owner}, {"reason", u.reason}});
    }
    const json out{
        {"m365stage", 1},
        {"generation", facts.generation},
        {"containers", facts.containers},
        {"items", facts.items},
        {"staged", facts.staged},
        {"bytes", facts.bytes},
        {"coverage_percent", facts.coverage_percent},
        {"owed", std::move(owed)},
        {"not_up_to_date", std::move(stale)},
        {"not_covered", std::move(uncovered)}
    };
    return out.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

core::result<void> publish_state(
    const tree::stage_root& root, const std::string& index_file, const tree_facts& facts, bool index_copy
) {
    if (index_copy && !facts.index_copied) {
        if (auto copied = place_index_copy(root, index_file); !copied) {
            return copied;
        }
    }
    return write_state_file(root, "manifest.json", manifest_text(facts));
}

void note_published(index::database& db, const tree_facts& facts, bool index_copy) {
    if (index_copy) {
        index::set_setting(db, copied_generation, std::to_string(facts.generation));
    }
}

}  // namespace m365stage::sync
