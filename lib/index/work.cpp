#include "index/work.hpp"

#include <algorithm>

#include "core/hash.hpp"

namespace m365stage::index {

namespace {

// A tombstone comes with the next round; if none has come after so many tries, the item is owed.
constexpr std::int64_t most_quiet_tries = 3;

// After so many failures the pause between two tries grows no more.
constexpr int longest_growth = 10;

}  // namespace

std::vector<work_item> due_work(
    database& db, container_id c, unix_seconds now, int limit, item_id after, std::int64_t below
) {
    std::vector<work_item> out;
    db.query(
        "SELECT p.item_id, p.container_id, i.remote_id, i.name, p.version, p.content, p.permissions, p.size, "
        "p.hash, "
        "p.mtime, p.url, p.url_until, p.attempts, p.first_bytes, p.meta, "
        "iif((i.at_parent IS NOT NULL OR i.parked) AND p.damaged=0, i.sha256, NULL), q.remote_id, p.columns, "
        "i.etag, p.ctag "
        "FROM pending AS p INDEXED BY pending_due JOIN item AS i ON i.id=p.item_id LEFT JOIN item AS q ON "
        "q.id=i.parent "
        "WHERE p.container_id=?1 AND p.state=0 AND p.next_try<=?2 AND (p.item_id>?4 OR p.next_try>0) AND "
        "i.gone_round=0 AND (p.content=0 OR coalesce(p.size, 0)<?5) ORDER BY p.next_try, p.item_id LIMIT ?3",
        [&](row r) {
            work_item w;
            w.id = static_cast<item_id>(r.integer(0));
            w.container = static_cast<container_id>(r.integer(1));
            w.remote_id = r.text(2);
            w.name = r.text(3);
            w.version = r.integer(4);
            w.content = r.integer(5) != 0;
            w.permissions = r.integer(6) != 0;
            w.size = r.integer(7);
            w.hash = r.text(8);
            w.mtime = r.integer(9);
            w.url = r.text(10);
            w.url_until = r.integer(11);
            w.attempts = static_cast<int>(r.integer(12));
            w.first_bytes = r.bytes(13);
            w.meta = r.text(14);
            w.staged_sha256 = r.bytes(15);
            w.parent_remote_id = r.text(16);
            w.columns = r.integer(17) != 0;
            w.etag = r.integer(18);
            w.ctag = r.integer(19);
            out.push_back(std::move(w));
        },
        c, now, limit, after, below
    );
    return out;
}

std::vector<bool> record_fetched(database& db, const std::vector<fetch_result>& results) {
    std::vector<bool> taken;
    taken.reserve(results.size());
    database::transaction t(db);
    for (const auto& f : results) {
        const bool content = !f.spool.empty();
        const auto later = f.missing ? std::optional(f.missing->next_try) : std::nullopt;
        const auto reason = f.missing ? std::optional(core::to_string(f.missing->why.kind)) : std::nullopt;
        const auto error = f.missing ? std::optional(core::describe(f.missing->why)) : std::nullopt;
        const auto changed = db.run(
            "UPDATE pending SET state=1, spool=?3, spool_inode=?4, spool_size=?5, spool_sha256=?6, "
            "verdict=?7, "
            "access=coalesce(?8, access), column_values=coalesce(?14, column_values), meta=coalesce(?9, "
            "meta), hash=coalesce(?10, hash), "
            "size=coalesce(?15, size), ctag=coalesce(?16, ctag), mtime=coalesce(?11, mtime), "
            "content=iif(?12, 0, content), cause=iif(?12, min(cause, ?13), "
            "cause), "
            "url=NULL, first_bytes=NULL, next_try=0, attempts=attempts+(?17 IS NOT NULL), read_later=?17, "
            "reason=?18, error=?19 WHERE item_id=?1 AND version=?2 AND state=0",
            f.id, f.version, content ? std::optional(f.spool) : std::nullopt,
            content ? std::optional(f.spool_inode) : std::nullopt,
            content ? std::optional(f.size) : std::nullopt,
            content ? std::optional(as_blob(f.sha256)) : std::nullopt,
            f.verdict.empty() ? std::nullopt : std::optional(f.verdict), f.access, f.meta, f.hash, f.mtime,
            f.same, work_cause::metadata, f.columns, f.announced, f.ctag, later, reason, error
        );
        if (changed > 0 && f.same) {
            // What stands for these bytes now, so that the next page finds nothing to do.
            db.run(
                "UPDATE item SET (hash, ctag, announced)=(SELECT hash, ctag, size FROM pending WHERE "
                "item_id=?1) WHERE id=?1",
                f.id
            );
        }
        if (changed > 0 && f.mark) {
            db.run("UPDATE item SET meta=? WHERE id=?", core::fingerprint(*f.mark), f.id);
        }
        taken.push_back(changed > 0);
    }
    t.commit();
    return taken;
}

unix_seconds retry_pause(core::error_kind kind, int attempts) {
    constexpr unix_seconds minute = 60;
    constexpr unix_seconds day = 86'400;
    if (!core::is_transient(kind) && kind != core::error_kind::locked &&
        kind != core::error_kind::not_found && kind != core::error_kind::disk &&
        kind != core::error_kind::insufficient) {
        return day;  // nothing but a person or the service's owner changes that
    }
    return std::min(day, minute << std::min(attempts, longest_growth));
}

void record_failure(
    database& db, item_id id, std::int64_t version, const core::error& why, unix_seconds now,
    std::string_view first_bytes
) {
    const auto attempts = db.number("SELECT attempts FROM pending WHERE item_id=?", id).value_or(0);
    db.run(
        "UPDATE pending SET attempts=attempts+1, next_try=?3, reason=?4, error=?5, url=NULL, "
        "first_bytes=coalesce(?6, first_bytes) WHERE item_id=?1 AND version=?2",
        id, version, now + retry_pause(why.kind, static_cast<int>(attempts)), core::to_string(why.kind),
        core::describe(why), first_bytes.empty() ? std::nullopt : std::optional(as_blob(first_bytes))
    );
}

void retry_for_room(database& db, unix_seconds now) {
    db.run(
        "UPDATE pending SET next_try=?1 WHERE state=0 AND next_try>?1 AND reason=?2", now,
        core::to_string(core::error_kind::disk)
    );
}

void record_vanished(database& db, item_id id, std::int64_t version, unix_seconds now) {
    const auto attempts = db.number("SELECT attempts FROM pending WHERE item_id=?", id).value_or(0);
    const bool doubtful = attempts >= most_quiet_tries;
    db.run(
        "UPDATE pending SET attempts=attempts+1, next_try=?3, url=NULL, reason=?4, error=?5 WHERE item_id=?1 "
        "AND version=?2",
        id, version, now + retry_pause(core::error_kind::not_found, static_cast<int>(attempts)),
        doubtful ? std::optional(core::to_string(core::error_kind::not_found)) : std::nullopt,
        doubtful
            ? std::optional(std::string_view("the service lists it, but answers 404 when it is asked for it"))
            : std::nullopt
    );
}

std::vector<std::string> spool_files_in_use(database& db) {
    std::vector<std::string> out;
    db.query("SELECT spool FROM pending WHERE spool IS NOT NULL", [&](row r) { out.push_back(r.text(0)); });
    return out;
}

std::int64_t spooled_bytes(database& db) {
    // By the index `pending_due`: in a first pass millions of rows have nothing in the spool.
    return db
        .number(
            "SELECT sum(p.spool_size) FROM container AS c CROSS JOIN pending AS p INDEXED BY pending_due ON "
            "p.container_id=c.id AND p.state=1"
        )
        .value_or(0);
}

#define FETCH_AGAIN                                                                                  \
    "UPDATE pending SET state=0, spool=NULL, spool_inode=NULL, spool_size=NULL, spool_sha256=NULL, " \
    "verdict=NULL, url=NULL"
#define HAS_ROOM_TO_GIVE " state=1 AND spool IS NOT NULL"
#define IS_REMOVED "EXISTS (SELECT 1 FROM item AS i WHERE i.id=item_id AND i.gone_round<>0)"

void fetch_again(database& db, item_id id) {
    db.run(FETCH_AGAIN " WHERE item_id=? AND" HAS_ROOM_TO_GIVE, id);
}

void fetch_again(database& db, container_id id) {
    db.run(FETCH_AGAIN " WHERE container_id=? AND" HAS_ROOM_TO_GIVE, id);
}

void fetch_removed_again(database& db, container_id id) {
    db.run(FETCH_AGAIN " WHERE container_id=? AND" HAS_ROOM_TO_GIVE " AND " IS_REMOVED, id);
}

namespace {

/// A container of which something is in the spool.
struct spooled_container {
    spooled_container() = default;
    container_id id{};
    std::string key;
    std::int64_t files = 0, bytes = 0;
};

std::vector<spooled_container> spooled_containers(database& db) {
    std::vector<spooled_container> out;
    db.query(
        "SELECT c.id, c.key, count(*), sum(p.spool_size) FROM container AS c CROSS JOIN pending AS p INDEXED "
        "BY pending_due ON p.container_id=c.id AND p.state=1 WHERE p.spool IS NOT NULL GROUP BY c.id",
        [&](row r) {
            spooled_container c;
            c.id = static_cast<container_id>(r.integer(0));
            c.key = r.text(1);
            c.files = r.integer(2);
            c.bytes = r.integer(3);
            out.push_back(std::move(c));
        }
    );
    return out;
}

}  // namespace

given_back give_back_room(database& db, unix_seconds now) {
    given_back out;
    std::int64_t most = -1;
    database::transaction t(db);
    out.spool = spool_files_in_use(db);
    db.run(FETCH_AGAIN " WHERE" HAS_ROOM_TO_GIVE
                       " AND container_id IN (SELECT id FROM container WHERE state='departed')");
    for (const auto& c : spooled_containers(db)) {
        fetch_removed_again(db, c.id);
    }
    for (const auto& c : spooled_containers(db)) {
        out.owed += c.files;
        out.bytes += c.bytes;
        if (c.bytes > most) {
            most = c.bytes;
            out.most_of = c.key;
        }
        for (int attempts = 0; attempts <= longest_growth; ++attempts) {
            db.run(
                FETCH_AGAIN
                ", attempts=attempts+1, next_try=?, reason=?, error=? WHERE container_id=? "
                "AND" HAS_ROOM_TO_GIVE " AND min(attempts, ?)=?",
                now + retry_pause(core::error_kind::insufficient, attempts),
                core::to_string(core::error_kind::insufficient),
                std::string_view("its place in the tree is not free or not known yet, and the spool is full"),
                c.id, longest_growth, attempts
            );
        }
    }
    t.commit();
    return out;
}
#undef IS_REMOVED
#undef HAS_ROOM_TO_GIVE
#undef FETCH_AGAIN

}  // namespace m365stage::index
