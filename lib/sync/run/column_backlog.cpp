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

/// Of one page, in one step of each thread.
task<std::size_t> take_late_values(
    pass_context& pass, const index::container& c, std::vector<index::column_row> rows, std::string cursor
) {
    auto find = [id = c.id, rows = std::move(rows), cursor = std::move(cursor)](index::database& db) {
        auto staged = index::staged_columns_of(db, id, rows);
        index::take_column_page(db, id, rows, cursor);
        return staged;
    };
    auto staged = co_await pass.store.call(std::move(find));
    auto compare = [&pass, staged = std::move(staged)] { return differing(pass.root, staged); };
    auto late = co_await pass.disk.run(std::move(compare));
    const auto count = late.size();
    if (count > 0) {
        auto write = [late = std::move(late), now = core::now_seconds()](index::database& db) {
            write_anew(db, late, now);
            return true;
        };
        co_await pass.store.call(std::move(write));
        pass.found_ready(c.id);
    }
    co_return count;
}

}  // namespace

task<void> catch_up_on_columns(pass_context& pass, const index::container& c) {
    const auto& source = pass.source_of(c.kind);
    if (!source.may_have_columns(c)) {
        co_return;
    }
    auto ask = [id = c.id](index::database& db) { return index::columns_are_behind(db, id); };
    const bool behind = co_await pass.store.call(std::move(ask));
    if (!behind) {
        co_return;
    }
    auto columns = co_await columns_of(pass, c);
    if (!columns) {
        co_return;
    }
    std::size_t count = 0;
    graph::call at;
    at.object = c.key;
    graph::page_chain chain;
    for (bool more = !columns->empty(); more;) {
        auto page = co_await source.read_column_page(pass.graph, c, at.target);
        if (!page && !is_lasting_for_columns(page.error())) {
            co_return;
        }
        if (!page) {
            core::log(core::log_level::info, c.key + ": no feed of columns: " + core::describe(page.error()));
            break;
        }
        auto rows = column_rows(source, *page->value, *columns);
        const auto late = co_await take_late_values(pass, c, std::move(rows), page->delta_link);
        count += late;
        const auto next = chain.next(at, *page);
        more = next && *next;
    }
    auto note = [id = c.id](index::database& db) {
        index::note_columns_known(db, id);
        return true;
    };
    co_await pass.store.call(std::move(note));
    if (count > 0) {
        core::log(
            core::log_level::info,
            c.key + ": " + std::to_string(count) + " items staged before get the values of their columns"
        );
    }
}

}  // namespace m365stage::sync
