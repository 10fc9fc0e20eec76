#include <algorithm>
#include <limits>

#include "core/glob.hpp"
#include "index/containers.hpp"
#include "index/reports.hpp"

namespace m365stage::index {
namespace {

// What a level of folders keeps in memory; large enough that the seek for each batch does not count.
constexpr int batch_rows = 200;

/// Leaves folders out in which nothing can match, by the part of the pattern before the first wildcard.
/// A row of `item` with its row of `pending`.
struct walk_row {
    walk_row() = default;
    std::int64_t id = 0, gone_round = 0;
    std::optional<std::int64_t> parent;
    bool waits = false;
    bool failed = false;
    bool to_apply = false;
    std::string at_name;
    listed_item item;
};

/// A folder being walked: first what lies in it, then what will come into it.
struct level {
    level() = default;
    std::int64_t folder = 0;
    std::string path;
    bool gone = false;  ///< removed by the service, or within something that was
    bool held = false;  ///< and that removal is held
    bool placed_done = false, ended = false;
    std::string last_name;
    std::int64_t last_id = 0;
    bool rows_are_coming = false;  ///< `rows` are of what will come
    walk_position::step seen;      ///< the last row that was looked at
    std::vector<walk_row> rows;
    std::size_t next = 0;
};

#define WALK_COLUMNS                                                                                       \
    "SELECT i.id, i.remote_id, i.type, i.parent, i.name, i.at_name, i.gone_round, i.size, i.sha256, "      \
    "p.item_id IS NOT NULL, p.reason IS NOT NULL, p.state, p.error FROM item AS i LEFT JOIN pending AS p " \
    "ON p.item_id=i.id "
constexpr std::string_view placed_rows =
    WALK_COLUMNS "WHERE i.at_parent=?1 AND i.at_name>?2 ORDER BY i.at_name LIMIT ?3";
constexpr std::string_view coming_rows = WALK_COLUMNS
    "WHERE i.parent=?1 AND (i.name, i.id)>(?2, ?3) AND i.at_parent IS NULL ORDER BY i.name, i.id LIMIT ?4";
#undef WALK_COLUMNS

walk_row read(row r) {
    walk_row w;
    w.id = r.integer(0);
    w.item.remote_id = r.text(1);
    w.item.type = static_cast<item_type>(r.integer(2));
    w.parent = r.maybe_integer(3);
    w.item.name = r.text(4);
    w.at_name = r.text(5);
    w.gone_round = r.integer(6);
    if (w.item.type == item_type::file && !w.at_name.empty()) {
        w.item.size = r.maybe_integer(7);
        w.item.sha256 = r.bytes(8);
    }
    w.waits = r.integer(9) != 0;
    w.failed = r.integer(10) != 0;
    w.to_apply = r.integer(11) != 0;
    w.item.error = w.failed ? r.text(12) : std::string();
    return w;
}

class walker {
public:
    walker(
        database& db, const container& c, const core::path_pattern& filter, const name_rule& local_name,
        const std::function<bool(const container&, const listed_item&)>& each, std::int64_t most_rows
    )
        : db_(db),
          container_(c),
          filter_(filter),
          local_name_(local_name),
          each_(each),
          rows_left_(most_rows) {
        // What is not in the tree yet has work waiting or its place to be found.
        all_placed_ = !db.number("SELECT 1 FROM pending WHERE container_id=? LIMIT 1", c.id) &&
                      !db.number("SELECT 1 FROM item WHERE container_id=? AND dirty<>0 LIMIT 1", c.id);
    }

    /// Where to go on if the reader has enough or too many rows were looked at.
    std::optional<walk_position> run(const walk_position* from) {
        const auto& key = container_.at_key.empty() ? container_.key : container_.at_key;
        if (!container_.root || !filter_.may_select_below(key)) {
            return std::nullopt;
        }
        if (from == nullptr) {
            enter(static_cast<std::int64_t>(*container_.root), key, false, false);
        } else {
            go_on(*from);
        }
        while (!stack_.empty() && wanted_ && rows_left_ > 0) {
            auto& top = stack_.back();
            if (top.next < top.rows.size()) {
                top.seen.coming = top.rows_are_coming;
                top.seen.name =
                    top.rows_are_coming ? top.rows[top.next].item.name : top.rows[top.next].at_name;
                top.seen.id = top.rows[top.next].id;
                take(top, std::move(top.rows[top.next++]));
            } else if (!fill(top)) {
                stack_.pop_back();
            }
        }
        return stack_.empty() ? std::nullopt : std::optional(position());
    }

    std::int64_t rows_left() const { return rows_left_; }

private:
    void enter(std::int64_t folder, std::string path, bool gone, bool held) {
        level l;
        l.folder = folder;
        l.path = std::move(path);
        l.gone = gone;
        l.held = held;
        stack_.push_back(std::move(l));
    }

    walk_position position() const {
        walk_position out;
        out.container = container_.key;
        for (const auto& l : stack_) {
            auto step = l.seen;
            step.folder = l.folder;
            step.gone = l.gone;
            step.held = l.held;
            out.steps.push_back(std::move(step));
        }
        return out;
    }

