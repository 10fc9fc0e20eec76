#include "index/items.hpp"

#include "index/containers.hpp"
#include "index/page_writer.hpp"
#include "index/walks.hpp"
#include "index/work.hpp"

namespace m365stage::index {
namespace {

/// Ends a full round: what it did not see is gone; how many. A container's only stream tells of everything,
/// the main one of several of folders, and a folder's own of what is in it.
std::int64_t sweep(database& db, const container& c, const stream& s, bool only_stream) {
    std::int64_t swept = 0;
    if (only_stream) {
        swept = db.run(
            "UPDATE item SET gone_round=?1, dirty=1 WHERE container_id=?2 AND seen_round<?3 AND gone_round=0 "
            "AND type<>0 AND parent IS NOT NULL",
            c.round, c.id, s.round
        );
    } else if (s.is_main()) {
        swept = db.run(
            "UPDATE item SET gone_round=?1, dirty=1 WHERE container_id=?2 AND seen_round<?3 AND gone_round=0 "
            "AND type=2 AND made=0 AND parent IS NOT NULL",
            c.round, c.id, s.round
        );
    } else {
        swept = db.run(
            "UPDATE item SET gone_round=?1, dirty=1 WHERE seen_round<?3 AND gone_round=0 AND type NOT IN (0, "
            "2) "
            "AND parent IN (SELECT id FROM item WHERE container_id=?2 AND remote_id=?4 UNION ALL SELECT m.id "
            "FROM "
            "item AS f JOIN item AS m ON m.parent=f.id AND m.made=1 WHERE f.container_id=?2 AND "
            "f.remote_id=?4)",
            c.round, c.id, s.round, s.remote_id
        );
        // A mailbox has hundreds of folders: counting all of it for each would take the square of its size.
        db.run("UPDATE container SET live_items=live_items-? WHERE id=?", swept, c.id);
        return swept;
    }
    db.run(
        "UPDATE container SET live_items=(SELECT count(*) FROM item WHERE container_id=?1 AND gone_round=0 "
        "AND type<>0 AND made=0 AND parent IS NOT NULL) WHERE id=?1",
        c.id
    );
    return swept;
}

container require(database& db, container_id id) {
    auto c = find_container(db, id);
    if (!c) {
        throw core::fatal(
            core::error(core::error_kind::internal, "a page came for a container that does not exist")
        );
    }
    return std::move(*c);
}

}  // namespace

page_outcome apply_page(database& db, stream_id id, const delta_page& page, unix_seconds now) {
    database::transaction t(db);
    begin_round(db, id);
    const auto s = find_stream(db, id);
    if (!s) {
        throw core::fatal(
            core::error(core::error_kind::internal, "a page came for a stream that does not exist")
        );
    }
    const auto c = require(db, s->container);
    page_writer writer(db, c, now, page.url_until, s->remote_id);
    for (const auto& change : page.items) {
        writer.take(change);
    }
    db.run("UPDATE container SET live_items=live_items+? WHERE id=?", writer.live_change(), c.id);
    if (page.walked) {
        note_step(db, *s, page, writer.new_folders());
        t.commit();
        return writer.outcome;
    }
    const std::optional<std::string_view> cursor =
        page.cursor.empty() ? std::nullopt : std::optional<std::string_view>(page.cursor);
    db.run(
        "UPDATE stream SET cursor=?, cursor_state=?, shape=? WHERE id=?", cursor,
        page.last ? cursor_state::complete : cursor_state::mid_round, page.shape, id
    );
    for (const auto& remote_id : page.folders_to_check) {
        add_step(db, id, remote_id);
    }
    if (page.last) {
        if (s->round_full) {
            const auto swept = sweep(db, c, *s, page.completes);
            writer.outcome.removed += swept;
            if (swept > 0) {
                fetch_removed_again(db, c.id);
            }
        }
        const bool work =
            s->round_full || writer.outcome.any_new() ||
            db.number("SELECT 1 FROM item WHERE container_id=? AND dirty<>0 LIMIT 1", c.id).has_value();
        db.run("UPDATE container SET settle=settle+? WHERE id=?", work, c.id);
        if (page.completes) {
            complete_container(db, c.id, now);
        }
    }
    t.commit();
    return writer.outcome;
}

void apply_single(
    database& db, container_id id, const item_change& change, unix_seconds now, unix_seconds url_until
) {
    database::transaction t(db);
    const auto c = require(db, id);
    page_writer writer(db, c, now, url_until);
    writer.take(change);
    db.run(
        "UPDATE container SET live_items=live_items+?, settle=settle+1 WHERE id=?", writer.live_change(), id
    );
    t.commit();
}

void mark_gone(database& db, container_id id, item_id item) {
    database::transaction t(db);
    const auto changed = db.run(
        "UPDATE item SET gone_round=(SELECT max(round, 1) FROM container WHERE id=?), dirty=1 "
        "WHERE id=? AND gone_round=0",
        id, item
    );
    db.run("UPDATE container SET live_items=live_items-?, settle=settle+1 WHERE id=?", changed, id);
    fetch_again(db, item);
    t.commit();
}

std::vector<std::string> unknown_parents(database& db, container_id id, int limit) {
    std::vector<std::string> out;
    db.query(
        "SELECT remote_id FROM item WHERE container_id=? AND type=0 AND gone_round=0 ORDER BY random() LIMIT "
        "?",
        [&](row r) { out.push_back(r.text(0)); }, id, limit
    );
    return out;
}

std::vector<work_item> children_of_unknown(
    database& db, container_id id, std::string_view folder, int limit
) {
    std::vector<work_item> out;
    db.query(
        "SELECT i.id, i.remote_id, i.type FROM item AS i JOIN item AS p ON p.id=i.parent WHERE "
        "p.container_id=? AND p.remote_id=? AND p.type=0 AND i.gone_round=0 AND i.type<>0 LIMIT ?",
        [&](row r) {
            work_item w;
            w.id = static_cast<item_id>(r.integer(0));
            w.container = id;
            w.remote_id = r.text(1);
            w.content = static_cast<item_type>(r.integer(2)) != item_type::folder;
            out.push_back(std::move(w));
        },
        id, folder, limit
    );
    return out;
}

void note_unplaced(database& db) {
    db.run(
        "UPDATE pending AS w SET reason=?, error=(SELECT c.key || ': ' || i.name FROM item AS i JOIN "
        "container "
        "AS c ON c.id=i.container_id WHERE i.id=w.item_id) || ' has no place in the tree: the service does "
        "not "
        "tell the folder that it lies in, or refuses it' WHERE state=1 AND reason IS NULL AND EXISTS (SELECT "
        "1 FROM "
        "item AS i JOIN container AS c ON c.id=i.container_id WHERE i.id=w.item_id AND i.gone_round=0 AND "
        "i.parent IS NOT NULL AND c.state='active' AND c.settle=0 AND NOT EXISTS (SELECT 1 FROM stream AS s "
        "WHERE s.container_id=c.id AND s.cursor_state=1))",
        core::to_string(core::error_kind::protocol)
    );
}

void forget_unknown(database& db, container_id id, std::string_view folder) {
    db.run(
        "UPDATE item AS p SET gone_round=1 WHERE container_id=? AND remote_id=? AND type=0 AND NOT EXISTS "
        "(SELECT 1 FROM item AS i WHERE i.parent=p.id AND i.gone_round=0)",
        id, folder
    );
}

std::vector<work_item> colliding_items(database& db, container_id id, int limit) {
    std::vector<work_item> out;
    db.query(
        "SELECT min(id), remote_id, name FROM item WHERE container_id=? AND gone_round=0 AND type<>0 AND "
        "parent IS NOT NULL "
        "GROUP BY parent, name HAVING count(*)>1 LIMIT ?",
        [&](row r) {
            work_item w;
            w.id = static_cast<item_id>(r.integer(0));
            w.remote_id = r.text(1);
            w.name = r.text(2);
            out.push_back(std::move(w));
        },
        id, limit
    );
    return out;
}

bool has_no_children(database& db, container_id id, std::string_view remote_id) {
    return db
        .number(
            "SELECT 1 FROM item AS f WHERE f.container_id=? AND f.remote_id=? AND f.gone_round=0 AND NOT "
            "EXISTS "
            "(SELECT 1 FROM item AS c WHERE c.parent=f.id)",
            id, remote_id
        )
        .has_value();
}

std::string path_in_tree(database& db, item_id item) {
    std::string path;
    auto at = static_cast<std::int64_t>(item);
    for (;;) {
        std::optional<std::int64_t> parent;
        std::string name;
        db.query(
            "SELECT at_parent, at_name FROM item WHERE id=?",
            [&](row r) {
                parent = r.maybe_integer(0);
                name = r.text(1);
            },
            at
        );
        if (!parent) {
            const auto root = db.text(
                "SELECT c.at_key FROM item AS i JOIN container AS c ON c.id=i.container_id WHERE i.id=? AND "
                "c.root_item=i.id",
                at
            );
            return root ? *root + path : std::string();
        }
        path.insert(0, "/" + name);
        at = *parent;
    }
}

std::string path_of_names(database& db, item_id item) {
    std::string path;
    std::optional<std::int64_t> at = static_cast<std::int64_t>(item);
    // Bounded, because the service could describe a cycle of parents.
    for (int depth = 0; at && depth < 1000; ++depth) {
        std::optional<std::int64_t> parent;
        std::string name;
        db.query(
            "SELECT parent, name FROM item WHERE id=?",
            [&](row r) {
                parent = r.maybe_integer(0);
                name = r.text(1);
            },
            *at
        );
        if (!parent) {
            const auto key = db.text(
                "SELECT c.key FROM item AS i JOIN container AS c ON c.id=i.container_id WHERE i.id=? AND "
                "c.root_item=i.id",
                *at
            );
            return key ? *key + path : std::string();
        }
        path.insert(0, "/" + name);
        at = parent;
    }
    return {};
}

}  // namespace m365stage::index
