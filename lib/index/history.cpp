#include "index/history.hpp"

#include <algorithm>
#include <limits>
#include <set>

#include "index/containers.hpp"

namespace m365stage::index {
namespace {

/// The object that lies at the path now.
std::optional<std::int64_t> item_at(database& db, std::string_view path) {
    for (const auto& c : containers(db)) {
        if (c.at_key.empty() || !c.root || !path.starts_with(c.at_key)) {
            continue;
        }
        auto rest = path.substr(c.at_key.size());
        std::optional<std::int64_t> at = static_cast<std::int64_t>(*c.root);
        if (!rest.empty() && rest.front() != '/') {
            continue;
        }
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

struct item_version {
    std::int64_t item = 0;
    version_row row;
};

/// A job that was saved and read a tree that stood still, with a generation from `first` to before `next`.
std::optional<job_row> job_between(const std::vector<job_row>& saved, std::int64_t first, std::int64_t next) {
    const auto found = std::find_if(saved.begin(), saved.end(), [=](const job_row& j) {
        return j.generation >= first && j.generation < next;
    });
    return found == saved.end() ? std::nullopt : std::optional(*found);
}

}  // namespace

std::vector<version_row> versions_of(database& db, std::string_view path) {
    std::set<std::int64_t> items;
    if (const auto now = item_at(db, path)) {
        items.insert(*now);
    }
    db.query(
        "SELECT DISTINCT item_id FROM change WHERE new_path=?1 OR old_path=?1",
        [&](row r) { items.insert(r.integer(0)); }, path
    );
    std::vector<item_version> all;
    db.query(
        "SELECT c.item_id, c.generation, g.finished_at, c.what, c.old_path, c.new_path FROM change AS c JOIN "
        "generation AS g ON g.id=c.generation WHERE g.finished_at IS NOT NULL ORDER BY c.id",
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
            all.push_back(std::move(v));
        }
    );
    auto saved = jobs(db, -1);
    std::erase_if(saved, [](const job_row& j) { return !j.saved() || !j.read_whole(); });
    std::reverse(saved.begin(), saved.end());
    std::vector<version_row> out;
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
        out.push_back(std::move(all[i].row));
    }
    return out;
}

}  // namespace m365stage::index
