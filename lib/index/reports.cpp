#include "index/reports.hpp"

#include "index/containers.hpp"
#include "index/work.hpp"

namespace m365stage::index {
namespace {

held_container describe_held(const container& c) {
    held_container h;
    h.id = c.id;
    h.key = c.key;
    h.held = c.guard_held;
    h.items = c.live_items;
    h.round = c.guard_round.value_or(0);
    h.completed_at = c.completed_at.value_or(0);
    return h;
}

bool has_held(const container& c) {
    return c.guard_held > 0 && c.state != "departed";
}

std::vector<std::string> first_removals(
    database& db, container_id id, int limit, const name_rule& local_name
) {
    std::vector<item_id> ids;
    db.query(
        "SELECT id FROM item WHERE container_id=? AND dirty<>0 AND gone_round<>0 AND type<>0 ORDER BY id "
        "LIMIT ?",
        [&](row r) { ids.push_back(static_cast<item_id>(r.integer(0))); }, id, limit
    );
    std::vector<std::string> out;
    out.reserve(ids.size());
    for (const auto item : ids) {
        out.push_back(path_of(db, item, local_name));
    }
    return out;
}

/// For who named another container.
std::string names_of_held(database& db) {
    std::string names;
    db.query(
        "SELECT key FROM container WHERE guard_held>0 AND state<>'departed' ORDER BY key LIMIT 10",
        [&](row r) { names += (names.empty() ? "" : ", ") + r.text(0); }
    );
    return names.empty() ? "nothing is held anywhere" : "held are: " + names;
}

std::string why_nothing_is_held(const std::optional<container>& c) {
    if (!c) {
        return "there is no such container";
    }
    return c->state == "departed" ? "it has departed: all of it stays until sync.departed_retention is over"
                                  : "no deletions are held in it";
}

#define OWED                                                                                         \
    "FROM pending AS p INDEXED BY pending_failed CROSS JOIN item AS i ON i.id=p.item_id CROSS JOIN " \
    "container "                                                                                     \
    "AS c ON c.id=p.container_id WHERE i.gone_round=0 AND c.state<>'departed' AND p.reason"

}  // namespace

std::vector<failing_group> failing_items(database& db, int examples, const name_rule& local_name) {
    std::vector<failing_group> out;
    db.query(
        "SELECT p.reason, count(*), min(p.owed_since), max(p.attempts), min(p.next_try) " OWED
        " IS NOT NULL GROUP BY p.reason ORDER BY 2 DESC, 1",
        [&](row r) {
            failing_group g;
            g.reason = r.text(0);
            g.items = r.integer(1);
            g.oldest = r.integer(2);
            g.most_attempts = r.integer(3);
            g.next_try = r.integer(4);
            out.push_back(std::move(g));
        }
    );
    for (auto& g : out) {
        std::vector<item_id> ids;
        db.query(
            "SELECT p.item_id, p.error " OWED "=? LIMIT ?",
            [&](row r) {
                ids.push_back(static_cast<item_id>(r.integer(0)));
                g.examples.push_back({"", r.text(1)});
            },
            g.reason, examples
        );
        for (std::size_t i = 0; i < ids.size(); ++i) {
            g.examples[i].path = path_of(db, ids[i], local_name);
        }
    }
    return out;
}

std::int64_t count_owed(database& db) {
    return db.number("SELECT count(*) " OWED " IS NOT NULL").value_or(0);
}

std::int64_t count_without_room(database& db) {
    return db.number("SELECT count(*) " OWED "=?", core::to_string(core::error_kind::disk)).value_or(0);
}
#undef OWED

backlog count_backlog(database& db) {
    backlog b;
    // Answered by the index `pending_due` alone, whatever the rows weigh.
    db.query(
        "SELECT w.state, w.rows FROM (SELECT container_id, state, count(*) AS rows FROM pending INDEXED BY "
        "pending_due GROUP BY container_id, state) AS w CROSS JOIN container AS c ON c.id=w.container_id "
        "WHERE c.state<>'departed'",
        [&](row r) { (r.integer(0) == 0 ? b.to_fetch : b.spooled) += r.integer(1); }
    );
    if (b.spooled > 0) {
        b.spooled_bytes = spooled_bytes(db);
    }
    b.failed =
        db.number(
              "SELECT count(*) FROM pending AS p INDEXED BY pending_failed CROSS JOIN container AS c ON "
              "c.id=p.container_id WHERE p.reason IS NOT NULL AND c.state<>'departed'"
        )
            .value_or(0);
    b.roots =
        db.number(
              "SELECT count(*) FROM container AS c CROSS JOIN pending AS p ON p.item_id=c.root_item WHERE "
              "c.state<>'departed'"
        )
            .value_or(0);
    b.gone = db.number(
                   "SELECT count(*) FROM container AS c CROSS JOIN item AS i INDEXED BY item_dirty ON "
                   "i.container_id=c.id AND i.dirty<>0 AND i.gone_round<>0 CROSS JOIN pending AS p ON "
                   "p.item_id=i.id "
                   "WHERE c.guard_held>0 AND c.state<>'departed'"
    )
                 .value_or(0);
    b.departed =
        db.number(
              "SELECT count(*) FROM container AS c CROSS JOIN pending AS p INDEXED BY pending_due ON "
              "p.container_id=c.id CROSS JOIN item AS i ON i.id=p.item_id WHERE c.state='departed' AND "
              "i.gone_round=0 AND i.id IS NOT c.root_item"
        )
            .value_or(0);
    return b;
}

std::vector<held_container> held_containers(database& db, int examples, const name_rule& local_name) {
    std::vector<held_container> out;
    each_container(db, which_containers::noteworthy, "", [&](const container& c) {
        if (has_held(c)) {
            auto h = describe_held(c);
            h.approved = c.held == 0;
            h.examples = first_removals(db, c.id, examples, local_name);
            out.push_back(std::move(h));
        }
        return true;
    });
    return out;
}

core::result<held_container> approve_guard(database& db, std::string_view key) {
    database::transaction t(db);
    const auto c = find_container(db, key);
    if (!c || !has_held(*c)) {
        core::error e(core::error_kind::usage, why_nothing_is_held(c));
        e.operation = "guard approve";
        e.object = std::string(key);
        e.hint = names_of_held(db);
        return e;
    }
    auto h = describe_held(*c);
    h.approved = true;
    db.run("UPDATE container SET guard_approved=?, settle=settle+1 WHERE id=?", c->complete_round, c->id);
    t.commit();
    return h;
}

std::vector<pass_row> last_passes(database& db, int limit) {
    std::vector<pass_row> out;
    db.query(
        "SELECT id, started_at, finished_at, outcome, generation, numbers FROM pass WHERE outcome IS NOT ? "
        "ORDER BY id DESC LIMIT ?",
        [&](row r) {
            pass_row p;
            p.id = r.integer(0);
            p.started_at = r.integer(1);
            p.finished_at = r.maybe_integer(2);
            p.outcome = r.text(3);
            p.generation = r.integer(4);
            p.numbers = r.text(5);
            out.push_back(std::move(p));
        },
        mistaken_pass, limit
    );
    return out;
}

std::vector<uncovered> not_covered(database& db) {
    std::vector<uncovered> out;
    db.query("SELECT owner, reason, since FROM not_covered ORDER BY owner, reason", [&](row r) {
        uncovered u;
        u.owner = r.text(0);
        u.reason = r.text(1);
        u.since = r.integer(2);
        out.push_back(std::move(u));
    });
    return out;
}

std::int64_t last_generation(database& db) {
    return db.number("SELECT max(id) FROM generation WHERE finished_at IS NOT NULL").value_or(0);
}

std::int64_t generation_before(database& db, std::int64_t id) {
    return db.number("SELECT max(id) FROM generation WHERE finished_at IS NOT NULL AND id<?", id).value_or(0);
}

namespace {

change_row read_change(row r) {
    change_row c;
    c.generation = r.integer(0);
    c.what = static_cast<change_kind>(r.integer(1));
    c.type = static_cast<item_type>(r.integer(2));
    c.old_path = r.maybe_text(3);
    c.new_path = r.maybe_text(4);
    c.id = r.integer(5);
    return c;
}

#define CHANGE_COLUMNS                                                                               \
    "SELECT c.generation, c.what, c.type, c.old_path, c.new_path, c.id FROM change AS c CROSS JOIN " \
    "generation AS g ON g.id=c.generation "

}  // namespace

void list_changes(
    database& db, std::int64_t since, std::int64_t after, const std::function<bool(const change_row&)>& each
) {
    // Changes are numbered in the order of their generations, so the first of them says where to begin.
    const auto first = db.number("SELECT min(id) FROM change WHERE generation>?", since).value_or(0);
    db.query(
        CHANGE_COLUMNS
        "WHERE c.id>=? AND c.id>? AND c.generation>? AND g.finished_at IS NOT NULL ORDER BY c.id",
        [&](row r) { return each(read_change(r)); }, first, after, since
    );
}

void list_newest_changes(database& db, int limit, const std::function<bool(const change_row&)>& each) {
    db.query(
        CHANGE_COLUMNS "WHERE g.finished_at IS NOT NULL ORDER BY c.id DESC LIMIT ?",
        [&](row r) { return each(read_change(r)); }, limit
    );
}
#undef CHANGE_COLUMNS

}  // namespace m365stage::index
