#include "sync/run/close.hpp"

#include <nlohmann/json.hpp>

#include "index/containers.hpp"
#include "tree/names.hpp"

namespace m365stage::sync {
namespace {

using nlohmann::json;

/// Counts the generation's changes; a generation without any is taken back. False if there was none.
bool number_generation(
    index::database& db, std::int64_t generation, core::unix_seconds now, pass_summary& s
) {
    index::database::transaction t(db);
    db.query(
        "SELECT sum(what=1), sum(what=2), sum(what=3), sum(what=4), sum(what=5), sum(what=6) FROM change "
        "WHERE generation=?",
        [&](index::row r) {
            s.created = r.integer(0);
            s.content = r.integer(1);
            s.metadata = r.integer(2);
            s.renamed = r.integer(3);
            s.moved = r.integer(4);
            s.deleted = r.integer(5);
        },
        generation
    );
    const bool any = s.created + s.content + s.metadata + s.renamed + s.moved + s.deleted > 0;
    if (any) {
        db.run(
            "UPDATE generation SET finished_at=?, created=?, content=?, metadata=?, renamed=?, moved=?, "
            "deleted=? WHERE id=?",
            now, s.created, s.content, s.metadata, s.renamed, s.moved, s.deleted, generation
        );
    } else if (generation != 0) {
        db.run("DELETE FROM generation WHERE id=?", generation);
    }
    s.generation = db.number("SELECT max(id) FROM generation WHERE finished_at IS NOT NULL").value_or(0);
    t.commit();
    return any;
}

}  // namespace

bool close_left_generations(index::database& db, core::unix_seconds now) {
    std::vector<std::int64_t> open;
    db.query("SELECT id FROM generation WHERE finished_at IS NULL", [&](index::row r) {
        open.push_back(r.integer(0));
    });
    bool any = false;
    for (const auto id : open) {
        pass_summary ignored;
        any = number_generation(db, id, now, ignored) || any;
    }
    return any;
}

namespace {

void count_all(index::database& db, pass_summary& s) {
    s.owed = db.number(
                   "SELECT count(*) FROM pending AS p JOIN item AS i ON i.id=p.item_id WHERE p.reason IS NOT "
                   "NULL AND i.gone_round=0"
    )
                 .value_or(0);
    s.held = db.number("SELECT sum(guard_held) FROM container").value_or(0);
    s.containers = db.number("SELECT count(*) FROM container WHERE state='active'").value_or(0);
    s.items = db.number("SELECT sum(live_items) FROM container").value_or(0);
}

/// The containers and their cursors, for a rebuild on a bare machine. An older copy merely replays.
std::string cursors_text(index::database& db) {
    json containers = json::array();
    for (const auto& c : index::containers(db)) {
        if (c.at_key.empty()) {
            continue;
        }
        json entry{{"path", c.at_key}, {"kind", c.kind}, {"id", c.remote_id}, {"state", c.state}};
        // A rebuilt index knows nothing of what is owed or held: it has to hear of it again.
        const bool open = db.number(
                              "SELECT EXISTS (SELECT 1 FROM pending WHERE container_id=?1 AND content=1) OR "
                              "EXISTS (SELECT 1 FROM item WHERE container_id=?1 AND dirty<>0)",
                              c.id
                          ) != 0;
        if (c.cursor_state == index::cursor_state::complete && !open) {
            entry["cursor"] = c.cursor;
            entry["shape"] = c.shape;
        }
        containers.push_back(std::move(entry));
    }
    const json out{{"m365stage", 1}, {"containers", std::move(containers)}};
    return out.dump(1) + "\n";
}

core::result<void> write_cursors(const tree::stage_root& root, const std::string& text) {
    const std::string folder = "tree/" + std::string(tree::state_folder);
    if (auto made = root.make_folder(folder); !made) {
        return made;
    }
    if (auto written = root.write_file("spool/cursors.json", text); !written) {
        return written.error();
    }
    if (auto synced = root.barrier(); !synced) {
        return synced;
    }
    return root.rename("spool/cursors.json", folder + "/cursors.json");
}

}  // namespace

task<void> close_pass(pass_context& pass, pass_summary& summary) {
    const auto now = core::now_seconds();
    auto number = [&summary, generation = pass.generation, left = pass.left_generation,
                   now](index::database& db) {
        const bool any = number_generation(db, generation, now, summary) || left;
        count_all(db, summary);
        return any ? cursors_text(db) : std::string();
    };
    const std::string cursors = co_await pass.store.call(std::move(number));
    summary.new_generation = !cursors.empty();
    if (!summary.new_generation) {
        co_return;
    }
    auto ask = [now](index::database& db) {
        return db.number("SELECT 1 FROM lease WHERE until>? LIMIT 1", now).has_value();
    };
    const bool held = co_await pass.store.call(std::move(ask));
    if (held) {
        co_return;  // the tree stands still; an older cursors.json merely replays
    }
    auto write = [&pass, cursors] { return write_cursors(pass.root, cursors); };
    auto written = co_await pass.disk.run(std::move(write));
    if (!written) {
        throw core::fatal(written.error());
    }
}

}  // namespace m365stage::sync
