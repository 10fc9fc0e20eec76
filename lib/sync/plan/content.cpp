#include "sync/plan/content.hpp"

#include <map>
#include <nlohmann/json.hpp>

#include "core/hash.hpp"
#include "index/items.hpp"
#include "sync/plan/journal.hpp"
#include "tree/names.hpp"

namespace m365stage::sync {
namespace {

using index::item_type;

/// One waiting row with its item.
struct waiting {
    placement p;
    bool is_root = false;
    bool in_tree = false;
    std::optional<index::unix_seconds> staged_mtime;
};

waiting read(index::row r, const index::container& c) {
    waiting w;
    w.p.id = static_cast<index::item_id>(r.integer(0));
    w.p.container = c.id;
    w.p.version = r.integer(1);
    w.p.cause = static_cast<index::work_cause>(r.integer(2));
    w.p.type = static_cast<item_type>(r.integer(3));
    w.in_tree = !r.is_null(4);
    w.is_root = r.is_null(5);
    w.p.content = r.integer(6) != 0;
    w.p.spool = r.text(7);
    w.p.inode = static_cast<std::uint64_t>(r.integer(8));
    w.p.hash = r.text(9);
    w.p.ctag = r.integer(10);
    w.p.item_mtime = r.integer(11);
    auto& s = w.p.sidecar;
    s.kind = c.kind;
    s.type = w.is_root ? "container" : std::string(index::to_string(w.p.type));
    s.id = r.text(12);
    s.name = r.text(13);
    s.parent_id = r.text(14);
    s.item = r.text(15);
    s.permissions = r.text(16) == "[]" ? std::string() : r.text(16);
    s.columns = r.text(24) == "{}" ? std::string() : r.text(24);
    if (w.p.type == item_type::file) {
        const bool fresh = w.p.content;
        s.size = fresh ? r.integer(17) : r.integer(20);
        s.sha256 = core::to_hex(fresh ? r.bytes(18) : r.bytes(21));
        s.verdict = fresh ? r.text(19) : r.text(22);
    }
    w.staged_mtime = r.maybe_integer(23);
    w.p.announced = r.integer(25);
    w.p.incomplete = !r.is_null(26);
    return w;
}

/// The container's own sidecar, in the folder above it: what `index rebuild` finds a container by.
void describe_container(tree::sidecar& s, const index::container& c) {
    s.root_id = s.id;
    s.id = c.remote_id;
    s.name = c.name;
    s.owner = nlohmann::json{
        {"id", c.owner_id}, {"kind", c.owner_kind}, {"name", c.owner_name}
    }.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    s.permissions.clear();
    s.columns.clear();
}

/// Decides where a waiting item goes. False: not now.
bool find_place(index::database& db, settler& places, const index::container& c, waiting& w) {
    auto& p = w.p;
    if (w.is_root) {
        p.path = c.at_key;
        describe_container(p.sidecar, c);
        return !c.at_key.empty() && c.root == p.id;
    }
    if (w.in_tree) {
        p.path = index::path_in_tree(db, p.id);
    } else if (!index::is_folder(p.type)) {
        p.place = places.target_for(p.id);
        p.path = p.place ? p.place->path : std::string();
    }
    if (p.path.empty()) {
        return false;
    }
    const bool in_place = w.in_tree && p.type == item_type::file && !p.content;
    if (in_place && w.staged_mtime != p.item_mtime) {
        p.mtime = p.item_mtime;
    }
    return true;
}

}  // namespace

namespace {

void note_placing(index::database& db, const placement& p) {
    db.run(
        "INSERT OR REPLACE INTO placing (item_id, container_id, at_parent, at_name, path, inode, size, "
        "sha256, hash, "
        "ctag, mtime, verdict, announced) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
        p.id, p.container, p.place ? std::optional(p.place->parent) : std::nullopt,
        p.place ? std::optional(p.place->name) : std::nullopt, p.path, p.inode, *p.sidecar.size,
        p.sidecar.sha256, p.hash, p.ctag, p.item_mtime, p.sidecar.verdict, p.announced
    );
}

placement read_placing(index::row r) {
    placement p;
    p.id = static_cast<index::item_id>(r.integer(0));
    p.container = static_cast<index::container_id>(r.integer(1));
    if (!r.is_null(2)) {
        p.place.emplace();
        p.place->parent = r.integer(2);
        p.place->name = r.text(3);
    }
    p.path = r.text(4);
    p.inode = static_cast<std::uint64_t>(r.integer(5));
    p.sidecar.size = r.integer(6);
    p.sidecar.sha256 = r.text(7);
    p.hash = r.text(8);
    p.ctag = r.integer(9);
    p.item_mtime = r.integer(10);
    p.sidecar.verdict = r.text(11);
    p.announced = r.maybe_integer(12).value_or(*p.sidecar.size);
    p.content = true;
    return p;
}

}  // namespace

void plan_content(
    index::database& db, const index::container& c, guard_limits guard, std::int64_t generation,
    index::item_id after, std::size_t limit, content_batch& batch
) {
    std::vector<waiting> rows;
    index::database::transaction t(db);
    db.query(
        "SELECT p.item_id, p.version, p.cause, i.type, i.at_parent, i.parent, p.content, p.spool, "
        "p.spool_inode, p.hash, "
        "p.ctag, p.mtime, i.remote_id, i.name, q.remote_id, p.meta, p.access, p.spool_size, p.spool_sha256, "
        "p.verdict, "
        "i.size, i.sha256, i.verdict, i.mtime, p.column_values, p.size, p.read_later "
        "FROM pending AS p INDEXED BY pending_due JOIN item AS i ON i.id=p.item_id LEFT JOIN item AS q ON "
        "q.id=i.parent "
        "WHERE p.container_id=?1 AND p.state=1 AND p.next_try=0 AND p.item_id>?2 AND i.gone_round=0 AND "
        "i.parked=0 "
        "AND i.type<>0 ORDER BY p.item_id LIMIT ?3",
        [&](index::row r) {
            rows.push_back(read(r, c));
            const auto& s = rows.back().p.sidecar;
            batch.text += s.item.size() + s.permissions.size() + s.columns.size();
            return !batch.is_full();
        },
        c.id, after, static_cast<std::int64_t>(limit)
    );
    batch.exhausted = rows.size() < limit && !batch.is_full();
    batch.last = rows.empty() ? after : rows.back().p.id;
    settler places(db, c, guard, generation);
    std::unordered_set<std::string> taken;
    const auto others = batch.files.size();
    for (auto& w : rows) {
        // Two of one batch may want the same place; the second waits for the round to settle.
        if (find_place(db, places, c, w) && taken.insert(w.p.path).second) {
            batch.files.push_back(std::move(w.p));
        }
    }
    for (auto i = others; i < batch.files.size(); ++i) {
        if (batch.files[i].content) {
            note_placing(db, batch.files[i]);
        }
    }
    auto folders = places.take_ops();
    write_journal(db, folders);
    batch.folders.insert(
        batch.folders.end(), std::make_move_iterator(folders.begin()), std::make_move_iterator(folders.end())
    );
    t.commit();
}

namespace {

/// By how many bytes each container grew.
using growths = std::map<index::container_id, std::int64_t>;

/// What lies in the tree now. One statement for a file and its place: this runs for every file of a first
/// pass.
void mark_staged(index::database& db, const placement& p, const placed& how, growths& grown) {
    if (!p.content) {
        if (p.place) {
            db.run("UPDATE item SET at_parent=?, at_name=? WHERE id=?", p.place->parent, p.place->name, p.id);
        }
        if (p.mtime) {
            db.run("UPDATE item SET mtime=? WHERE id=?", *p.mtime, p.id);
        }
        return;
    }
    grown[p.container] += *p.sidecar.size - db.number("SELECT size FROM item WHERE id=?", p.id).value_or(0);
    const auto sha256 = core::bytes_of_hex(p.sidecar.sha256);
    const auto hash = p.hash.empty() ? std::nullopt : std::optional(std::string_view(p.hash));
    const auto verdict =
        p.sidecar.verdict.empty() ? std::nullopt : std::optional(std::string_view(p.sidecar.verdict));
    if (p.place) {
        db.run(
            "UPDATE item SET at_parent=?, at_name=?, inode=?, size=?, sha256=?, hash=?, ctag=?, mtime=?, "
            "verdict=?, announced=? WHERE id=?",
            p.place->parent, p.place->name, how.inode, *p.sidecar.size, index::as_blob(sha256), hash, p.ctag,
            p.item_mtime, verdict, p.announced, p.id
        );
    } else {
        db.run(
            "UPDATE item SET inode=?, size=?, sha256=?, hash=?, ctag=?, mtime=?, verdict=?, announced=? "
            "WHERE "
            "id=?",
            how.inode, *p.sidecar.size, index::as_blob(sha256), hash, p.ctag, p.item_mtime, verdict,
            p.announced, p.id
        );
    }
}

void note_growths(index::database& db, const growths& grown) {
    for (const auto& [container, bytes] : grown) {
        db.run("UPDATE container SET live_bytes=live_bytes+? WHERE id=?", bytes, container);
    }
}

/// The content is in the tree; what else the sidecar should tell is asked for when its time comes.
void await_missing_part(index::database& db, const placement& p) {
    db.run(
        "UPDATE pending SET state=?3, content=0, damaged=0, cause=?4, next_try=read_later, read_later=NULL, "
        "url=NULL, spool=NULL, spool_inode=NULL, spool_size=NULL, spool_sha256=NULL, verdict=NULL WHERE "
        "item_id=?1 AND version=?2",
        p.id, p.version, index::work_state::to_fetch, index::work_cause::metadata
    );
}

void record_change(index::database& db, const placement& p, const placed& how, std::int64_t generation) {
    std::optional<index::change_kind> what;
    if (p.place) {
        what = index::change_kind::created;
    } else if (p.content) {
        what = index::change_kind::content;
    } else if (p.cause == index::work_cause::metadata && (how.sidecar || p.mtime)) {
        what = index::change_kind::metadata;
    }
    if (what) {
        db.run(
            "INSERT INTO change (generation, item_id, what, type, new_path) VALUES (?,?,?,?,?)", generation,
            p.id, *what, p.type, p.path
        );
    }
}

}  // namespace

void finish_content(
    index::database& db, const content_batch& batch, const std::vector<tree::op_outcome>& folders,
    const std::vector<placed>& files, std::int64_t generation
) {
    index::database::transaction t(db);
    growths grown;
    for (std::size_t i = 0; i < batch.files.size(); ++i) {
        const auto& p = batch.files[i];
        if (files[i].missing) {
            db.run(
                "UPDATE pending SET state=0, spool=NULL, spool_inode=NULL, url=NULL WHERE item_id=? AND "
                "version=?",
                p.id, p.version
            );
            continue;
        }
        mark_staged(db, p, files[i], grown);
        record_change(db, p, files[i], generation);
        if (p.incomplete) {
            await_missing_part(db, p);
        } else {
            db.run("DELETE FROM pending WHERE item_id=? AND version=?", p.id, p.version);
        }
    }
    note_growths(db, grown);
    db.run("DELETE FROM placing");
    t.commit();
    finish_batch(db, batch.folders, folders);
}

core::result<void> adopt_placed(index::database& db, const tree::stage_root& root) {
    std::vector<placement> rows;
    db.query(
        "SELECT item_id, container_id, at_parent, at_name, path, inode, size, sha256, hash, ctag, mtime, "
        "verdict, announced FROM placing",
        [&](index::row r) { rows.push_back(read_placing(r)); }
    );
    if (rows.empty()) {
        return core::result<void>();
    }
    // Whatever arrived is made durable before the index says so.
    if (auto synced = root.barrier(); !synced) {
        return synced;
    }
    index::database::transaction t(db);
    growths grown;
    for (const auto& p : rows) {
        const auto there = root.look("tree/" + p.path);
        if (there && there->inode == p.inode) {
            placed how;
            how.inode = p.inode;
            mark_staged(db, p, how, grown);
        }
    }
    note_growths(db, grown);
    db.run("DELETE FROM placing");
    t.commit();
    return core::result<void>();
}

}  // namespace m365stage::sync
