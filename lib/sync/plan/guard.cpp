#include "sync/plan/guard.hpp"

namespace m365stage::sync {

guard_verdict judge_deletions(index::database& db, const index::container& c, const guard_limits& limits) {
    const auto approved = c.guard_approved.value_or(0);
    const auto deletions =
        db.number(
              "WITH RECURSIVE d (id) AS (SELECT id FROM item WHERE container_id=?1 AND dirty<>0 AND "
              "gone_round>?2 UNION SELECT i.id FROM item AS i JOIN d ON i.parent=d.id) "
              "SELECT count(*) FROM d JOIN item USING (id) WHERE type<>0 AND made=0",
              c.id, approved
        )
            .value_or(0);
    const auto explicit_ones =
        db.number(
              "SELECT count(*) FROM item WHERE container_id=?1 AND dirty<>0 AND gone_round>?2 AND made=0",
              c.id, approved
        )
            .value_or(0);
    const auto before = c.live_items + explicit_ones;
    const bool too_many =
        deletions > 0 && deletions >= limits.min_deleted_items &&
        static_cast<double>(deletions) > limits.max_deleted_share * static_cast<double>(before);
    guard_verdict out;
    out.held = too_many ? deletions : 0;
    out.removable_after = too_many ? approved : c.round;
    db.run(
        "UPDATE container SET guard_held=?, guard_round=CASE WHEN ?1=0 THEN NULL ELSE coalesce(guard_round, "
        "round) END "
        "WHERE id=? AND (guard_held<>?1 OR (?1=0 AND guard_round IS NOT NULL))",
        out.held, c.id
    );
    return out;
}

}  // namespace m365stage::sync
