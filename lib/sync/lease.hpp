#pragma once

#include <optional>
#include <string>
#include <vector>

#include "index/database.hpp"
#include "index/leases.hpp"
#include "tree/stage_root.hpp"

/// Giving a lease (README.md, "With Bareos"): what the tree holds, whether a backup may read it, and the
/// manifest. All of it happens inside the tree's gate.
namespace m365stage::sync {

/// What the tree holds, as the hook and the manifest tell it.
struct tree_facts {
    tree_facts() = default;
    std::int64_t generation = 0, containers = 0, items = 0, staged = 0, bytes = 0;
    std::int64_t owed = 0;     ///< items that failed
    std::int64_t no_room = 0;  ///< of those, since the disk has no room for them
    std::int64_t held = 0;     ///< deletions that wait for a person
    double coverage_percent = 100;
    core::unix_seconds fresh_at = 0;  ///< when the pass began that brought the tree up to date
    std::vector<index::failing_group> owed_reasons;
    /// A container whose last round failed, or that the service does not serve now.
    struct stale {
        std::string container, state, reason;
        core::unix_seconds since = 0;  ///< when it was last up to date; 0: never
    };
    std::vector<stale> stale_containers;
    std::vector<index::uncovered> uncovered;
    bool index_copied = false;  ///< the copy of the index in the tree tells of this generation
};
tree_facts facts_of_tree(index::database& db);

/// Why a backup must not read the tree as it is; nullopt: it may, as far as the tree goes
/// (`api::reasons_against` judges the rest, for this and for /readyz). Kinds: busy (cut off in the middle of
/// a step), and owed if `fail_on_owed`: then nothing may be owed, and no container out of date but those that
/// the service has locked, which it serves to nobody.
std::optional<core::error> refusal(index::database& db, const tree_facts& facts, bool fail_on_owed);

/// The text of tree/.m365stage/manifest.json: nothing in it moves by itself.
std::string manifest_text(const tree_facts& facts);

/// Brings manifest.json and, if wanted, the copy of the index in line with the tree. What is right already is
/// not touched. Blocking; reads the index on a connection of its own. Requires: no lease is held.
/// Errors: disk; throws core::fatal for the index.
core::result<void> publish_state(
    const tree::stage_root& root, const std::string& index_file, const tree_facts& facts, bool index_copy
);

/// What was published is known from now on.
void note_published(index::database& db, const tree_facts& facts, bool index_copy);

}  // namespace m365stage::sync
