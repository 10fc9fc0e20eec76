#include "sync/run/columns.hpp"

#include <nlohmann/json.hpp>

#include "core/log.hpp"
#include "graph/errors.hpp"
#include "index/columns.hpp"

namespace m365stage::sync {
namespace {

using core::error_kind;
using nlohmann::json;

task<core::result<void>> ask_for_columns(pass_context& pass, const index::container& c, known_columns& have) {
    // Each item that waits wants to know them, and a question takes all its retries each time.
    if (have.failed && std::chrono::steady_clock::now() < have.ask_again) {
        co_return *have.failed;
    }
    auto answer = co_await pass.source_of(c.kind).read_columns(pass.graph, c);
    if (!answer && !is_lasting_for_columns(answer.error())) {
        constexpr std::chrono::minutes rest(1);
        have.failed = answer.error();
        have.ask_again = std::chrono::steady_clock::now() + rest;
        co_return answer.error();
    }
    have.failed.reset();
    if (answer) {
        have.columns = std::move(*answer);
    } else {
        have.refused = answer.error().kind == error_kind::forbidden;
        co_await report_columns(pass, c, answer.error());
    }
    co_return core::result<void>();
}

/// What is known of a container's columns, asked for once in a pass. Errors: transient ones.
task<core::result<known_columns*>> know_columns(pass_context& pass, const index::container& c) {
    const auto place = pass.columns.try_emplace(static_cast<std::int64_t>(c.id), pass.executor);
    auto& have = place.first->second;  // an unordered map keeps its elements in place
    const auto ask = [&] { return ask_for_columns(pass, c, have); };
    const auto asked = co_await have.asked.run(ask);
    if (!asked) {
        co_return asked.error();
    }
    co_return &have;
}

/// One page into the index. Returns the link to go on with; empty: it was the last one.
task<std::string> take_page(
    pass_context& pass, const index::container& c, const known_columns& have, graph::page page
) {
    auto rows = column_rows(pass.source_of(c.kind), *page.value, have.columns);
    auto write = [id = c.id, rows = std::move(rows), cursor = page.delta_link](index::database& db) {
        index::take_column_page(db, id, rows, cursor);
    };
    co_await pass.store.call(std::move(write));
    co_return page.next_link;
}

/// From where the last pass ended. Whatever fails here costs a request for each item that waits.
task<void> follow_feed(pass_context& pass, const index::container& c, known_columns& have) {
    auto begin = [id = c.id](index::database& db) {
        index::prune_column_values(db, id);
        return index::column_cursor(db, id);
    };
    auto link = co_await pass.store.call(std::move(begin));
    if (!link.empty() && !pass.graph.is_own(link)) {
        link.clear();
    }
    bool from_cursor = !link.empty();
    constexpr int most_pages = 100'000;
    for (int pages = 0; pages < most_pages; ++pages) {
        auto page = co_await pass.source_of(c.kind).read_column_page(pass.graph, c, link);
        if (!page && from_cursor && is_lasting_for_columns(page.error())) {
            // Thrown away by the service, or broken: all of it once more.
            auto drop = [id = c.id](index::database& db) { index::drop_column_cursor(db, id); };
            co_await pass.store.call(std::move(drop));
            link.clear();
            from_cursor = false;
            continue;
        }
        if (!page) {
            have.feed_refused = page.error().kind == error_kind::forbidden;
            core::log(core::log_level::info, c.key + ": no feed of columns: " + core::describe(page.error()));
            co_return;
        }
        auto next = co_await take_page(pass, c, have, std::move(*page));
        if (next.empty() || next == link) {
            have.fed = true;
            co_return;
        }
        link = std::move(next);
    }
}

bool has_values(const index::item_change& change) {
    return !change.removed && !change.root && !change.same && !change.unreadable &&
           (change.type == index::item_type::file || change.type == index::item_type::folder);
}

}  // namespace

task<void> report_columns(pass_context& pass, const index::container& c, std::optional<core::error> why) {
    std::vector<std::string> reasons;
    if (why) {
        core::error e = std::move(*why);
        e.operation = "read columns";
        e.object = c.key;
        e.hint = "grant Sites.Read.All; the library is staged without its columns";
        core::log(core::log_level::warning, core::describe(e));
        if (e.kind == error_kind::forbidden) {
            reasons.push_back("columns: " + e.cause);
        }
    }
    auto note = [key = c.key, reasons = std::move(reasons), now = core::now_seconds()](index::database& db) {
        index::note_columns_refused(db, key, reasons, now);
    };
    co_await pass.store.call(std::move(note));
}

bool is_lasting_for_columns(const core::error& e) {
    return !core::is_transient(e.kind) && e.kind != error_kind::auth_refused &&
           e.kind != error_kind::cancelled;
}

task<core::result<std::optional<std::vector<sources::column>>>> columns_of(
    pass_context& pass, const index::container& c
) {
    using columns = std::optional<std::vector<sources::column>>;
    auto have = co_await know_columns(pass, c);
    if (!have) {
        co_return have.error();
    }
    co_return (*have)->refused ? columns() : columns((*have)->columns);
}

std::vector<index::column_row> column_rows(
    const sources::source& source, const json& page, const std::vector<sources::column>& columns
) {
    std::vector<index::column_row> rows;
    for (const auto& element : page) {
        if (auto row = source.parse_column_row(element, columns)) {
            rows.push_back(std::move(*row));
        }
    }
    return rows;
}

task<void> mark_columns(pass_context& pass, const index::container& c, std::span<index::item_change> items) {
    const bool any = std::any_of(items.begin(), items.end(), &has_values);
    if (!any || !pass.source_of(c.kind).may_have_columns(c)) {
        co_return;
    }
    auto have = co_await know_columns(pass, c);
    if (have && (*have)->columns.empty()) {
        co_return;
    }
    if (have && !(*have)->followed) {
        (*have)->followed = true;
        co_await follow_feed(pass, c, **have);
    }
    for (auto& change : items) {
        change.columns = has_values(change);
    }
}

task<void> mark_columns(pass_context& pass, const index::container& c, index::item_change& item) {
    return mark_columns(pass, c, std::span(&item, 1));
}

task<core::result<std::string>> column_values_of(
    pass_context& pass, const index::container& c, const index::work_item& item
) {
    auto find = [id = item.id](index::database& db) { return index::column_values_of(db, id); };
    auto told = co_await pass.store.call(std::move(find));
    if (told) {
        co_return std::move(*told);
    }
    auto have = co_await know_columns(pass, c);
    if (!have) {
        co_return have.error();
    }
    if ((*have)->columns.empty() || ((*have)->feed_refused && (*have)->item_refused)) {
        co_return std::string("{}");
    }
    auto answer =
        co_await pass.source_of(c.kind).read_column_values(pass.graph, c, item.remote_id, (*have)->columns);
    // Some objects of a drive are no items of its list. Without a clear word of the service it may be a
    // passing fault, and nothing would ask again once the item is staged.
    if (!answer && is_lasting_for_columns(answer.error()) && graph::is_clear(answer.error(), item.attempts)) {
        const bool forbidden = answer.error().kind == error_kind::forbidden && !(*have)->fed;
        if (forbidden && !(*have)->item_refused) {
            (*have)->item_refused = true;
            co_await report_columns(pass, c, answer.error());
        }
        co_return std::string("{}");
    }
    co_return answer;
}

}  // namespace m365stage::sync
