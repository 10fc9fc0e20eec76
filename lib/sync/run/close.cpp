#include "sync/run/close.hpp"

#include "index/containers.hpp"
#include "index/items.hpp"
#include "index/leases.hpp"
#include "sync/cursors_file.hpp"

namespace m365stage::sync {
namespace {

// There while cursors.json is older than the tree.
constexpr std::string_view cursors_due = "cursors_due";

/// Numbers what the pass made, and counts it. `left`: a pass before it did not come to its end.
void number_generation(
    index::database& db, std::int64_t first, bool left, core::unix_seconds now, pass_summary& s
) {
    index::database::transaction t(db);
    const bool any = index::close_generations(db, now);
    db.query(
        "SELECT sum(what=1), sum(what=2), sum(what=3), sum(what=4), sum(what=5), sum(what=6) FROM change "
        "WHERE generation>=?1 AND ?1<>0",
        [&](index::row r) {
            s.created = r.integer(0);
            s.content = r.integer(1);
            s.metadata = r.integer(2);
            s.renamed = r.integer(3);
            s.moved = r.integer(4);
            s.deleted = r.integer(5);
        },
        first
    );
    s.new_generation =
        any || left || s.created + s.content + s.metadata + s.renamed + s.moved + s.deleted > 0;
    if (s.new_generation) {
        index::set_setting(db, cursors_due, "1");
    }
    s.generation = index::last_generation(db);
    t.commit();
}

void count_all(index::database& db, bool held, pass_summary& s) {
    const auto containers = index::count_containers(db);
    s.owed = index::count_owed(db);
    s.held = containers.held;
    s.no_room = index::count_without_room(db);
    s.kept_back =
        held &&
        db.number(
            "SELECT EXISTS (SELECT 1 FROM container WHERE settle<>0 AND state<>'departed') OR "
            "EXISTS (SELECT 1 FROM pending AS p CROSS JOIN container AS c ON c.id=p.container_id WHERE "
            "(p.state=1 OR p.reason IS NULL) AND c.state<>'departed')"
        ) != 0;
    s.containers = containers.by_state.at("active");
    s.items = db.number("SELECT sum(live_items) FROM container").value_or(0);
}

}  // namespace

task<void> close_pass(pass_context& pass, pass_summary& summary) {
    const auto inside = co_await pass.gate.enter();
    const auto now = core::now_seconds();
    auto number = [&pass, &summary, first = pass.first_generation, left = pass.left_generation,
                   held = pass.held, now,
                   lease_now = pass.gate.clock.now()](index::database& db) -> core::result<void> {
        number_generation(db, first, left, now, summary);
        if (!held && !index::tree_is_held(db, lease_now)) {
            index::note_unplaced(db);
        }
        count_all(db, held, summary);
        if (index::tree_is_held(db, lease_now) || !index::setting(db, cursors_due)) {
            return core::result<void>();  // nothing new, or an older cursors.json merely replays
        }
        if (!cursors_are_old(pass.root, now)) {
            return core::result<void>(
            );  // a large one rests; it stays due, so that it is written behind its rest
        }
        auto written = write_cursors(db, pass.root);
        if (written) {
            db.run("DELETE FROM setting WHERE key=?", cursors_due);
        }
        return written;
    };
    const auto done = co_await pass.store.call(std::move(number));
    if (!done) {
        throw core::fatal(done.error());
    }
}

}  // namespace m365stage::sync
