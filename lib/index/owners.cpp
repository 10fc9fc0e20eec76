#include "index/owners.hpp"

#include <algorithm>

#include "index/containers.hpp"

namespace m365stage::index {
namespace {

// "Not found" is said now and then of what is there: only the second list in a row counts.
constexpr std::int64_t lists_to_depart = 2;

/// What table `not_covered` calls an owner without a name. No path has it: that begins with "users/", ...
std::string unanswered_name(std::string_view kind, std::string_view remote_id) {
    return std::string(kind) + " " + std::string(remote_id);
}

}  // namespace

void upsert_owner(database& db, const owner_row& o, std::int64_t pass) {
    db.run(
        "INSERT INTO owner (kind, remote_id, name, path, seen_in) VALUES (?1,?2,?3,?4,?5) ON CONFLICT (kind, "
        "remote_id) DO UPDATE "
        "SET listed_in=iif(path<>excluded.path, 0, listed_in), name=excluded.name, path=excluded.path, "
        "seen_in=excluded.seen_in",
        o.kind, o.remote_id, o.name, o.path, pass
    );
}

void see_owner(database& db, std::string_view kind, std::string_view remote_id, std::int64_t pass) {
    db.run("UPDATE owner SET seen_in=? WHERE kind=? AND remote_id=?", pass, kind, remote_id);
}

std::optional<std::int64_t> owner_seen_in(database& db, std::string_view kind, std::string_view remote_id) {
    return db.number("SELECT seen_in FROM owner WHERE kind=? AND remote_id=?", kind, remote_id);
}

void remove_owner(database& db, std::string_view kind, std::string_view remote_id) {
    db.run("DELETE FROM owner WHERE kind=? AND remote_id=?", kind, remote_id);
}

void remove_unseen_owners(database& db, std::string_view kind, std::int64_t pass) {
    db.run("DELETE FROM owner WHERE kind=? AND seen_in<>?", kind, pass);
}

std::vector<owner_row> owners_to_list(database& db, int rolling, std::int64_t pass) {
    std::vector<owner_row> out;
    auto take = [&](row r) { out.emplace_back(r.text(0), r.text(1), r.text(2), r.text(3)); };
    db.query(
        "SELECT kind, remote_id, name, path FROM owner WHERE listed_in=0 "
        "ORDER BY CASE kind WHEN 'user' THEN 0 WHEN 'group' THEN 1 ELSE 2 END, path",
        take
    );
    if (rolling > 0) {
        db.query(
            "SELECT kind, remote_id, name, path FROM owner WHERE listed_in<>0 AND listed_in<>? "
            "ORDER BY listed_in, CASE kind WHEN 'user' THEN 0 WHEN 'group' THEN 1 ELSE 2 END, path LIMIT ?",
            take, pass, rolling
        );
    }
    return out;
}

void remove_unseen_sites(database& db, std::int64_t pass) {
    db.run(
        "DELETE FROM owner AS o WHERE kind='site' AND seen_in<>?1 AND NOT EXISTS (SELECT 1 FROM owner AS p "
        "WHERE "
        "p.kind='site' AND p.seen_in=?1 AND p.listed_in<>?1 AND substr(o.path, 1, length(p.path)+1)=p.path "
        "|| '/')",
        pass
    );
}

void list_owner_again(database& db, const owner_row& o) {
    db.run("UPDATE owner SET listed_in=0 WHERE kind=? AND remote_id=?", o.kind, o.remote_id);
}

void owner_listed(database& db, const owner_row& o, std::int64_t pass) {
    db.run("UPDATE owner SET listed_in=? WHERE kind=? AND remote_id=?", pass, o.kind, o.remote_id);
}

bool kind_listed(
    database& db, const owner_row& o, std::string_view kind, const std::vector<std::string>& present,
    unix_seconds now
) {
    std::vector<std::pair<container_id, std::int64_t>> left;
    db.query(
        "SELECT id, remote_id, missed FROM container WHERE owner_kind=? AND owner_id=? AND kind=? AND "
        "state<>'departed'",
        [&](row r) {
            if (std::find(present.begin(), present.end(), r.text(1)) == present.end()) {
                left.emplace_back(static_cast<container_id>(r.integer(0)), r.integer(2) + 1);
            }
        },
        o.kind, o.remote_id, kind
    );
    bool sure = true;
    for (const auto& [id, missed] : left) {
        if (missed >= lists_to_depart) {
            mark_departed(db, id, now);
        } else {
            db.run("UPDATE container SET missed=? WHERE id=?", missed, id);
            sure = false;
        }
    }
    return sure;
}

void set_not_covered(
    database& db, std::string_view owner, const std::vector<std::string>& reasons, unix_seconds now
) {
    std::vector<std::string> old;
    db.query("SELECT reason FROM not_covered WHERE owner=?", [&](row r) { old.push_back(r.text(0)); }, owner);
    for (const auto& reason : old) {
        if (std::find(reasons.begin(), reasons.end(), reason) == reasons.end()) {
            db.run("DELETE FROM not_covered WHERE owner=? AND reason=?", owner, reason);
        }
    }
    for (const auto& reason : reasons) {
        db.run("INSERT OR IGNORE INTO not_covered (owner, reason, since) VALUES (?,?,?)", owner, reason, now);
    }
}

std::vector<unanswered_owner> unanswered_owners(database& db, std::string_view kind, int most) {
    std::vector<unanswered_owner> out;
    db.query(
        "SELECT substr(owner, length(?1)+2), since FROM not_covered WHERE owner>?1 || ' ' AND owner<?1 || "
        "'!' "
        "ORDER BY random() LIMIT ?2",
        [&](row r) {
            unanswered_owner o;
            o.remote_id = r.text(0);
            o.since = r.integer(1);
            out.push_back(std::move(o));
        },
        kind, most
    );
    return out;
}

void note_unanswered(
    database& db, std::string_view kind, std::string_view remote_id, core::error_kind why, unix_seconds now
) {
    const auto reason = "told in part, and not answered for: " + std::string(core::to_string(why));
    set_not_covered(db, unanswered_name(kind, remote_id), {reason}, now);
}

void forget_unanswered(database& db, std::string_view kind, std::string_view remote_id) {
    set_not_covered(db, unanswered_name(kind, remote_id), {}, 0);
}

std::vector<container_owner> container_owners(database& db) {
    std::vector<container_owner> out;
    db.query(
        "SELECT c.id, c.owner_kind, coalesce(o.name, c.owner_name), o.remote_id IS NOT NULL, c.kind FROM "
        "container "
        "AS c "
        "LEFT JOIN owner AS o ON o.kind=c.owner_kind AND o.remote_id=c.owner_id WHERE c.state<>'departed'",
        [&](row r) {
            container_owner c;
            c.container = static_cast<container_id>(r.integer(0));
            c.kind = r.text(1);
            c.name = r.text(2);
            c.known = r.integer(3) != 0;
            c.data_kind = r.text(4);
            out.push_back(std::move(c));
        }
    );
    return out;
}

}  // namespace m365stage::index
