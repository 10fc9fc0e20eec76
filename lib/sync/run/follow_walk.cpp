// Main streams without a delta: folder by folder (contract Q30, Q72, Q79).
#include <nlohmann/json.hpp>

#include "core/log.hpp"
#include "sync/run/columns.hpp"
#include "sync/run/follow.hpp"

namespace m365stage::sync {
namespace {

using core::error_kind;

/// True if the service refuses this item, and others it does not.
bool is_the_items(const core::error& e) {
    return e.kind == error_kind::forbidden || e.kind == error_kind::locked ||
           e.kind == error_kind::unsupported || e.kind == error_kind::bad_request;
}

/// True if one folder can't be listed, and the others can.
bool is_the_folders(const core::error& e) {
    return e.kind == error_kind::not_found || is_the_items(e);
}

}  // namespace

/// One full round. What it did not see is asked for before it counts as gone: a walk is no snapshot, and what
/// moved meanwhile from a folder yet to come into one that was listed already was never seen.
task<stream_follower::next_step> stream_follower::walk() {
    root_id_.clear();
    if (stream_.cursor.empty()) {
        auto begun = co_await begin_walk();
        if (!begun) {
            co_return co_await failed(begun.error());
        }
    }
    for (;;) {
        auto find = [id = id_](index::database& db) { return index::next_step(db, id); };
        auto step = co_await pass_.store.call(std::move(find));
        core::result<bool> went = false;
        if (step) {
            went = co_await walk_one(std::move(*step));
        } else {
            went = co_await ask_for_unseen();
        }
        if (!went) {
            throw_if_over(went.error());
            if (!core::is_transient(went.error().kind)) {
                co_await change(&index::drop_cursor);  // what comes next tries the delta again
            }
            co_return co_await lasting(went.error());
        }
        if (!step && !*went) {
            break;
        }
    }
    co_await end_walk();
    co_return next_step::give_up;
}

/// The root, and what else the walk begins with.
task<core::result<bool>> stream_follower::begin_walk() {
    auto page = co_await source_.read_page(pass_.graph, container_, stream_, 0);
    if (!page) {
        co_return page.error();
    }
    auto rows = rows_of(*page);
    rows.cursor.clear();
    rows.walked = 0;
    co_await apply(std::move(rows));
    co_await reload();
    co_return true;
}

/// One page of one folder.
task<core::result<bool>> stream_follower::walk_one(index::walk_step step) {
    if (root_id_.empty()) {
        auto find = [id = container_.id](index::database& db) { return index::root_remote_id(db, id); };
        root_id_ = co_await pass_.store.call(std::move(find));
    }
    if (!step.link.empty() && !pass_.graph.is_own(step.link)) {
        step.link.clear();  // of another endpoint: that folder is listed from its beginning
    }
    auto page = co_await source_.read_children(pass_.graph, container_, step.remote_id, step.link);
    if (!page && is_the_folders(page.error()) && step.remote_id != root_id_) {
        // Gone meanwhile, or not to be looked into: what is known of it is asked for by itself.
        core::log(core::log_level::warning, core::describe(page.error()));
        page = graph::page();
        page->value = std::make_unique<nlohmann::json>(nlohmann::json::array());
    }
    if (!page) {
        co_return page.error();
    }
    if (!page->next_link.empty() && page->next_link == step.link) {
        co_return core::error(error_kind::protocol, "the list of a folder's children goes in a circle");
    }
    auto rows = rows_of(*page);
    rows.cursor = page->next_link;
    rows.walked = step.id;
    co_await apply(std::move(rows));
    co_return true;
}

/// True if the service had something to say that leads on.
task<core::result<bool>> stream_follower::ask_for_unseen() {
    constexpr int most = 200;
    bool found = false;
    for (index::item_id after{};;) {
        auto read = [s = stream_, many = source_.has_folder_streams(), after](index::database& db) {
            return index::unseen_items(db, s, many, after, most);
        };
        const auto items = co_await pass_.store.call(std::move(read));
        if (items.empty()) {
            co_return found;
        }
        after = items.back().id;
        for (const auto& item : items) {
            const bool folder = !item.content;
            auto call = folder ? source_.folder_call(container_, item.remote_id)
                               : source_.item_call(container_, item.remote_id);
            auto answer = co_await pass_.graph.get_json(std::move(call));
            std::optional<index::item_change> change;
            if (answer) {
                change = source_.parse_item(*answer, stream_);
            } else if (is_the_items(answer.error())) {
                // It is there, and what is staged of it stays.
                core::log(core::log_level::warning, core::describe(answer.error()));
                change = unreadable(item.remote_id, "", answer.error());
                change->same = folder;
            } else if (answer.error().kind != error_kind::not_found) {
                co_return answer.error();
            }
            const bool there = change && !change->removed;
            if (there) {
                co_await mark_columns(pass_, container_, *change);
            }
            const auto now = core::now_seconds();
            auto note = [this, there, folder, change = std::move(change), item, now](index::database& db) {
                if (!there) {
                    index::mark_gone(db, container_.id, item.id);
                    return false;
                }
                index::apply_single(db, container_.id, *change, now, now + url_life);
                if (folder && !change->same) {
                    index::add_step(db, id_, item.remote_id);
                }
                return true;
            };
            const bool there_still = co_await pass_.store.call(std::move(note));
            found = found || there_still;
        }
    }
}

/// Everything was seen or asked for: what is left lies below what is gone.
task<void> stream_follower::end_walk() {
    index::delta_page rows;
    rows.last = true;
    rows.completes = only_;
    rows.shape = source_.shape(stream_);
    co_await apply(std::move(rows));
    pass_.found_due(container_.id);
    pass_.found_ready(container_.id);
}

}  // namespace m365stage::sync
