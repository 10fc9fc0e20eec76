#include "index/containers.hpp"

#include <algorithm>
#include <unordered_set>

#include "core/hash.hpp"
#include "index/work.hpp"

namespace m365stage::index {
namespace {

// Statements are kept by their text, which has to stay where it is, so the column list is pasted into
// literals.
// What waits for a person: not what was approved, and nothing of who departed, whose files stay as they are.
#define HELD                                                                                             \
    "iif(guard_held>0 AND state<>'departed' AND EXISTS (SELECT 1 FROM item INDEXED BY item_dirty WHERE " \
    "container_id=container.id AND dirty<>0 AND gone_round>coalesce(guard_approved, 0)), guard_held, 0)"
#define CONTAINER_COLUMNS                                                                                 \
    "SELECT id, key, at_key, kind, owner_kind, owner_id, owner_name, remote_id, name, root_item, state, " \
    "cursor_state, round, complete_round, settle, completed_at, departed_at, live_items, live_bytes, "    \
    "guard_held, guard_round, guard_approved, error_kind, error_text, " HELD " FROM container "
#define A_BATCH "ORDER BY key LIMIT 200"
#define NOTEWORTHY "(state<>'active' OR coalesce(error_kind, '')<>'' OR guard_held>0)"
constexpr std::string_view select_batch = CONTAINER_COLUMNS "WHERE key>? " A_BATCH;
constexpr std::string_view select_noteworthy = CONTAINER_COLUMNS "WHERE key>? AND " NOTEWORTHY A_BATCH;
constexpr std::string_view select_totals =
    "SELECT state, count(*), sum(" NOTEWORTHY
    "), sum(coalesce(error_kind, '')<>'' AND state<>'departed'), sum(" HELD ") FROM container GROUP BY state";
#undef NOTEWORTHY
#undef A_BATCH
constexpr std::string_view select_by_id = CONTAINER_COLUMNS "WHERE id=?";
constexpr std::string_view select_by_key = CONTAINER_COLUMNS "WHERE key=?";
#undef CONTAINER_COLUMNS
#undef HELD

#define STREAM_COLUMNS                                                                                   \
    "SELECT id, container_id, remote_id, cursor, cursor_state, shape, spare_cursor, round, round_full, " \
    "listing "                                                                                           \
    "FROM stream "
constexpr std::string_view select_streams = STREAM_COLUMNS "WHERE container_id=? ORDER BY remote_id<>'', id";
constexpr std::string_view select_stream = STREAM_COLUMNS "WHERE id=?";
#undef STREAM_COLUMNS

stream read_stream(row r) {
    stream s;
    s.id = static_cast<stream_id>(r.integer(0));
    s.container = static_cast<container_id>(r.integer(1));
    s.remote_id = r.text(2);
    s.cursor = r.text(3);
    s.cursor_state = static_cast<index::cursor_state>(r.integer(4));
    s.shape = r.text(5);
    s.spare_cursor = r.text(6);
    s.round = r.integer(7);
    s.round_full = r.integer(8) != 0;
    const auto mode = static_cast<stream_mode>(r.integer(9));
    s.listing = mode == stream_mode::listing;
    s.ids_only = mode == stream_mode::ids;
    return s;
}

container read(row r) {
    container c;
    c.id = static_cast<container_id>(r.integer(0));
    c.key = r.text(1);
    c.at_key = r.text(2);
    c.kind = r.text(3);
    c.owner_kind = r.text(4);
    c.owner_id = r.text(5);
    c.owner_name = r.text(6);
    c.remote_id = r.text(7);
    c.name = r.text(8);
    if (auto root = r.maybe_integer(9)) {
        c.root = static_cast<item_id>(*root);
    }
    c.state = r.text(10);
    c.cursor_state = static_cast<index::cursor_state>(r.integer(11));
    c.round = r.integer(12);
    c.complete_round = r.integer(13);
    c.settle = r.integer(14) != 0;
    c.completed_at = r.maybe_integer(15);
    c.departed_at = r.maybe_integer(16);
    c.live_items = r.integer(17);
    c.live_bytes = r.integer(18);
    c.guard_held = r.integer(19);
    c.guard_round = r.maybe_integer(20);
    c.guard_approved = r.maybe_integer(21);
    c.error_kind = r.text(22);
    c.error_text = r.text(23);
    c.held = r.integer(24);
    return c;
}

std::string tagged_key(const std::string& wanted, std::string_view remote_id) {
    return wanted + "~" + core::short_tag(remote_id);
}

bool is_taken(database& db, std::string_view key) {
    return db.number("SELECT 1 FROM container WHERE key=?", key).has_value();
}

/// A container that is not where it would like to be.
struct moving {
    moving() = default;
    std::int64_t id = 0;
    std::string key, wanted, remote_id;
};

std::vector<moving> moving_containers(database& db) {
    std::vector<moving> out;
    db.query(
        "SELECT id, key, wanted, remote_id FROM container INDEXED BY container_moving WHERE wanted<>key "
        "ORDER BY remote_id",
        [&](row r) {
            moving m;
            m.id = r.integer(0);
            m.key = r.text(1);
            m.wanted = r.text(2);
            m.remote_id = r.text(3);
            out.push_back(std::move(m));
        }
    );
    return out;
}

}  // namespace

std::string_view to_string(item_type t) {
    switch (t) {
        case item_type::file:
            return "file";
        case item_type::folder:
            return "folder";
        case item_type::package:
            return "package";
        case item_type::shortcut:
            return "shortcut";
        case item_type::unknown:
            break;
    }
    return "unknown";
}

std::string_view to_string(change_kind k) {
    switch (k) {
        case change_kind::created:
            return "created";
        case change_kind::content:
            return "content";
        case change_kind::metadata:
            return "metadata";
        case change_kind::renamed:
            return "renamed";
        case change_kind::moved:
            return "moved";
        case change_kind::deleted:
            return "deleted";
    }
    return "unknown";
}

void each_container(
    database& db, which_containers which, std::string_view after,
    const std::function<bool(const container&)>& each
) {
    const auto select = which == which_containers::all ? select_batch : select_noteworthy;
    std::string last(after);
    for (std::vector<container> batch;; batch.clear()) {
        db.query(select, [&](row r) { batch.push_back(read(r)); }, last);
        if (batch.empty() || !std::all_of(batch.begin(), batch.end(), each)) {
            return;
        }
        last = batch.back().key;
    }
}

container_totals count_containers(database& db) {
    container_totals n;
    n.by_state = {{"active", 0}, {"departed", 0}, {"unavailable", 0}};
    db.query(select_totals, [&](row r) {
        n.by_state[r.text(0)] = r.integer(1);
        n.all += r.integer(1);
        n.noteworthy += r.integer(2);
        n.failing += r.integer(3);
        n.held += r.integer(4);
    });
    return n;
}

std::map<std::string, std::optional<container_id>> names_above_containers(
    database& db, const std::string& folder
) {
    // Greater than every path below: no text has such a byte.
    constexpr std::string_view past_all = "/\xff";
    const auto prefix = folder.empty() ? std::string() : folder + "/";
    std::map<std::string, std::optional<container_id>> out;
    std::string last = prefix;
    for (bool more = true; more;) {
        more = false;
        // One step for each name: a folder of users has as many paths below it as there are containers.
        db.query(
            "SELECT id, at_key FROM container WHERE at_key>? AND root_item IS NOT NULL ORDER BY at_key LIMIT "
            "1",
            [&](row r) {
                const auto path = r.text(1);
                if (!path.starts_with(prefix)) {
                    return;
                }
                more = true;
                const auto end = path.find('/', prefix.size());
                auto& found = out[path.substr(prefix.size(), end - prefix.size())];
                if (end == std::string::npos) {
                    found = static_cast<container_id>(r.integer(0));
                    last = path;
                } else {
                    last = path.substr(0, end).append(past_all);
                }
            },
            last
        );
    }
    return out;
}

std::optional<container> find_container(database& db, container_id id) {
    std::optional<container> out;
    db.query(select_by_id, [&](row r) { out = read(r); }, id);
    return out;
}

std::optional<container> find_container(database& db, std::string_view key) {
    std::optional<container> out;
    db.query(select_by_key, [&](row r) { out = read(r); }, key);
    return out;
}

container_id upsert_container(database& db, const found_container& f) {
    const auto id = db.number("SELECT id FROM container WHERE kind=? AND remote_id=?", f.kind, f.remote_id);
    if (id) {
        db.run(
            "UPDATE container SET wanted=?1, owner_kind=?2, owner_id=?3, owner_name=?4, name=?5, "
            "state='active', "
            "departed_at=NULL, missed=0 WHERE id=?6 AND (coalesce(wanted, key)<>?1 OR owner_kind<>?2 OR "
            "owner_id<>?3 OR "
            "owner_name<>?4 "
            "OR name<>?5 OR state<>'active' OR missed<>0)",
            f.key, f.owner_kind, f.owner_id, f.owner_name, f.name, *id
        );
        return static_cast<container_id>(*id);
    }
    db.run(
        "INSERT INTO container (key, wanted, kind, owner_kind, owner_id, owner_name, remote_id, name) VALUES "
        "(?,?,?,?,?,?,?,?)",
        is_taken(db, f.key) ? tagged_key(f.key, f.remote_id) : f.key, f.key, f.kind, f.owner_kind, f.owner_id,
        f.owner_name, f.remote_id, f.name
    );
    const auto fresh = static_cast<container_id>(db.last_id());
    db.run("INSERT INTO stream (container_id, remote_id) VALUES (?, '')", fresh);
    return fresh;
}

void assign_keys(database& db) {
    database::transaction t(db);
    auto all = moving_containers(db);
    // Most of them are those that give way to one that stays, in every pass.
    std::unordered_set<std::string> given_up;
    for (const auto& m : all) {
        given_up.insert(m.key);
    }
    std::erase_if(all, [&](const moving& m) {
        return m.key == tagged_key(m.wanted, m.remote_id) && !given_up.contains(m.wanted) &&
               is_taken(db, m.wanted);
    });
    for (const auto& m : all) {
        db.run("UPDATE container SET key='~' || id WHERE id=?", m.id);
    }
    for (const auto& m : all) {
        db.run(
            "UPDATE container SET key=? WHERE id=?",
            is_taken(db, m.wanted) ? tagged_key(m.wanted, m.remote_id) : m.wanted, m.id
        );
        // Its folder moves when the container settles.
        const auto moved = db.run(
            "UPDATE item SET dirty=1 WHERE dirty=0 AND id=(SELECT root_item FROM container WHERE id=? AND "
            "at_key<>key)",
            m.id
        );
        db.run("UPDATE container SET settle=settle+? WHERE id=?", moved, m.id);
    }
    t.commit();
}

std::optional<container> container_lying_at(database& db, std::string_view path, container_id but) {
    const auto id = db.number("SELECT id FROM container WHERE at_key=? AND id<>?", path, but);
    return id ? find_container(db, static_cast<container_id>(*id)) : std::nullopt;
}

void mark_departed(database& db, container_id id, unix_seconds now) {
    const auto departed = db.run(
        "UPDATE container SET state='departed', departed_at=? WHERE id=? AND state<>'departed'", now, id
    );
    if (departed > 0) {
        fetch_again(db, id);  // nothing more of it is placed, and it stays for long
    }
}

void set_unavailable(
    database& db, container_id id, std::string_view kind, std::string_view text, unix_seconds now
) {
    db.run("UPDATE container SET state='unavailable' WHERE id=? AND state='active'", id);
    set_container_error(db, id, kind, text, now);
}

void set_container_error(
    database& db, container_id id, std::string_view kind, std::string_view text, unix_seconds now
) {
    db.run("UPDATE container SET error_kind=?, error_text=?, error_at=? WHERE id=?", kind, text, now, id);
}

std::vector<stream> streams(database& db, container_id id) {
    std::vector<stream> out;
    db.query(select_streams, [&](row r) { out.push_back(read_stream(r)); }, id);
    return out;
}

std::optional<stream> find_stream(database& db, stream_id id) {
    std::optional<stream> out;
    db.query(select_stream, [&](row r) { out = read_stream(r); }, id);
    return out;
}

stream_id main_stream(database& db, container_id id) {
    return static_cast<stream_id>(
        db.number("SELECT id FROM stream WHERE container_id=? AND remote_id=''", id).value_or(0)
    );
}

void match_streams(database& db, container_id id) {
    db.run(
        "DELETE FROM stream WHERE container_id=?1 AND remote_id<>'' AND remote_id NOT IN (SELECT remote_id "
        "FROM "
        "item WHERE container_id=?1 AND type=2 AND made=0 AND gone_round=0 AND parent IS NOT NULL)",
        id
    );
    db.run(
        "INSERT OR IGNORE INTO stream (container_id, remote_id) SELECT container_id, remote_id FROM item "
        "WHERE "
        "container_id=? AND type=2 AND made=0 AND gone_round=0 AND parent IS NOT NULL ORDER BY id",
        id
    );
}

void begin_round(database& db, stream_id id) {
    const auto mid = db.number("SELECT cursor_state=1 FROM stream WHERE id=?", id);
    if (!mid || *mid != 0) {
        return;
    }
    db.run(
        "UPDATE container SET round=round+1, cursor_state=1 WHERE id=(SELECT container_id FROM stream WHERE "
        "id=?)",
        id
    );
    db.run(
        "UPDATE stream SET round=(SELECT round FROM container WHERE id=container_id), round_full=(cursor IS "
        "NULL), "
        "older_cursor=spare_cursor, spare_cursor=cursor, cursor_state=1 WHERE id=?",
        id
    );
}

void complete_container(database& db, container_id id, unix_seconds now) {
    db.run(
        "UPDATE container SET cursor_state=2, complete_round=round, completed_at=?, error_kind=NULL, "
        "error_text=NULL, error_at=NULL, state=iif(state='unavailable', 'active', state) WHERE id=?",
        now, id
    );
}

void drop_cursor(database& db, stream_id id) {
    db.run(
        "UPDATE stream SET cursor=NULL, spare_cursor=NULL, older_cursor=NULL, cursor_state=0 WHERE id=?", id
    );
}

void drop_cursors(database& db, container_id id) {
    db.run(
        "UPDATE stream SET cursor=NULL, spare_cursor=NULL, older_cursor=NULL, cursor_state=0 WHERE "
        "container_id=?",
        id
    );
}

void set_mode(database& db, stream_id id, stream_mode mode) {
    drop_cursor(db, id);
    db.run("DELETE FROM walk WHERE stream_id=?", id);
    db.run("UPDATE stream SET listing=? WHERE id=?", mode, id);
}

bool restore_cursor(database& db, stream_id id) {
    return db.run(
               "UPDATE stream SET cursor=iif(cursor=spare_cursor, older_cursor, spare_cursor), "
               "spare_cursor=NULL, "
               "older_cursor=NULL, cursor_state=2 "
               "WHERE id=? AND iif(cursor=spare_cursor, older_cursor, spare_cursor) IS NOT NULL",
               id
           ) > 0;
}

bool has_open_removals(database& db, container_id id) {
    return db
        .number(
            "SELECT 1 FROM item AS i JOIN container AS c ON c.id=i.container_id WHERE i.container_id=? AND "
            "i.dirty<>0 AND i.gone_round>c.complete_round AND i.made=0 LIMIT 1",
            id
        )
        .has_value();
}

void set_setting(database& db, std::string_view key, std::string_view value) {
    db.run(
        "INSERT INTO setting (key, value) VALUES (?,?) ON CONFLICT (key) DO UPDATE SET value=excluded.value",
        key, value
    );
}

std::optional<std::string> setting(database& db, std::string_view key) {
    return db.text("SELECT value FROM setting WHERE key=?", key);
}

}  // namespace m365stage::index
