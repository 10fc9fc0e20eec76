#include "sync/run/column_backlog.hpp"

#include <nlohmann/json.hpp>

#include "core/log.hpp"
#include "graph/paging.hpp"
#include "index/columns.hpp"
#include "sync/run/columns.hpp"
#include "tree/names.hpp"
#include "tree/verify.hpp"

namespace m365stage::sync {
namespace {

/// A sidecar that is to be written with the values of its library's columns.
struct late_values {
    late_values() = default;
    index::item_id id{};
    tree::sidecar sidecar;
};

/// The sidecars that have other values than these. One that can't be read is verification's business. Blocks.
std::vector<late_values> differing(
    const tree::stage_root& root, const std::vector<index::staged_columns>& rows
) {
    std::vector<late_values> out;
    for (const auto& row : rows) {
        auto s = tree::read_sidecar(root, "tree/" + tree::sidecar_path(row.path));
        const auto wanted = row.values == "{}" ? std::string() : row.values;
        if (s && s->columns != wanted) {
            late_values one;
            one.id = row.id;
            one.sidecar = std::move(*s);
            one.sidecar.columns = row.values;
            out.push_back(std::move(one));
        }
    }
    return out;
}

/// All of a sidecar but the columns stays: there is nothing to fetch.
void write_anew(index::database& db, const std::vector<late_values>& rows, core::unix_seconds now) {
    index::database::transaction t(db);
    for (const auto& row : rows) {
        db.run(
            "INSERT INTO pending (item_id, container_id, state, version, content, permissions, cause, meta, "
            "size, mtime, access, owed_since, column_values) SELECT id, container_id, ?2, 1, 0, 0, ?3, ?4, "
            "size, mtime, ?5, ?6, ?7 FROM item WHERE id=?1 ON CONFLICT (item_id) DO NOTHING",
            row.id, index::work_state::to_apply, index::work_cause::metadata, row.sidecar.item,
            row.sidecar.permissions.empty() ? std::nullopt : std::optional(row.sidecar.permissions), now,
            row.sidecar.columns
        );
    }
    t.commit();
}

/// Compares in one step of the disk thread, and records what differs in one of the index.
task<std::size_t> take_late_values(
    pass_context& pass, const index::container& c, std::vector<index::staged_columns> staged
) {
    auto compare = [&pass, staged = std::move(staged)] { return differing(pass.root, staged); };
    auto late = co_await pass.disk.run(std::move(compare));
    const auto count = late.size();
    if (count > 0) {
        auto write = [late = std::move(late), now = core::now_seconds()](index::database& db) {
            write_anew(db, late, now);
        };
        co_await pass.store.call(std::move(write));
        pass.found_ready(c.id);
    }
    co_return count;
}

/// Gives what was staged without the values of its columns these values.
class backlog {
public:
    backlog(pass_context& pass, const index::container& c) : pass_(pass), container_(c) {}

    task<void> run() {
        auto ask = [id = container_.id, key = container_.key](index::database& db) {
            return std::pair(index::columns_are_refused(db, key), index::columns_are_behind(db, id));
        };
        const auto state = co_await pass_.store.call(std::move(ask));
        if (state.first) {
            refused_ = co_await is_our_turn();
        }
        if (!refused_ && !state.second) {
            co_return;
        }
        auto columns = co_await columns_of(pass_, container_);
        if (!columns || !*columns) {
            co_return;
        }
        columns_ = std::move(**columns);
        bool done = true;
        if (!columns_.empty() && refused_) {
            done = co_await may_ask();
        }
        if (!columns_.empty() && done) {
            done = co_await read();
        }
        if (done) {
            co_await end();
        }
    }

private:
    /// In each pass some of the libraries whose columns were refused are asked again, so that many of them
    /// cost no more than a few.
    task<bool> is_our_turn() {
        constexpr std::int64_t at_once = 20;
        if (!pass_.refused_libraries) {
            auto count = [](index::database& db) { return index::count_refused_columns(db); };
            pass_.refused_libraries = co_await pass_.store.call(std::move(count));
        }
        const auto turns = 1 + *pass_.refused_libraries / at_once;
        co_return static_cast<std::int64_t>(container_.id) % turns == pass_.pass_id % turns;
    }

