#include "index/walks.hpp"

#include <cstdlib>

#include "core/hash.hpp"
#include "index/containers.hpp"

namespace m365stage::index {
namespace {

// What stands in `stream.cursor` while a walk runs.
constexpr std::string_view walking = "walk";

}  // namespace

std::optional<walk_step> next_step(database& db, stream_id id, std::int64_t after) {
    std::optional<walk_step> out;
    db.query(
        "SELECT id, remote_id, link FROM walk WHERE stream_id=? AND id>? ORDER BY id LIMIT 1",
        [&](row r) {
            walk_step s;
            s.id = r.integer(0);
            s.remote_id = r.text(1);
            s.link = r.text(2);
            out = std::move(s);
        },
        id, after
    );
    return out;
}

std::optional<walk_step> next_silent(database& db, container_id container, stream_id id, std::int64_t after) {
    auto step = next_step(db, id, after);
    if (!step) {
        return step;  // as in most passes: nothing is written
    }
    database::transaction t(db);
    while (step && step->link.empty() && !has_no_children(db, container, step->remote_id)) {
        go_on_with(db, step->id, "");
        step = next_step(db, id, after);
    }
    t.commit();
    return step;
}

void go_on_with(database& db, std::int64_t step, std::string_view link) {
    if (link.empty()) {
        db.run("DELETE FROM walk WHERE id=?", step);
    } else {
        db.run("UPDATE walk SET link=? WHERE id=?", link, step);
    }
}

void note_step(
    database& db, const stream& s, const delta_page& page, const std::vector<std::string>& new_folders
) {
    if (*page.walked == 0) {
        db.run("DELETE FROM walk WHERE stream_id=?", s.id);
    }
    for (const auto& remote_id : new_folders) {
        add_step(db, s.id, remote_id);
    }
    go_on_with(db, *page.walked, page.cursor);
    db.run("UPDATE stream SET cursor=?, cursor_state=1, shape=? WHERE id=?", walking, page.shape, s.id);
}

void add_step(database& db, stream_id id, std::string_view remote_id) {
    db.run("INSERT OR IGNORE INTO walk (stream_id, remote_id) VALUES (?,?)", id, remote_id);
}

std::vector<work_item> unseen_items(
    database& db, const stream& s, bool folders_only, item_id after, int limit
) {
    std::vector<work_item> out;
    db.query(
        "SELECT i.id, i.remote_id, i.type FROM item AS i JOIN item AS p ON p.id=i.parent WHERE "
        "i.container_id=?1 AND i.id>?2 AND i.seen_round<?3 AND i.gone_round=0 AND i.type<>0 AND i.made=0 AND "
        "(?4=0 OR i.type=2) AND (p.seen_round>=?3 OR p.made=1) ORDER BY i.id LIMIT ?5",
        [&](row r) {
            work_item w;
            w.id = static_cast<item_id>(r.integer(0));
            w.container = s.container;
            w.remote_id = r.text(1);
            w.content = static_cast<item_type>(r.integer(2)) != item_type::folder;
            out.push_back(std::move(w));
        },
        s.container, after, s.round, folders_only, limit
    );
    return out;
}

std::vector<bool> known_as_they_are(
    database& db, const stream& s, const std::vector<std::pair<std::string, std::string>>& ids_and_etags
) {
    std::vector<bool> out;
    out.reserve(ids_and_etags.size());
    for (const auto& [id, etag] : ids_and_etags) {
        const auto known = db.number(
            "SELECT 1 FROM item AS i JOIN item AS p ON p.id=i.parent LEFT JOIN item AS q ON p.made=1 AND "
            "q.id=p.parent WHERE i.container_id=?1 AND i.remote_id=?2 AND i.etag=?3 AND i.gone_round=0 AND "
            "coalesce(q.remote_id, p.remote_id)=?4",
            s.container, id, core::fingerprint(etag), s.remote_id
        );
        out.push_back(!etag.empty() && known.has_value());
    }
    return out;
}

std::string root_remote_id(database& db, container_id id) {
    return db
        .text("SELECT i.remote_id FROM container AS c JOIN item AS i ON i.id=c.root_item WHERE c.id=?", id)
        .value_or("");
}

void note_detour(database& db, stream_id id, unix_seconds now) {
    set_setting(db, "detour " + std::to_string(static_cast<std::int64_t>(id)), std::to_string(now));
}

std::optional<unix_seconds> detour_since(database& db, stream_id id) {
    const auto text = setting(db, "detour " + std::to_string(static_cast<std::int64_t>(id)));
    return text ? std::optional<unix_seconds>(std::strtoll(text->c_str(), nullptr, 10)) : std::nullopt;
}

void forgo_sweep(database& db, stream_id id) {
    begin_round(db, id);  // should no page have come yet
    db.run("UPDATE stream SET round_full=0 WHERE id=?", id);
}

bool owes_items(database& db, const stream& s) {
    return db
        .number(
            "SELECT 1 FROM pending AS w JOIN item AS i ON i.id=w.item_id JOIN item AS p ON p.id=i.parent "
            "LEFT "
            "JOIN item AS q ON p.made=1 AND q.id=p.parent WHERE w.reason IS NOT NULL AND w.container_id=?1 "
            "AND i.gone_round=0 AND coalesce(q.remote_id, p.remote_id)=?2 LIMIT 1",
            s.container, s.remote_id
        )
        .has_value();
}

}  // namespace m365stage::index
