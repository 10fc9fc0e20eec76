#include "sync/plan/journal.hpp"

#include "core/log.hpp"

namespace m365stage::sync {

void write_journal(index::database& db, const std::vector<tree::op>& ops) {
    for (const auto& o : ops) {
        db.run(
            "INSERT INTO journal (op, source, target, inode, item_id) VALUES (?,?,?,?,?)", o.kind, o.source,
            o.target, o.inode, o.item_id
        );
    }
}

std::vector<tree::op> read_journal(index::database& db) {
    std::vector<tree::op> out;
    db.query("SELECT op, source, target, inode, item_id FROM journal ORDER BY seq", [&](index::row r) {
        out.emplace_back(
            static_cast<tree::op_kind>(r.integer(0)), r.text(1), r.text(2),
            static_cast<std::uint64_t>(r.integer(3)), r.integer(4)
        );
    });
    return out;
}

void finish_batch(
    index::database& db, const std::vector<tree::op>& ops, const std::vector<tree::op_outcome>& outcomes
) {
    index::database::transaction t(db);
    for (std::size_t i = 0; i < ops.size() && i < outcomes.size(); ++i) {
        if (ops[i].item_id != 0 && outcomes[i].inode != 0) {
            db.run("UPDATE item SET inode=? WHERE id=?", outcomes[i].inode, ops[i].item_id);
        }
    }
    db.run("DELETE FROM journal");
    t.commit();
}

void report_missing(const std::vector<tree::op>& ops, const std::vector<tree::op_outcome>& outcomes) {
    for (std::size_t i = 0; i < ops.size() && i < outcomes.size(); ++i) {
        if (outcomes[i].missing) {
            core::log(
                core::log_level::error,
                ops[i].source + " is missing in the tree: somebody else changed it; run 'm365stage verify'"
            );
        }
    }
}

}  // namespace m365stage::sync
