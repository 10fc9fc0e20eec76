#pragma once

#include <vector>

#include "index/database.hpp"
#include "tree/ops.hpp"

/// The table `journal`: steps that are decided and may not have been performed yet. Threads: the index'
/// worker.
namespace m365stage::sync {

/// Removes the journal's rows and notes the inodes of new folders, after the barrier. `outcomes` belong to
/// `ops`.
void finish_batch(
    index::database& db, const std::vector<tree::op>& ops, const std::vector<tree::op_outcome>& outcomes
);

/// Logs what was to be renamed and is not there: somebody else changed the tree.
void report_missing(const std::vector<tree::op>& ops, const std::vector<tree::op_outcome>& outcomes);

/// Writes ops into the journal; inside the caller's transaction.
void write_journal(index::database& db, const std::vector<tree::op>& ops);

/// What a crash left in the journal, in order.
std::vector<tree::op> read_journal(index::database& db);

}  // namespace m365stage::sync
