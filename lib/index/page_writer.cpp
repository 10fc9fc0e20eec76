#include "index/page_writer.hpp"

#include "core/hash.hpp"
#include "index/work.hpp"

namespace m365stage::index {

/// What decides whether content has to be fetched again. An unknown field never decides.
struct content_facts {
    std::int64_t size = 0;  ///< as announced
    std::string hash;
    std::int64_t ctag = 0;
    unix_seconds mtime = 0;
};

/// A row of `item` with what waits for it.
struct known_item {
    item_id id{};
    item_type type = item_type::unknown;
    std::optional<std::int64_t> parent;
    std::string name;
    std::int64_t etag = 0, meta = 0, seen_round = 0, gone_round = 0;
    bool in_tree = false;  ///< placed, or parked between two places
    std::optional<std::string> sha256;
    content_facts staged;
    std::optional<content_facts> wanted;  ///< of the pending row, if content is due
    bool pending = false;
};

namespace {

/// Contract 5.8: hashes decide when both are there; otherwise size, time and cTag.
bool content_differs(const content_facts& have, const content_facts& now) {
    if (!have.hash.empty() && !now.hash.empty()) {
        return have.hash != now.hash;
    }
    return have.size != now.size || have.mtime != now.mtime ||
           (have.ctag != 0 && now.ctag != 0 && have.ctag != now.ctag);
}

/// True if nothing but the eTag can tell that the content is another one: no hash, no cTag, and a time that
/// was cut to what a backup can hold, so that it stays the same whatever it becomes.
bool is_told_by_etag(const content_facts& have, const content_facts& now) {
    const bool hashed = !have.hash.empty() && !now.hash.empty();
    const bool counted = have.ctag != 0 && now.ctag != 0;
    return !hashed && !counted && (now.mtime <= 0 || now.mtime >= core::latest_mtime);
}

std::int64_t mark(std::string_view text) {
    return text.empty() ? 0 : core::fingerprint(text);
}

std::optional<std::string_view> maybe(std::string_view text) {
    return text.empty() ? std::nullopt : std::optional(text);
}

std::optional<known_item> find(database& db, container_id container, std::string_view remote_id) {
    std::optional<known_item> out;
    db.query(
        "SELECT i.id, i.type, i.parent, i.name, i.etag, i.meta, i.seen_round, i.gone_round, "
        "i.at_parent IS NOT NULL OR i.parked, i.sha256, coalesce(i.announced, i.size), i.hash, i.ctag, "
        "i.mtime, "
        "p.content, p.size, p.hash, p.ctag, p.mtime "
        "FROM item AS i LEFT JOIN pending AS p ON p.item_id=i.id WHERE i.container_id=? AND i.remote_id=?",
        [&](row r) {
            known_item i;
            i.id = static_cast<item_id>(r.integer(0));
            i.type = static_cast<item_type>(r.integer(1));
            i.parent = r.maybe_integer(2);
            i.name = r.text(3);
            i.etag = r.integer(4);
            i.meta = r.integer(5);
            i.seen_round = r.integer(6);
            i.gone_round = r.integer(7);
            i.in_tree = r.integer(8) != 0;
            if (!r.is_null(9)) {
                i.sha256 = r.bytes(9);
            }
            i.staged = {r.integer(10), r.text(11), r.integer(12), r.integer(13)};
            i.pending = !r.is_null(14);
            if (r.integer(14) != 0) {
                i.wanted = content_facts{r.integer(15), r.text(16), r.integer(17), r.integer(18)};
            }
            out = std::move(i);
            return false;
        },
        container, remote_id
    );
    return out;
}

}  // namespace

void page_writer::take(const item_change& change) {
    ++outcome.items;
    auto found = find(db_, container_.id, change.remote_id);
    if (change.removed) {
        // Nothing is done for what we never knew (contract Q11), nor for a root: whether a drive is gone
        // is discovery's business, and its files stay for the retention.
        if (found && found->parent && (from_.empty() || lies_in(*found, from_))) {
            remove(*found);
        }
        return;
    }
    if (change.same || change.unreadable) {
        take_untold(change, found);
        return;
    }
    if (found && found->type != item_type::unknown && is_folder(found->type) != is_folder(change.type)) {
        retire(*found);
        found.reset();
    }
    if (!found) {
        create(change);
    } else {
        update(change, *found);
    }
}

void page_writer::take_untold(const item_change& c, const std::optional<known_item>& have) {
    if (c.same) {
        if (have) {
            outcome.repeated += have->seen_round == container_.round ? 1 : 0;
            db_.run("UPDATE item SET seen_round=? WHERE id=?", container_.round, have->id);
        }
        return;
    }
    if (!have) {
        create(c);
        return;
    }
    const bool moved = !from_.empty() && !lies_in(*have, from_);
    const auto parent = moved ? parent_of(c) : have->parent;
    live_change_ += have->gone_round != 0 ? 1 : 0;
    db_.run(
        "UPDATE item SET parent=?, seen_round=?, gone_round=0, dirty=max(dirty, ?) WHERE id=?", parent,
        container_.round, moved || have->gone_round != 0 ? 1 : 0, have->id
    );
    ++outcome.changed;
    enqueue(have->id, c, true, work_cause::metadata);
}

std::optional<std::int64_t> page_writer::parent_of(const item_change& change) {
    if (change.root || change.parent_remote_id.empty()) {
        return std::nullopt;
    }
    if (change.parent_remote_id == last_parent_id_ && change.subfolder == last_subfolder_) {
        return last_parent_;
    }
    auto id = db_.number(
        "SELECT id FROM item WHERE container_id=? AND remote_id=?", container_.id, change.parent_remote_id
    );
    if (!id) {  // a child before its parent: a placeholder, filled when the parent comes (contract Q13)
        db_.run(
            "INSERT INTO item (container_id, remote_id, type, name) VALUES (?,?,0,'')", container_.id,
            change.parent_remote_id
        );
        id = db_.last_id();
    }
    if (!change.subfolder.empty()) {
        id = made_folder(*id, change);
    }
    last_parent_id_ = change.parent_remote_id;
    last_subfolder_ = change.subfolder;
    last_parent_ = id;
    return id;
}

std::int64_t page_writer::made_folder(std::int64_t parent, const item_change& change) {
    item_change made;
    made.remote_id = change.parent_remote_id + "/" + change.subfolder;
    made.type = item_type::folder;
    made.name = change.subfolder;
    made.meta = made.mark = made_folder_meta;
    const auto present =
        db_.number("SELECT id FROM item WHERE container_id=? AND remote_id=?", container_.id, made.remote_id);
    if (present) {
        if (db_.run("UPDATE item SET gone_round=0, dirty=1 WHERE id=? AND gone_round<>0", *present) > 0) {
            flag_twins(parent, made.name, static_cast<item_id>(*present));
        }
        return *present;
    }
    flag_twins(parent, made.name, item_id{});
    db_.run(
        "INSERT INTO item (container_id, remote_id, type, parent, name, meta, seen_round, dirty, made) "
        "VALUES (?,?,?,?,?,?,?,1,1)",
        container_.id, made.remote_id, made.type, parent, made.name, core::fingerprint(made.mark),
        container_.round
    );
    const auto id = db_.last_id();
    enqueue(static_cast<item_id>(id), made, false, work_cause::created);
    return id;
}

bool page_writer::lies_in(const known_item& item, std::string_view folder) {
    return db_
        .number(
            "SELECT 1 FROM item AS p LEFT JOIN item AS q ON p.made=1 AND q.id=p.parent WHERE p.id=? AND "
            "coalesce(q.remote_id, p.remote_id)=?",
            *item.parent, folder
        )
        .has_value();
}

void page_writer::create(const item_change& c) {
    const auto parent = parent_of(c);
    const bool twin = has_twin(parent, c.name);
    if (twin) {
        flag_twins(parent, c.name, item_id{});  // the new one may have the better right to the name
    }
    const int dirty = is_folder(c.type) || twin ? 1 : 0;
    db_.run(
        "INSERT INTO item (container_id, remote_id, type, parent, name, etag, meta, seen_round, dirty) "
        "VALUES (?,?,?,?,?,?,?,?,?)",
        container_.id, c.remote_id, c.type, parent, c.name, mark(c.etag), core::fingerprint(c.mark),
        container_.round, dirty
    );
    const auto id = static_cast<item_id>(db_.last_id());
    ++outcome.created;
    note_folder(c);
    if (c.root) {
        db_.run("UPDATE container SET root_item=? WHERE id=?", id, container_.id);
    } else {
        ++live_change_;
    }
    enqueue(id, c, c.content, work_cause::created);
}

void page_writer::update(const item_change& c, const known_item& have) {
    outcome.repeated += have.seen_round == container_.round ? 1 : 0;
    if (have.seen_round != container_.round) {
        note_folder(c);
    }
    const auto parent = parent_of(c);
    const bool was_placeholder = have.type == item_type::unknown;
    const bool returned = have.gone_round != 0;
    const bool elsewhere = have.parent != parent || have.name != c.name || was_placeholder || returned;
    const auto meta = core::fingerprint(c.mark);
    const auto etag = mark(c.etag);
    const content_facts now{c.size, c.hash, mark(c.ctag), c.mtime};
    const bool unexplained = c.etag_is_exact && have.etag != 0 && etag != have.etag && meta == have.meta &&
                             !(elsewhere && c.etag_tells_place);
    const bool other_meta = meta != have.meta || (c.content && !have.wanted && have.staged.mtime != c.mtime);
    // A new sidecar needs what the page does not tell.
    const bool unknown_meta = c.meta_with_content && (elsewhere || other_meta);
    const auto& before = have.wanted ? *have.wanted : have.staged;
    const bool told_by_etag =
        have.etag != 0 && etag != 0 && etag != have.etag && is_told_by_etag(before, now);
    const bool other_content = c.content && (unexplained || unknown_meta || told_by_etag ||
                                             content_differs(before, now) || (!have.wanted && !have.sha256));
    const bool etag_alone = etag != have.etag && !other_content && meta == have.meta && !elsewhere;
    const bool permissions = c.permissions && (c.permissions_changed || etag_alone);
    const bool columns = c.columns && etag != have.etag;

    if (elsewhere || meta != have.meta || etag != have.etag || have.seen_round != container_.round) {
        db_.run(
            "UPDATE item SET type=?, parent=?, name=?, etag=?, meta=?, seen_round=?, gone_round=0, "
            "dirty=max(dirty, ?) WHERE id=?",
            c.type, parent, c.name, etag, meta, container_.round, elsewhere ? 1 : 0, have.id
        );
    }
    if (c.content && !other_content && !have.wanted && have.staged.ctag == 0 && now.ctag != 0) {
        // Not every answer has a cTag (contract 5.4): the first one stands for what is staged.
        db_.run("UPDATE item SET ctag=? WHERE id=?", now.ctag, have.id);
    }
    if (elsewhere) {
        flag_twins(parent, c.name, have.id);
        flag_twins(have.parent, have.name, have.id);  // who did without the name that is free now
    }
    if ((was_placeholder || returned) && !c.root) {
        ++live_change_;
    }
    if (c.root) {
        db_.run(
            "UPDATE container SET root_item=? WHERE id=? AND root_item IS NOT ?1", have.id, container_.id
        );
    }
    if (other_content || other_meta || permissions || columns || was_placeholder) {
        ++outcome.changed;
        const auto cause = was_placeholder ? work_cause::created
                           : other_content ? work_cause::content
                                           : work_cause::metadata;
        enqueue(have.id, c, other_content || have.wanted.has_value(), cause);
    } else if (elsewhere) {
        ++outcome.changed;
        // The sidecar names name and parent.
        enqueue(have.id, c, have.wanted.has_value(), work_cause::place);
    } else {
        ++outcome.unchanged;
        if (have.pending && !c.url.empty()) {
            db_.run("UPDATE pending SET url=?, url_until=? WHERE item_id=?", c.url, url_until_, have.id);
        }
    }
}

void page_writer::enqueue(item_id id, const item_change& c, bool content, work_cause cause) {
    const bool permissions = c.permissions;
    const bool refused = !c.refusal.empty();
    outcome.to_fetch += content && !refused ? 1 : 0;
    const bool fetch = content || permissions || c.columns;
    const auto state = fetch ? work_state::to_fetch : work_state::to_apply;
    // What the service refuses to serve is looked at again once a day, not at every pass.
    constexpr unix_seconds refused_pause = 86'400;
    db_.run(
        "INSERT INTO pending (item_id, container_id, state, version, content, permissions, cause, meta, "
        "size, hash, "
        "ctag, mtime, url, url_until, owed_since, attempts, next_try, reason, error, columns) "
        "VALUES (?1,?2,?3,1,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19) "
        "ON CONFLICT (item_id) DO UPDATE SET state=excluded.state, version=version+1, "
        "content=excluded.content, permissions=excluded.permissions, access=NULL, "
        "columns=excluded.columns, column_values=NULL, read_later=NULL, "
        "cause=max(cause, excluded.cause), meta=excluded.meta, "
        "size=excluded.size, hash=excluded.hash, ctag=excluded.ctag, mtime=excluded.mtime, "
        "url=excluded.url, "
        "url_until=excluded.url_until, spool=NULL, spool_inode=NULL, spool_size=NULL, spool_sha256=NULL, "
        "verdict=NULL, first_bytes=NULL, attempts=excluded.attempts, next_try=excluded.next_try, "
        "reason=excluded.reason, error=excluded.error",
        id, container_.id, state, content, permissions, cause, c.meta, c.size, c.hash, mark(c.ctag), c.mtime,
        maybe(c.url), url_until_, now_, refused ? 1 : 0, refused ? now_ + refused_pause : 0, maybe(c.refusal),
        maybe(c.refusal_text), c.columns
    );
}

void page_writer::note_folder(const item_change& c) {
    if (is_folder(c.type)) {
        new_folders_.push_back(c.remote_id);
    }
}

void page_writer::remove(const known_item& have) {
    if (have.type == item_type::unknown || have.gone_round != 0) {
        return;
    }
    db_.run(
        "UPDATE item SET gone_round=?, dirty=1, seen_round=? WHERE id=?", container_.round, container_.round,
        have.id
    );
    if (have.pending) {
        fetch_again(db_, have.id);  // nobody places it any more, and the guard may keep it for long
    }
    ++outcome.removed;
    --live_change_;
}

void page_writer::retire(const known_item& have) {
    remove(have);
    db_.run("UPDATE item SET remote_id=remote_id || '#' || id WHERE id=?", have.id);
    last_parent_id_.clear();
}

bool page_writer::has_twin(std::optional<std::int64_t> parent, std::string_view name) {
    return parent && db_.number("SELECT 1 FROM item WHERE parent=? AND name=? LIMIT 1", *parent, name);
}

void page_writer::flag_twins(std::optional<std::int64_t> parent, std::string_view name, item_id self) {
    if (parent) {
        db_.run(
            "UPDATE item SET dirty=1 WHERE parent=? AND name=? AND id<>? AND dirty=0", *parent, name, self
        );
    }
}

}  // namespace m365stage::index
