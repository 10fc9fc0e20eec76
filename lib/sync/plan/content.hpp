#pragma once

#include <string>
#include <vector>

#include "index/database.hpp"
#include "index/rows.hpp"
#include "sync/plan/settle.hpp"
#include "tree/ops.hpp"
#include "tree/sidecar.hpp"

namespace m365stage::sync {

/// One file or sidecar that goes into the tree.
struct placement {
    placement() = default;
    index::item_id id{};
    index::container_id container{};
    std::int64_t version = 0;
    index::item_type type = index::item_type::unknown;
    index::work_cause cause = index::work_cause::place;
    std::optional<settler::target> place;  ///< set when it was not in the tree before
    std::string path;                      ///< below tree/
    bool content = false;
    std::string spool;                         ///< file name in spool/
    std::uint64_t inode = 0;                   ///< of the spooled file
    std::optional<index::unix_seconds> mtime;  ///< to be set on the file in the tree; nullopt: leave it
    tree::sidecar sidecar;
    bool incomplete = false;  ///< permissions or columns are missing in `sidecar`; to be read later
    std::string hash;
    std::int64_t ctag = 0;
    std::int64_t announced = 0;  ///< bytes
    index::unix_seconds item_mtime = 0;
};

/// Files, sidecars and new folders that can go into the tree together, under one barrier.
struct content_batch {
    content_batch() = default;
    std::vector<tree::op> folders;  ///< in the journal already
    std::vector<placement> files;
    index::item_id last{};  ///< last row looked at
    bool exhausted = true;  ///< no rows are left behind `last`
    std::size_t text = 0;   ///< bytes of metadata held
    static constexpr std::size_t most_text = 4u << 20;
    static constexpr std::size_t most_files = 4000;  ///< two barriers serve that many
    bool is_full() const { return text >= most_text; }
    bool empty() const { return folders.empty() && files.empty(); }
};

/// Looks at up to `limit` items of one container, behind row `after`, that wait to be applied, fewer if the
/// batch gets full, and takes those whose place is free. New folders are decided and journaled; files are not
/// marked as staged before `finish_content`. Requires: no other batch is on its way.
void plan_content(
    index::database& db, const index::container& c, guard_limits guard, std::int64_t generation,
    index::item_id after, std::size_t limit, content_batch& batch
);

/// How one placement went on disk.
struct placed {
    placed() = default;
    bool missing = false;  ///< the spooled file is gone: to be fetched again
    bool sidecar = false;  ///< it was written anew; false: the text in the tree is the same
    std::uint64_t inode = 0;
};

/// After a crash: files of a batch that had reached the tree are taken as what they are, also when a page has
/// changed or removed their rows meanwhile. Requires: the journal has been replayed. Errors: disk.
core::result<void> adopt_placed(index::database& db, const tree::stage_root& root);

/// Marks the batch as staged, after the barrier, in one transaction.
void finish_content(
    index::database& db, const content_batch& batch, const std::vector<tree::op_outcome>& folders,
    const std::vector<placed>& files, std::int64_t generation
);

}  // namespace m365stage::sync
