#include "sync/finish.hpp"

#include "core/log.hpp"
#include "index/containers.hpp"
#include "index/leases.hpp"
#include "sync/plan/content.hpp"
#include "sync/plan/journal.hpp"
#include "sync/run/place_files.hpp"

namespace m365stage::sync {
namespace {

using none = core::result<void>;

none finish_journal(index::database& db, const tree::stage_root& root) {
    const auto ops = read_journal(db);
    if (ops.empty()) {
        return none();
    }
    core::log(core::log_level::info, "finishing " + std::to_string(ops.size()) + " steps that were cut off");
    if (auto known = root.barrier(); !known) {  // a power cut must not take the journal and leave renames
        return known;
    }
    auto outcomes = tree::resume(root, ops);
    if (!outcomes) {
        return outcomes.error();
    }
    if (auto synced = root.barrier(); !synced) {
        return synced;
    }
    report_missing(ops, *outcomes);
    finish_batch(db, ops, *outcomes);
    return none();
}

/// The generation that the cut off pass had begun, or a new one.
std::int64_t open_generation(index::database& db) {
    if (auto open = db.number("SELECT max(id) FROM generation WHERE finished_at IS NULL")) {
        return *open;
    }
    db.run("INSERT INTO generation (started_at) VALUES (?)", core::now_seconds());
    return db.last_id();
}

none place_waiting(
    index::database& db, const tree::stage_root& root, const index::container& c, guard_limits guard,
    std::int64_t generation
) {
    for (index::item_id after{};;) {
        content_batch batch;
        plan_content(db, c, guard, generation, after, content_batch::most_files, batch);
        after = batch.last;
        if (!batch.empty()) {
            auto done = place_files(root, batch);
            if (!done) {
                return done.error();
            }
            finish_content(db, batch, done->folders, done->files, generation);
        }
        if (batch.exhausted) {
            return none();
        }
    }
}

}  // namespace

core::result<bool> finish_cut_off(index::database& db, const tree::stage_root& root, core::unix_seconds now) {
    if (index::tree_is_held(db, now)) {
        return false;
    }
    for (const char* folder : {"spool/trash", "spool/parked"}) {
        if (auto made = root.make_folder(folder); !made) {
            return made.error();
        }
    }
    if (auto finished = finish_journal(db, root); !finished) {
        return finished.error();
    }
    if (auto adopted = adopt_placed(db, root); !adopted) {
        return adopted.error();
    }
    return true;
}

core::result<void> finish_interrupted(index::database& db, const tree::stage_root& root, guard_limits guard) {
    const auto finished = finish_cut_off(db, root, core::now_seconds());
    if (!finished) {
        return finished.error();
    }
    if (!*finished) {
        return none();
    }
    std::vector<index::container_id> waiting;
    db.query("SELECT DISTINCT container_id FROM pending WHERE state=1 AND next_try=0", [&](index::row r) {
        waiting.push_back(static_cast<index::container_id>(r.integer(0)));
    });
    if (waiting.empty()) {
        return none();
    }
    const auto generation = open_generation(db);
    for (const auto id : waiting) {
        const auto c = index::find_container(db, id);
        if (!c) {
            continue;
        }
        if (auto placed = place_waiting(db, root, *c, guard, generation); !placed) {
            return placed;
        }
    }
    index::close_generations(db, core::now_seconds());
    return none();
}

}  // namespace m365stage::sync
