#include "index/columns.hpp"

#include "core/hash.hpp"
#include "index/items.hpp"
#include "index/owners.hpp"

namespace m365stage::index {

std::string column_cursor(database& db, container_id c) {
    return db.text("SELECT cursor FROM column_feed WHERE container_id=?", c).value_or("");
}

void drop_column_cursor(database& db, container_id c) {
    db.run("UPDATE column_feed SET cursor='' WHERE container_id=?", c);
}

bool columns_are_behind(database& db, container_id c) {
    if (db.number("SELECT 1 FROM column_feed WHERE container_id=?", c)) {
        return false;
    }
    const bool any =
        db.number("SELECT 1 FROM item WHERE container_id=? AND at_parent IS NOT NULL LIMIT 1", c).has_value();
    if (!any) {
        note_columns_known(db, c);  // what comes from now on comes with them
    }
    return any;
}

void note_columns_known(database& db, container_id c) {
    db.run("INSERT OR IGNORE INTO column_feed VALUES (?, '')", c);
}

namespace {

std::string owner_of_columns(const std::string& key) {
    return key + " (columns)";
}

}  // namespace

void note_columns_refused(
    database& db, const std::string& key, const std::vector<std::string>& reasons, unix_seconds now
) {
    set_not_covered(db, owner_of_columns(key), reasons, now);
}

bool columns_are_refused(database& db, const std::string& key) {
    return db.number("SELECT 1 FROM not_covered WHERE owner=? LIMIT 1", owner_of_columns(key)).has_value();
}

std::int64_t count_refused_columns(database& db) {
    return db.number("SELECT count(*) FROM not_covered WHERE owner LIKE '% (columns)'").value_or(0);
}

std::vector<staged_columns> staged_after(database& db, container_id c, item_id after, int most) {
    std::vector<staged_columns> out;
    db.query(
        "SELECT i.id, i.remote_id FROM item AS i WHERE i.container_id=? AND i.id>? AND i.gone_round=0 AND "
        "i.at_parent IS NOT NULL AND i.type IN (1, 2) AND NOT EXISTS (SELECT 1 FROM pending AS p WHERE "
        "p.item_id=i.id) ORDER BY i.id LIMIT ?",
        [&](row r) {
            staged_columns found;
            found.id = static_cast<item_id>(r.integer(0));
            found.remote_id = r.text(1);
            out.push_back(std::move(found));
        },
        c, after, most
    );
    for (auto& one : out) {
        one.path = path_in_tree(db, one.id);
    }
    return out;
}

std::vector<staged_columns> staged_columns_of(
    database& db, container_id c, const std::vector<column_row>& rows
) {
    std::vector<staged_columns> out;
    for (const auto& one : rows) {
        const auto id = db.number(
            "SELECT i.id FROM item AS i WHERE i.container_id=? AND i.remote_id=? AND i.etag=? AND "
            "i.gone_round=0 AND i.at_parent IS NOT NULL AND i.type IN (1, 2) AND NOT EXISTS (SELECT 1 FROM "
            "pending AS p WHERE p.item_id=i.id)",
            c, one.remote_id, core::fingerprint(one.etag)
        );
        if (id) {
            staged_columns found;
            found.id = static_cast<item_id>(*id);
            found.remote_id = one.remote_id;
            found.path = path_in_tree(db, found.id);
            found.values = one.values;
            out.push_back(std::move(found));
        }
    }
    return out;
}

void prune_column_values(database& db, container_id c) {
    db.run(
        "DELETE FROM column_value WHERE container_id=?1 AND remote_id IN (SELECT i.remote_id FROM item AS i "
        "WHERE i.container_id=?1 AND NOT EXISTS (SELECT 1 FROM pending AS p WHERE p.item_id=i.id AND "
        "p.columns=1))",
        c
    );
}

void take_column_page(
    database& db, container_id c, const std::vector<column_row>& rows, const std::string& cursor
) {
    database::transaction t(db);
    for (const auto& one : rows) {
        db.run(
            "INSERT OR REPLACE INTO column_value SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS (SELECT 1 FROM item "
            "AS i WHERE i.container_id=?1 AND i.remote_id=?2 AND i.etag=?3 AND NOT EXISTS (SELECT 1 FROM "
            "pending AS p WHERE p.item_id=i.id AND p.columns=1))",
            c, one.remote_id, core::fingerprint(one.etag), one.values
        );
    }
    if (!cursor.empty()) {
        db.run(
            "INSERT INTO column_feed VALUES (?, ?) ON CONFLICT (container_id) DO UPDATE SET "
            "cursor=excluded.cursor",
            c, cursor
        );
    }
    t.commit();
}

std::optional<std::string> column_values_of(database& db, item_id item) {
    return db.text(
        "SELECT v.column_values FROM item AS i JOIN column_value AS v ON v.container_id=i.container_id AND "
        "v.remote_id=i.remote_id AND v.etag=i.etag WHERE i.id=?",
        item
    );
}

}  // namespace m365stage::index