    /// Enters the folders where an earlier walk was; those that are not there any more are left out.
    void go_on(const walk_position& from) {
        for (const auto& step : from.steps) {
            auto path = path_of(db_, static_cast<item_id>(step.folder), local_name_);
            const auto owner = db_.number("SELECT container_id FROM item WHERE id=?", step.folder);
            if (path.empty() || owner != static_cast<std::int64_t>(container_.id)) {
                break;
            }
            enter(step.folder, std::move(path), step.gone, step.held);
            auto& l = stack_.back();
            l.seen = step;
            l.placed_done = step.coming;
            l.last_name = step.name;
            l.last_id = step.coming ? step.id : 0;
        }
    }

    /// The next batch of a folder; false at its end.
    bool fill(level& l) {
        if (l.ended) {
            return false;
        }
        l.rows.clear();
        l.next = 0;
        auto keep = [&l](row r) { l.rows.push_back(read(r)); };
        l.rows_are_coming = l.placed_done;
        if (!l.placed_done) {
            db_.query(placed_rows, keep, l.folder, l.last_name, batch_rows);
            l.placed_done = l.rows.size() < static_cast<std::size_t>(batch_rows);
            l.ended = l.placed_done && all_placed_;
            l.last_name = l.placed_done ? std::string() : l.rows.back().at_name;
            return true;
        }
        db_.query(coming_rows, keep, l.folder, l.last_name, l.last_id, batch_rows);
        l.ended = l.rows.size() < static_cast<std::size_t>(batch_rows);
        if (!l.ended) {
            l.last_name = l.rows.back().item.name;
            l.last_id = l.rows.back().id;
        }
        return true;
    }

    void take(const level& l, walk_row w) {
        --rows_left_;
        if (w.item.type == item_type::unknown) {
            return;
        }
        // What was moved out of a removed folder is not removed with it.
        const bool goes_along = w.gone_round == 0 && l.gone && w.parent == l.folder;
        const bool gone = w.gone_round != 0 || goes_along;
        const bool held = goes_along ? l.held
                                     : gone && container_.guard_held > 0 &&
                                           w.gone_round > container_.guard_approved.value_or(0);
        const auto& name = w.at_name;
        w.item.path = l.path + "/" + (name.empty() ? local_name_(w.item.name, w.item.remote_id) : name);
        w.item.state = held ? "held" : state_of(w);
        if ((!gone || held) && filter_.selects(w.item.path)) {
            wanted_ = each_(container_, w.item);
        }
        // A level is invalid once another one is put on top of it, so this comes last.
        if (is_folder(w.item.type) && filter_.may_select_below(w.item.path)) {
            enter(w.id, std::move(w.item.path), gone, held);
        }
    }

    static std::string_view state_of(const walk_row& w) {
        if (!w.waits) {
            return w.at_name.empty() ? "pending" : "staged";
        }
        if (w.failed) {
            return "failed";
        }
        return w.to_apply ? "spooled" : "pending";
    }

    database& db_;
    const container& container_;
    const core::path_pattern& filter_;
    const name_rule& local_name_;
    const std::function<bool(const container&, const listed_item&)>& each_;
    bool all_placed_ = false;
    bool wanted_ = true;
    std::int64_t rows_left_;
    std::vector<level> stack_;
};

}  // namespace

void list_items(
    database& db, std::string_view pattern, const name_rule& local_name,
    const std::function<bool(const container&, const listed_item&)>& each
) {
    list_items_piece(db, pattern, local_name, nullptr, std::numeric_limits<std::int64_t>::max(), each);
}

std::optional<walk_position> list_items_piece(
    database& db, std::string_view pattern, const name_rule& local_name, const walk_position* from,
    std::int64_t most_rows, const std::function<bool(const container&, const listed_item&)>& each
) {
    const core::path_pattern filter(pattern);
    std::optional<walk_position> left;
    auto walk = [&](const container& c, const walk_position* at) {
        walker w(db, c, filter, local_name, each, most_rows);
        left = w.run(at);
        most_rows = w.rows_left();
        return !left;
    };
    if (from != nullptr) {
        const auto c = find_container(db, from->container);
        if (c && !walk(*c, from)) {
            return left;
        }
    }
    each_container(
        db, which_containers::all, from != nullptr ? from->container : "",
        [&](const container& c) { return walk(c, nullptr); }
    );
    return left;
}

std::string path_of(database& db, item_id item, const name_rule& local_name) {
    std::string path;
    auto at = static_cast<std::int64_t>(item);
    // Bounded, because the service could describe a circle of parents.
    for (int depth = 0; depth < 1000; ++depth) {
        std::optional<std::int64_t> parent;
        std::string name;
        db.query(
            "SELECT coalesce(at_parent, parent), at_parent IS NOT NULL, at_name, name, remote_id FROM item "
            "WHERE id=?",
            [&](row r) {
                parent = r.maybe_integer(0);
                name = r.integer(1) != 0 ? r.text(2) : local_name(r.text(3), r.text(4));
            },
            at
        );
        if (!parent) {
            const auto key = db.text(
                "SELECT coalesce(c.at_key, c.key) FROM item AS i JOIN container AS c ON c.id=i.container_id "
                "WHERE i.id=? AND c.root_item=i.id",
                at
            );
            return key ? *key + path : std::string();
        }
        path.insert(0, "/" + name);
        at = *parent;
    }
    return {};
}

}  // namespace m365stage::index
