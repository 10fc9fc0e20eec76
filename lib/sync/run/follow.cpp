#include "sync/run/follow.hpp"

#include <nlohmann/json.hpp>

#include "core/log.hpp"
#include "sync/run/columns.hpp"

namespace m365stage::sync {
namespace {

using core::error_kind;

// A feed that brings nothing new for so many pages goes in a circle (contract Q3).
constexpr int most_idle_pages = 200;
constexpr int most_restarts = 3;

/// Contract 4.6: a cursor is good for the request it was made with, and for the endpoint that gave it.
bool is_stale(const index::stream& s, const std::string& shape, const graph::client& graph) {
    const bool link = s.cursor.find("://") != std::string::npos;  // others are marks of our own
    return !s.cursor.empty() && (s.shape != shape || (link && !graph.is_own(s.cursor)));
}

void go_back(index::database& db, index::stream_id id) {
    if (!index::restore_cursor(db, id)) {
        index::drop_cursor(db, id);
    }
}

}  // namespace

task<followed> stream_follower::run() {
    co_await reload();
    // A round that an earlier pass began tells how things were then; what changed since comes in the next
    // one, and a pass promises the present state.
    const bool begun_earlier = stream_.cursor_state == index::cursor_state::mid_round;
    co_await rounds();
    const bool was_full = full_;
    if (begun_earlier && complete_) {
        complete_ = false;
        co_await rounds();
    }
    full_ = full_ || was_full;
    note_answer();
    if (missing_) {
        co_return followed::missing;
    }
    co_return complete_ ? followed::complete : followed::failed;
}

/// One complete round, begun again when the service wants that.
task<void> stream_follower::rounds() {
    for (int restarts = 0; restarts <= most_restarts; ++restarts) {
        const auto step = co_await one_round();
        if (step != next_step::restart) {
            break;
        }
    }
}

task<void> stream_follower::reload() {
    auto id = id_;
    auto read = [id](index::database& db) { return index::find_stream(db, id); };
    auto found = co_await pass_.store.call(std::move(read));
    take_over(std::move(found));
}

void stream_follower::take_over(std::optional<index::stream> found) {
    if (!found) {
        throw core::fatal(core::error(error_kind::internal, "the stream vanished from the index"));
    }
    stream_ = std::move(*found);
}

/// A round begins in the index with its first page, so that a folder with nothing new costs one transaction;
/// one that walks has no page of its own before it asks what comes next.
task<void> stream_follower::begin() {
    auto begin = [id = id_, this](index::database& db) {
        auto s = index::find_stream(db, id);
        if (s && is_stale(*s, source_.shape(*s), pass_.graph)) {
            index::drop_cursor(db, id);
            s = index::find_stream(db, id);
        }
        if (s && is_walk(*s)) {
            index::begin_round(db, id);
            s = index::find_stream(db, id);
        }
        return s;
    };
    auto found = co_await pass_.store.call(std::move(begin));
    take_over(std::move(found));
    if (stream_.cursor_state != index::cursor_state::mid_round) {
        stream_.round_full = stream_.cursor.empty();  // as it will be in the index
    }
    full_ = stream_.round_full;
}

bool stream_follower::is_walk(const index::stream& s) const {
    return s.is_main() && source_.lists(s) && source_.walks();
}

task<stream_follower::next_step> stream_follower::one_round() {
    co_await return_to_delta();
    co_await begin();
    seen_links_.clear();
    idle_pages_ = 0;
    pages_ = 0;
    if (is_walk(stream_)) {
        co_return co_await walk();
    }
    for (;;) {
        auto page = co_await source_.read_page(pass_.graph, container_, stream_, page_size_);
        std::optional<next_step> step;
        if (page) {
            step = co_await take(std::move(*page));
        } else {
            step = co_await shrink(page.error());
            if (!step) {
                step = co_await failed(page.error());
            }
        }
        if (*step != next_step::go_on) {
            co_return *step;
        }
        if (complete_) {
            co_return next_step::give_up;
        }
    }
}

/// An item that the service can't put into a page spoils the whole page, and some pages are just too large.
/// nullopt: a smaller one would not help.
task<std::optional<stream_follower::next_step>> stream_follower::shrink(const core::error& e) {
    const auto smaller = source_.smaller_page(page_size_, e);
    if (smaller == 0) {
        co_return std::nullopt;
    }
    page_size_ = smaller;
    if (stream_.cursor.empty() || !source_.page_size_is_in_links()) {
        co_return next_step::go_on;
    }
    co_await change(&index::drop_cursor);
    co_return next_step::restart;
}

index::delta_page stream_follower::rows_of(const graph::page& page) {
    index::delta_page rows;
    rows.last = page.next_link.empty();
    rows.cursor = rows.last ? page.delta_link : page.next_link;
    rows.completes = only_;
    rows.shape = source_.shape(stream_);
    rows.url_until = core::now_seconds() + url_life;
    parse(page, rows);
    return rows;
}

/// Records a page; the items and the cursor behind them in one transaction.
task<index::page_outcome> stream_follower::apply(index::delta_page rows) {
    co_await mark_columns(pass_, container_, rows.items);
    const auto now = core::now_seconds();
    const bool last = rows.last && !rows.walked;
    auto write = [id = id_, rows = std::move(rows), now](index::database& db) {
        return index::apply_page(db, id, rows, now);
    };
    const auto outcome = co_await pass_.store.call(std::move(write));
    count(outcome, last);
    co_return outcome;
}

task<stream_follower::next_step> stream_follower::take(graph::page page) {
    const bool last = page.next_link.empty();
    std::string link = last ? page.delta_link : page.next_link;
    if (link.empty() && !source_.lists(stream_)) {
        if (!stream_.cursor.empty() && !restarted_) {
            restarted_ = true;  // the link leads nowhere, and would do so in every pass
            co_await change(&go_back);
            co_return next_step::restart;
        }
        co_return co_await failed(
            core::error(error_kind::protocol, "a delta page has neither nextLink nor deltaLink")
        );
    }
    auto whole = co_await complete_sparse(page);
    if (!whole) {
        co_return co_await failed(whole.error());
    }
    const bool seen_before = !last && !seen_links_.insert(std::hash<std::string>()(link)).second;
    if (seen_before || idle_pages_ > most_idle_pages) {
        co_return co_await looping();
    }
    if (page.partial) {
        co_await change(&index::forgo_sweep);
    }
    auto rows = rows_of(page);
    if (last && page.anew) {
        link.clear();
        rows.cursor.clear();
    }
    const auto outcome = co_await apply(std::move(rows));
    if (!page.doubt.cause.empty()) {
        co_await record(page.doubt);  // behind the round's end, which forgets earlier failures
    }
    idle_pages_ = outcome.items > outcome.repeated ? 0 : idle_pages_ + 1;
    stream_.cursor = link;
    co_return next_step::go_on;
}

void stream_follower::parse(const graph::page& page, index::delta_page& rows) {
    if (page.flat) {
        rows.items = source_.parse_flat(*page.flat, stream_);
    } else {
        rows.items.reserve(page.value->size());
        for (std::size_t i = 0; i < page.value->size(); ++i) {
            const auto given = given_.find(i);
            auto change = given == given_.end() ? source_.parse_item((*page.value)[i], stream_)
                                                : std::optional(std::move(given->second));
            if (change) {
                rows.items.push_back(std::move(*change));
            }
        }
        given_.clear();
    }
    for (const auto& change : rows.items) {
        if (!full_ && !change.removed && index::is_folder(change.type) && !change.root &&
            change.children > 0) {
            rows.folders_to_check.push_back(change.remote_id);
        }
    }
}

void stream_follower::count(const index::page_outcome& outcome, bool last) {
    auto& n = pass_.counters;
    served_ = true;
    ++n.pages;
    ++pages_;
    n.items_seen += static_cast<std::uint64_t>(outcome.items);
    n.items_changed += static_cast<std::uint64_t>(outcome.created + outcome.changed + outcome.removed);
    removals_ += outcome.removed;
    if (outcome.created + outcome.changed > 0) {
        n.to_fetch += static_cast<std::uint64_t>(outcome.to_fetch);
        pass_.found_due(container_.id);
        pass_.found_ready(container_.id);
    }
    if (last) {
        complete_ = true;
        ++n.rounds_done;
    }
}

/// The same link again, or page after page without anything new: the round is given up, the old cursor
/// stays.
task<stream_follower::next_step> stream_follower::looping() {
    co_await change(&go_back);
    core::error e(error_kind::protocol, "the delta feed goes in a circle and never ends");
    e.hint = "a known fault of the service; the round is given up and begun again in the next pass";
    co_await record(std::move(e));
    co_return next_step::give_up;
}

task<stream_follower::next_step> stream_follower::failed(core::error e) {
    throw_if_over(e);
    if (e.kind == error_kind::resync) {
        // The tree stays as it is; the full round compares and ends with a sweep (contract 4.5).
        core::log(
            core::log_level::info, container_.key + ": the service dropped the cursor, enumerating again"
        );
        co_await change(&index::drop_cursor);
        co_return next_step::restart;
    }
    // Not every list of folders: some show the top level alone, and what is not seen would be swept as gone.
    const bool can_list = !stream_.is_main() || source_.walks() || source_.may_list_folders();
    if (!stream_.listing && can_list && source_.wants_listing(e, stream_.cursor.empty())) {
        core::log(core::log_level::info, container_.key + ": no delta (" + e.cause + "), listing instead");
        co_await set_mode(index::stream_mode::listing);
        co_return next_step::restart;
    }
    if (auto around = co_await get_around(e)) {
        co_return *around;
    }
    if (e.kind == error_kind::not_found && !stream_.cursor.empty() && !restarted_) {
        restarted_ = true;  // contract Q20: in the middle of paging it may be a fault
        co_await change(&index::drop_cursor);
        co_return next_step::restart;
    }
    if (e.kind == error_kind::bad_request && !stream_.cursor.empty() && !restarted_) {
        restarted_ = true;  // contract Q22: the new deltaLink may be broken; the one before still works
        co_await change(&go_back);
        co_return next_step::restart;
    }
    co_return co_await lasting(std::move(e));
}

/// Whether a container may be read is what its main stream comes to.
void stream_follower::note_answer() {
    if (!stream_.is_main()) {
        return;
    }
    const auto kind = permission_kind(container_.kind, container_.owner_kind, pass_.options.kinds);
    if (served_ || !failure_) {
        pass_.permissions.not_refused(kind);
    } else if (may_lack_permission(*failure_)) {
        pass_.permissions.refused(kind, *failure_);
    } else if (!says_nothing_of_permission(*failure_)) {
        pass_.permissions.not_refused(kind);
    }
}

task<stream_follower::next_step> stream_follower::lasting(core::error e) {
    failure_ = e;
    if (e.kind == error_kind::not_found && !stream_.is_main()) {
        missing_ = true;  // the list of folders tells whether it is gone
        co_return next_step::give_up;
    }
    const bool whole =
        e.kind == error_kind::locked || e.kind == error_kind::forbidden || e.kind == error_kind::not_found;
    if (whole && stream_.is_main()) {
        const auto now = core::now_seconds();
        auto mark = [id = container_.id, kind = e.kind, text = core::describe(e), now](index::database& db) {
            index::set_unavailable(db, id, core::to_string(kind), text, now);
        };
        co_await pass_.store.call(std::move(mark));
    }
    co_await record(std::move(e));
    co_return next_step::give_up;
}

task<void> stream_follower::change(void (*what)(index::database&, index::stream_id)) {
    auto run = [what, id = id_](index::database& db) { what(db, id); };
    co_await pass_.store.call(std::move(run));
}

task<void> stream_follower::record(core::error e) {
    co_await record_round_failure(pass_, container_, std::move(e));
}

void throw_if_over(const core::error& e) {
    if (e.kind == error_kind::auth_refused || e.kind == error_kind::cancelled) {
        throw core::fatal(e);
    }
}

task<void> record_round_failure(pass_context& pass, const index::container& c, core::error e) {
    if (e.object.empty()) {
        e.object = c.key;
    }
    if (e.operation.empty()) {
        e.operation = "enumerate";
    }
    ++pass.counters.rounds_failed;
    pass.counters.last_round_error = e;
    pass.counters.failed(e);
    core::log(core::log_level::warning, core::describe(e));
    const auto now = core::now_seconds();
    auto note = [id = c.id, kind = e.kind, text = core::describe(e), now](index::database& db) {
        index::set_container_error(db, id, core::to_string(kind), text, now);
    };
    co_await pass.store.call(std::move(note));
}

}  // namespace m365stage::sync