    /// Asks for some items by themselves, which tells whether it is worth to go on. An item may be forbidden
    /// whatever the app may read.
    task<bool> may_ask() {
        constexpr int probes = 3;
        auto find = [id = container_.id](index::database& db) {
            return index::staged_after(db, id, index::item_id{}, probes);
        };
        const auto some = co_await pass_.store.call(std::move(find));
        std::optional<core::error> why;
        for (const auto& one : some) {
            auto values = co_await ask_for(one.remote_id);
            const bool forbidden = !values && values.error().kind == core::error_kind::forbidden;
            if (!forbidden) {
                co_return values || is_lasting_for_columns(values.error());
            }
            why = values.error();
        }
        if (why) {
            co_await report_columns(pass_, container_, std::move(why));
        }
        co_return some.empty();
    }

    task<core::result<std::string>> ask_for(std::string remote_id) {
        const auto& source = pass_.source_of(container_.kind);
        return source.read_column_values(pass_.graph, container_, std::move(remote_id), columns_);
    }

    /// False: not to the end.
    task<bool> read() {
        const auto& source = pass_.source_of(container_.kind);
        graph::call at;
        at.object = container_.key;
        graph::page_chain chain;
        for (bool more = true; more;) {
            auto page = co_await source.read_column_page(pass_.graph, container_, at.target);
            if (!page && !is_lasting_for_columns(page.error())) {
                co_return false;
            }
            if (!page) {
                core::log(
                    core::log_level::info,
                    container_.key + ": no feed of columns: " + core::describe(page.error())
                );
                // Items that were refused have no values; others got theirs one by one.
                if (refused_) {
                    co_return co_await read_each();
                }
                co_return true;
            }
            co_await take_page(*page);
            const auto next = chain.next(at, *page);
            more = next && *next;
        }
        co_return true;
    }

    task<void> take_page(const graph::page& page) {
        auto rows = column_rows(pass_.source_of(container_.kind), *page.value, columns_);
        auto find = [id = container_.id, rows = std::move(rows),
                     cursor = page.delta_link](index::database& db) {
            auto staged = index::staged_columns_of(db, id, rows);
            index::take_column_page(db, id, rows, cursor);
            return staged;
        };
        auto staged = co_await pass_.store.call(std::move(find));
        const auto late = co_await take_late_values(pass_, container_, std::move(staged));
        count_ += late;
    }

    /// A request for each item, where no feed tells. False: not to the end.
    task<bool> read_each() {
        constexpr int at_once = 100;
        constexpr int most_forbidden = 3;
        int forbidden = 0;
        for (index::item_id after{};;) {
            auto find = [id = container_.id, after](index::database& db) {
                return index::staged_after(db, id, after, at_once);
            };
            const auto some = co_await pass_.store.call(std::move(find));
            if (some.empty()) {
                co_return true;
            }
            after = some.back().id;
            std::vector<index::staged_columns> told;
            for (const auto& one : some) {
                auto values = co_await ask_for(one.remote_id);
                if (values) {
                    told.push_back(one);
                    told.back().values = std::move(*values);
                    continue;
                }
                forbidden += values.error().kind == core::error_kind::forbidden ? 1 : 0;
                if (!is_lasting_for_columns(values.error()) || forbidden > most_forbidden) {
                    co_return false;
                }
            }
            const auto late = co_await take_late_values(pass_, container_, std::move(told));
            count_ += late;
        }
    }

    task<void> end() {
        auto note = [id = container_.id](index::database& db) { index::note_columns_known(db, id); };
        co_await pass_.store.call(std::move(note));
        if (refused_) {
            co_await report_columns(pass_, container_, std::nullopt);
        }
        if (count_ > 0) {
            core::log(
                core::log_level::info, container_.key + ": " + std::to_string(count_) +
                                           " items staged before get the values of their columns"
            );
        }
    }

    pass_context& pass_;
    const index::container& container_;
    bool refused_ = false;  ///< the service said no when they were staged
    std::vector<sources::column> columns_;
    std::size_t count_ = 0;
};

}  // namespace

task<void> catch_up_on_columns(pass_context& pass, const index::container& c) {
    if (pass.source_of(c.kind).may_have_columns(c)) {
        backlog b(pass, c);
        co_await b.run();
    }
}

}  // namespace m365stage::sync
