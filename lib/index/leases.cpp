#include "index/leases.hpp"

#include <algorithm>
#include <cmath>

namespace m365stage::index {
namespace {

constexpr std::string_view job_columns =
    "SELECT job_id, name, level, generation, started_at, read_at, read_status, ended_at, status FROM job";

job_row read_job(row r) {
    job_row j;
    j.job_id = r.text(0);
    j.name = r.text(1);
    j.level = r.text(2);
    j.generation = r.integer(3);
    j.started_at = r.integer(4);
    j.read_at = r.maybe_integer(5);
    j.read_status = r.text(6);
    j.ended_at = r.maybe_integer(7);
    j.status = r.text(8);
    return j;
}

lease_row read_lease(row r) {
    lease_row l;
    l.job_id = r.text(0);
    l.holder = r.text(1);
    l.since = r.integer(2);
    l.until = r.integer(3);
    return l;
}

/// Removes the lease and notes at its job what ended it: `why`, or that its time was over before, without
/// anybody having noticed yet.
void drop_lease(database& db, std::string_view job_id, std::string_view why, unix_seconds now) {
    if (db.number("SELECT 1 FROM lease WHERE job_id=? AND until<=?", job_id, now)) {
        why = lease_expired;
    }
    db.run("DELETE FROM lease WHERE job_id=?", job_id);
    db.run("UPDATE job SET read_at=?, read_status=? WHERE job_id=? AND read_at IS NULL", now, why, job_id);
}

}  // namespace

bool tree_is_held(database& db, unix_seconds now) {
    return db.number("SELECT 1 FROM lease WHERE until>? LIMIT 1", now).has_value();
}

bool tree_is_whole(database& db) {
    return db.number(
               "SELECT EXISTS (SELECT 1 FROM journal) OR EXISTS (SELECT 1 FROM placing) OR "
               "EXISTS (SELECT 1 FROM item AS i INDEXED BY item_dirty CROSS JOIN container AS c ON "
               "c.id=i.container_id WHERE i.dirty<>0 AND i.parked<>0 AND c.state<>'departed')"
           ) == 0;
}

std::optional<unix_seconds> tree_fresh_since(database& db) {
    return db.number(
        "SELECT started_at FROM pass WHERE outcome IN ('complete', 'degraded') AND "
        "json_extract(numbers, '$.whole') ORDER BY id DESC LIMIT 1"
    );
}

bool close_generations(database& db, unix_seconds now) {
    db.run(
        "UPDATE generation SET finished_at=?, (created, content, metadata, renamed, moved, deleted)="
        "(SELECT sum(what=1), sum(what=2), sum(what=3), sum(what=4), sum(what=5), sum(what=6) FROM change "
        "WHERE change.generation=generation.id) "
        "WHERE finished_at IS NULL AND EXISTS (SELECT 1 FROM change WHERE change.generation=generation.id)",
        now
    );
    const bool any = db.number("SELECT changes()").value_or(0) > 0;
    db.run("DELETE FROM generation WHERE finished_at IS NULL");
    return any;
}

double staged_count::percent() const {
    if (known == 0) {
        return 100;
    }
    return std::floor(static_cast<double>(staged) * 10'000 / static_cast<double>(known)) / 100;
}

staged_count count_staged(database& db, const backlog& work) {
    staged_count c;
    db.query("SELECT sum(live_items), sum(live_bytes) FROM container", [&](row r) {
        c.known = r.integer(0) - work.departed;
        c.bytes = r.integer(1);
    });
    const auto waiting = work.to_fetch + work.spooled - work.roots - work.gone;
    c.staged = std::clamp<std::int64_t>(c.known - waiting, 0, c.known);
    return c;
}

bool job_row::saved() const {
    // Bareos' %e ("OK", "OK -- with warnings"), or the letters of its catalog.
    return read_whole() && (status.starts_with("OK") || status == "T" || status == "W");
}

bool job_row::read_whole() const {
    return read_status != lease_expired && read_status != lease_ended_by_hand;
}

std::vector<job_row> jobs(database& db, std::int64_t limit) {
    static const std::string sql = std::string(job_columns) + " ORDER BY id DESC LIMIT ?";
    std::vector<job_row> out;
    db.query(sql, [&](row r) { out.push_back(read_job(r)); }, limit);
    return out;
}

std::optional<job_row> find_job(database& db, std::string_view job_id) {
    static const std::string sql = std::string(job_columns) + " WHERE job_id=?";
    std::optional<job_row> out;
    db.query(sql, [&](row r) { out = read_job(r); }, job_id);
    return out;
}

std::vector<lease_row> active_leases(database& db, unix_seconds now) {
    std::vector<lease_row> out;
    db.query(
        "SELECT job_id, holder, since, until FROM lease WHERE until>? ORDER BY id",
        [&](row r) { out.push_back(read_lease(r)); }, now
    );
    return out;
}

std::optional<lease_row> find_lease(database& db, std::string_view job_id, unix_seconds now) {
    std::optional<lease_row> out;
    db.query(
        "SELECT job_id, holder, since, until FROM lease WHERE job_id=? AND until>?",
        [&](row r) { out = read_lease(r); }, job_id, now
    );
    return out;
}

void add_lease(database& db, const lease_row& lease, const job_row& job) {
    database::transaction t(db);
    db.run("DELETE FROM lease WHERE job_id=?", lease.job_id);
    db.run(
        "INSERT INTO lease (job_id, holder, since, until) VALUES (?, ?, ?, ?)", lease.job_id, lease.holder,
        lease.since, lease.until
    );
    db.run("DELETE FROM job WHERE job_id=?", job.job_id);
    db.run(
        "INSERT INTO job (job_id, name, level, generation, started_at) VALUES (?, ?, ?, ?, ?)", job.job_id,
        job.name, job.level, job.generation, job.started_at
    );
    t.commit();
}

bool end_lease(database& db, std::string_view job_id, unix_seconds now) {
    database::transaction t(db);
    const bool there = find_lease(db, job_id, now).has_value();
    drop_lease(db, job_id, lease_ended_by_hand, now);
    t.commit();
    return there;
}

void move_leases(database& db, unix_seconds by) {
    db.run("UPDATE lease SET since=since+?1, until=until+?1", by);
}

void bound_leases(database& db, unix_seconds latest) {
    db.run("UPDATE lease SET until=?1 WHERE until>?1", latest);
}

std::vector<lease_row> expire_leases(database& db, unix_seconds now) {
    std::vector<lease_row> over;
    database::transaction t(db);
    db.query(
        "SELECT job_id, holder, since, until FROM lease WHERE until<=?",
        [&](row r) { over.push_back(read_lease(r)); }, now
    );
    for (const auto& l : over) {
        drop_lease(db, l.job_id, lease_expired, now);
    }
    t.commit();
    return over;
}

std::optional<job_row> record_job_read(
    database& db, std::string_view job_id, std::string_view status, unix_seconds now
) {
    database::transaction t(db);
    drop_lease(db, job_id, status, now);
    auto job = find_job(db, job_id);
    t.commit();
    return job;
}

std::optional<job_row> record_job_ended(
    database& db, std::string_view job_id, std::string_view status, unix_seconds now
) {
    database::transaction t(db);
    drop_lease(db, job_id, status, now);
    db.run("UPDATE job SET ended_at=?, status=? WHERE job_id=?", now, status, job_id);
    auto job = find_job(db, job_id);
    t.commit();
    return job;
}

void copy_index(const std::string& from, const std::string& to) {
    database source(from, database::mode::read_only);
    source.copy_to(to);
    database copy(to, database::mode::read_write);
    copy.script(
        "PRAGMA secure_delete=ON; UPDATE pending SET url=NULL, url_until=NULL; DELETE FROM lease; "
        "PRAGMA journal_mode=DELETE;"
    );
}

}  // namespace m365stage::index
