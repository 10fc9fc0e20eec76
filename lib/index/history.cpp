#include "index/history.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <set>

namespace m365stage::index {
namespace {

/// The object that lies at the path now.
std::optional<std::int64_t> item_at(database& db, std::string_view path) {
    for (std::size_t end = 0; end != std::string_view::npos;) {
        end = path.find('/', end + 1);
        auto rest = end == std::string_view::npos ? std::string_view() : path.substr(end);
        auto at = db.number("SELECT root_item FROM container WHERE at_key=?", path.substr(0, end));
        while (at && !rest.empty()) {
            rest.remove_prefix(1);
            const auto name = rest.substr(0, rest.find('/'));
            at = db.number("SELECT id FROM item WHERE at_parent=? AND at_name=?", *at, name);
            rest.remove_prefix(name.size());
        }
        if (at) {
            return at;
        }
    }
    return std::nullopt;
}

/// A path that lies below `folder`, with `folder` now called `name`; nullopt: it does not.
std::optional<std::string> below_renamed(
    const std::string& path, const std::string& folder, const std::string& name
) {
    if (path.size() <= folder.size() || path[folder.size()] != '/' || !path.starts_with(folder)) {
        return std::nullopt;
    }
    return name + path.substr(folder.size());
}

/// A row of `change` that gave a folder another place.
struct rename_row {
    rename_row() = default;
    std::int64_t id = 0, generation = 0, item = 0;
    std::string from, to;
};

void each_rename(database& db, bool newest_first, const std::function<void(const rename_row&)>& each) {
    // 4, 5: renamed, moved; 2, 3: folder, package.
#define FOLDER_RENAMES                                                                                     \
    "SELECT id, generation, item_id, old_path, new_path FROM change WHERE what IN (4, 5) AND type IN (2, " \
    "3) AND old_path IS NOT NULL AND new_path IS NOT NULL ORDER BY id"
    static constexpr std::string_view forward = FOLDER_RENAMES;
    static constexpr std::string_view back = FOLDER_RENAMES " DESC";
#undef FOLDER_RENAMES
    db.query(newest_first ? back : forward, [&](row r) {
        rename_row renamed;
        renamed.id = r.integer(0);
        renamed.generation = r.integer(1);
        renamed.item = r.integer(2);
        renamed.from = r.text(3);
        renamed.to = r.text(4);
        each(renamed);
    });
}

/// What the path was called before folders above it got their names, each with the change that ended that.
using former_paths = std::multimap<std::string, std::int64_t, std::less<>>;

former_paths former_paths_of(database& db, std::string_view path) {
    constexpr std::size_t most = 1000;
    former_paths out;
    std::vector<std::string> known{std::string(path)};
    each_rename(db, true, [&](const rename_row& r) {
        const auto later = known.size();
        for (std::size_t i = 0; i < later && known.size() < most; ++i) {
            if (auto earlier = below_renamed(known[i], r.to, r.from)) {
                out.emplace(*earlier, r.id);
                known.push_back(std::move(*earlier));
            }
        }
    });
    return out;
}

/// What stood at a former path when the folder above it was renamed: it came to the path without a change of
/// its own.
void add_carried(database& db, const former_paths& former, std::set<std::int64_t>& items) {
    struct place {
        std::string path;
        std::int64_t since = 0;
    };
    std::map<std::int64_t, place> standing;
    auto leave = [&](std::map<std::int64_t, place>::iterator at, std::int64_t left) {
        const auto [first, last] = former.equal_range(at->second.path);
        const bool carried = std::any_of(first, last, [&](const auto& renamed) {
            return renamed.second > at->second.since && renamed.second < left;
        });
        if (carried) {
            items.insert(at->first);
        }
        return standing.erase(at);
    };
    db.query("SELECT id, item_id, new_path FROM change ORDER BY id", [&](row r) {
        const auto item = r.integer(1);
        if (const auto at = standing.find(item); at != standing.end()) {
            leave(at, r.integer(0));
        }
        auto path = r.text(2);
        if (former.contains(path)) {
            standing[item] = {std::move(path), r.integer(0)};
        }
    });
    for (auto at = standing.begin(); at != standing.end();) {
        at = leave(at, std::numeric_limits<std::int64_t>::max());
    }
}

/// Whatever lies or lay at the path.
std::set<std::int64_t> items_of(database& db, std::string_view path) {
    std::set<std::int64_t> items;
    if (const auto now = item_at(db, path)) {
        items.insert(*now);
    }
    db.query(
        "SELECT DISTINCT item_id FROM change WHERE new_path=?1 OR old_path=?1",
        [&](row r) { items.insert(r.integer(0)); }, path
    );
    if (const auto former = former_paths_of(db, path); !former.empty()) {
        add_carried(db, former, items);
    }
    return items;
}

struct item_version {
    std::int64_t item = 0, change = 0;
    version_row row;
};

/// Takes the versions that a job holds to where they were in the job's generation.
void follow_renames(database& db, std::vector<item_version>& all) {
    // By its path alone one folder can't be told from another that had it before, as when two change names.
    std::vector<std::map<std::string, std::int64_t, std::less<>>> holders(all.size());
    each_rename(db, false, [&](const rename_row& r) {
        for (std::size_t i = 0; i < all.size(); ++i) {
            auto& v = all[i];
            if (!v.row.job || r.id <= v.change || r.generation > v.row.job->generation || r.item == v.item) {
                continue;
            }
            auto moved = below_renamed(v.row.path, r.from, r.to);
            const auto holder = holders[i].find(r.from);
            if (!moved || (holder != holders[i].end() && holder->second != r.item)) {
                continue;
            }
            v.row.path = std::move(*moved);
            std::erase_if(holders[i], [&r](const auto& h) {
                return h.first == r.from || below_renamed(h.first, r.from, r.to);
            });
            holders[i].insert_or_assign(r.to, r.item);
        }
    });
}

/// A job that was saved, with a generation from `first` to before `next`.
std::optional<job_row> job_between(const std::vector<job_row>& saved, std::int64_t first, std::int64_t next) {
    const auto found = std::find_if(saved.begin(), saved.end(), [=](const job_row& j) {
        return j.generation >= first && j.generation < next;
    });
    return found == saved.end() ? std::nullopt : std::optional(*found);
}

}  // namespace

std::vector<version_row> versions_of(database& db, std::string_view path) {
    const auto items = items_of(db, path);
    std::vector<item_version> all;
    db.query(
        "SELECT c.item_id, c.generation, g.finished_at, c.what, c.old_path, c.new_path, c.id FROM change AS "
        "c "
        "JOIN generation AS g ON g.id=c.generation WHERE g.finished_at IS NOT NULL ORDER BY c.id",
        [&](row r) {
            if (!items.contains(r.integer(0))) {
                return;
            }
            item_version v;
            v.item = r.integer(0);
            v.row.generation = r.integer(1);
            v.row.at = r.integer(2);
            v.row.what = static_cast<change_kind>(r.integer(3));
            v.row.old_path = r.maybe_text(4);
            v.row.new_path = r.maybe_text(5);
            v.row.path = v.row.new_path.value_or(v.row.old_path.value_or(""));
            v.change = r.integer(6);
            all.push_back(std::move(v));
        }
    );
    auto saved = jobs(db, -1);
    std::erase_if(saved, [](const job_row& j) { return !j.saved(); });
    std::reverse(saved.begin(), saved.end());
    for (std::size_t i = 0; i < all.size(); ++i) {
        constexpr auto never = std::numeric_limits<std::int64_t>::max();
        const auto later = std::find_if(
            all.begin() + static_cast<std::ptrdiff_t>(i) + 1, all.end(),
            [&](const item_version& v) { return v.item == all[i].item; }
        );
        const auto next = later == all.end() ? never : later->row.generation;
        if (all[i].row.what != change_kind::deleted) {
            all[i].row.job = job_between(saved, all[i].row.generation, next);
        }
    }
    follow_renames(db, all);
    std::vector<version_row> out;
    out.reserve(all.size());
    for (auto& v : all) {
        out.push_back(std::move(v.row));
    }
    return out;
}

}  // namespace m365stage::index
