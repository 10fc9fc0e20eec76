#include "sync/run/enumerate.hpp"

#include <nlohmann/json.hpp>
#include <unordered_set>

#include "core/log.hpp"
#include "index/items.hpp"

namespace m365stage::sync {
namespace {

using core::error_kind;
using index::container;

// Download URLs are good for about an hour (contract 5.6); they are not used in its last ten minutes.
constexpr core::unix_seconds url_life = 50 * 60;
// A feed that brings nothing new for so many pages goes in a circle (contract Q3).
constexpr int most_idle_pages = 200;
constexpr int most_restarts = 3;

enum class next_step { go_on, restart, give_up };

/// Follows one container's feed. One object a round trip through `enumerate`.
class feed {
public:
    feed(pass_context& pass, index::container_id id) : pass_(pass), id_(id) {}

    task<void> follow() {
        co_await reload();
        // A round that an earlier pass began tells how things were then; what changed since comes in the next
        // one, and a pass promises the present state.
        const bool begun_earlier = container_.cursor_state == index::cursor_state::mid_round;
        co_await rounds();
        const bool was_full = full_;
        if (begun_earlier && complete_) {
            complete_ = false;
            co_await rounds();
        }
        full_ = full_ || was_full;
        if (complete_) {
            co_await resolve_parents();
            co_await list_silent_folders();
            if (full_) {
                co_await check_collisions();
            }
        }
    }

private:
    /// One complete round, begun again when the service wants that.
    task<void> rounds() {
        for (int restarts = 0; restarts <= most_restarts; ++restarts) {
            const auto step = co_await one_round();
            if (step != next_step::restart) {
                break;
            }
        }
    }

    task<void> reload() {
        auto id = id_;
        auto read = [id](index::database& db) { return index::find_container(db, id); };
        auto found = co_await pass_.store.call(std::move(read));
        if (!found) {
            throw core::fatal(core::error(error_kind::internal, "the container vanished from the index"));
        }
        container_ = std::move(*found);
    }

    task<next_step> one_round() {
        auto& source = pass_.source_of(container_.kind);
        auto id = id_;
        auto begin = [id, shape = source.shape()](index::database& db) {
            auto c = index::find_container(db, id);
            if (c && !c->cursor.empty() && c->shape != shape) {
                index::drop_cursor(
                    db, id
                );  // contract 4.6: a cursor is good for the request it was made with
            }
            index::begin_round(db, id);
            return index::find_container(db, id).has_value();
        };
        co_await pass_.store.call(std::move(begin));
        co_await reload();
        full_ = container_.round_full;
        seen_links_.clear();
        idle_pages_ = 0;
        for (;;) {
            auto call = container_.cursor.empty() ? source.first_page(container_)
                                                  : source.next_page(container_, container_.cursor);
            auto page = co_await pass_.graph.get_page(std::move(call));
            if (!page) {
                const auto step = co_await failed(page.error());
                co_return step;
            }
            const auto step = co_await take(source, *page);
            if (step != next_step::go_on) {
                co_return step;
            }
            if (complete_) {
                co_return next_step::give_up;
            }
        }
    }

    task<next_step> take(sources::source& source, const graph::page& page) {
        const std::string& link = page.next_link.empty() ? page.delta_link : page.next_link;
        if (link.empty()) {
            co_return co_await failed(
                core::error(error_kind::protocol, "a delta page has neither nextLink nor deltaLink")
            );
        }
        const bool last = page.next_link.empty();
        const bool seen_before = !last && !seen_links_.insert(std::hash<std::string>()(link)).second;
        index::delta_page rows;
        rows.cursor = link;
        rows.last = last;
        rows.shape = source.shape();
        rows.url_until = core::now_seconds() + url_life;
        parse(source, page, rows);
        if (seen_before || idle_pages_ > most_idle_pages) {
            co_return co_await looping();
        }
        const auto now = core::now_seconds();
        auto apply = [id = id_, rows = std::move(rows), now](index::database& db) {
            return index::apply_page(db, id, rows, now);
        };
        const auto outcome = co_await pass_.store.call(std::move(apply));
        idle_pages_ = outcome.items > outcome.repeated ? 0 : idle_pages_ + 1;
        count(outcome, last);
        co_await reload();
        co_return next_step::go_on;
    }

    void parse(sources::source& source, const graph::page& page, index::delta_page& rows) {
        for (const auto& element : *page.value) {
            auto change = source.parse_item(element);
            if (!change) {
                continue;
            }
            if (!full_ && index::is_folder(change->type) && !change->root && change->children > 0 &&
                new_folders_.size() < most_new_folders) {
                new_folders_.push_back(change->remote_id);
            }
            rows.items.push_back(std::move(*change));
        }
    }

    void count(const index::page_outcome& outcome, bool last) {
        auto& n = pass_.counters;
        ++n.pages;
        n.items_seen += static_cast<std::uint64_t>(outcome.items);
        n.items_changed += static_cast<std::uint64_t>(outcome.created + outcome.changed + outcome.removed);
        if (outcome.created + outcome.changed > 0) {
            n.to_fetch += static_cast<std::uint64_t>(outcome.to_fetch);
            pass_.found_due(id_);
            pass_.found_ready(id_);
        }
        if (last) {
            complete_ = true;
            ++n.rounds_done;
        }
    }

    /// The same link again, or page after page without anything new: the round is given up, the old cursor
    /// stays.
    task<next_step> looping() {
        auto go_back = [id = id_](index::database& db) {
            if (!index::restore_cursor(db, id)) {
                index::drop_cursor(db, id);
            }
            return true;
        };
        co_await pass_.store.call(std::move(go_back));
        core::error e(error_kind::protocol, "the delta feed goes in a circle and never ends");
        e.hint = "a known fault of the service; the round is given up and begun again in the next pass";
        co_await record(std::move(e));
        co_return next_step::give_up;
    }

    task<next_step> failed(core::error e) {
        if (e.kind == error_kind::resync) {
            // The tree stays as it is; the full round compares and ends with a sweep (contract 4.5).
            core::log(
                core::log_level::info, container_.key + ": the service dropped the cursor, enumerating again"
            );
            co_await drop();
            co_return next_step::restart;
        }
        if (e.kind == error_kind::not_found && !container_.cursor.empty() && !restarted_) {
            restarted_ = true;  // contract Q20: in the middle of paging it may be a fault
            co_await drop();
            co_return next_step::restart;
        }
        if (e.kind == error_kind::bad_request && !container_.cursor.empty() && !restarted_) {
            restarted_ = true;  // contract Q22: the new deltaLink may be broken; the one before still works
            auto older = [id = id_](index::database& db) {
                if (!index::restore_cursor(db, id)) {
                    index::drop_cursor(db, id);
                }
                return true;
            };
            co_await pass_.store.call(std::move(older));
            co_return next_step::restart;
        }
        if (e.kind == error_kind::auth_refused || e.kind == error_kind::cancelled) {
            throw core::fatal(std::move(e));
        }
        const bool lasting = e.kind == error_kind::locked || e.kind == error_kind::forbidden ||
                             e.kind == error_kind::not_found;
        if (lasting) {
            const auto now = core::now_seconds();
            auto mark = [id = id_, kind = e.kind, text = core::describe(e), now](index::database& db) {
                index::set_unavailable(db, id, core::to_string(kind), text, now);
                return true;
            };
            co_await pass_.store.call(std::move(mark));
        }
        co_await record(std::move(e));
        co_return next_step::give_up;
    }

    task<void> drop() {
        auto forget = [id = id_](index::database& db) {
            index::drop_cursor(db, id);
            return true;
        };
        co_await pass_.store.call(std::move(forget));
    }

    task<void> record(core::error e) {
        if (e.object.empty()) {
            e.object = container_.key;
        }
        if (e.operation.empty()) {
            e.operation = "enumerate";
        }
        ++pass_.counters.rounds_failed;
        pass_.counters.last_round_error = e;
        pass_.counters.failed(e);
        core::log(core::log_level::warning, core::describe(e));
        const auto now = core::now_seconds();
        auto note = [id = id_, kind = e.kind, text = core::describe(e), now](index::database& db) {
            index::set_container_error(db, id, core::to_string(kind), text, now);
            return true;
        };
        co_await pass_.store.call(std::move(note));
    }

    /// A fresh look at one item; false if it is gone.
    task<core::result<bool>> look_at(std::string remote_id) {
        auto& source = pass_.source_of(container_.kind);
        auto answer = co_await pass_.graph.get_json(source.item_call(container_, remote_id));
        if (!answer) {
            if (answer.error().kind == error_kind::not_found) {
                co_return false;
            }
            co_return answer.error();
        }
        auto change = source.parse_item(*answer);
        if (!change || change->removed) {
            co_return false;
        }
        co_await take_single(std::move(*change));
        co_return true;
    }

    task<void> take_single(index::item_change change) {
        const auto now = core::now_seconds();
        auto apply = [id = id_, change = std::move(change), now](index::database& db) {
            index::apply_single(db, id, change, now, now + url_life);
            return true;
        };
        co_await pass_.store.call(std::move(apply));
        pass_.found_due(id_);
        pass_.found_ready(id_);
    }

    /// Items whose folder the feed never brought: the folder is asked for, up to the root (contract Q13).
    task<void> resolve_parents() {
        constexpr int most = 200;
        std::unordered_set<std::string> asked;
        for (bool again = true; again;) {
            auto find = [id = id_](index::database& db) { return index::unknown_parents(db, id, most); };
            const auto ids = co_await pass_.store.call(std::move(find));
            again = false;
            for (const auto& remote_id : ids) {
                if (asked.size() < most && asked.insert(remote_id).second) {
                    auto there = co_await look_at(remote_id);
                    again = again || (there && *there);
                }
            }
        }
    }

    /// New folders that say they have children, none of which came: they are listed (contract Q10).
    task<void> list_silent_folders() {
        auto& source = pass_.source_of(container_.kind);
        while (!new_folders_.empty()) {
            const auto remote_id = std::move(new_folders_.back());
            new_folders_.pop_back();
            auto ask = [id = id_, remote_id](index::database& db) {
                return index::has_no_children(db, id, remote_id);
            };
            const bool silent = co_await pass_.store.call(std::move(ask));
            if (!silent) {
                continue;
            }
            auto call = source.children_call(container_, remote_id);
            for (bool more = true; more;) {
                auto page = co_await pass_.graph.get_page(call);
                if (!page) {
                    break;  // the next change of the folder brings it again
                }
                for (const auto& element : *page->value) {
                    auto change = source.parse_item(element);
                    if (!change || change->removed) {
                        continue;
                    }
                    if (index::is_folder(change->type) && change->children > 0 &&
                        new_folders_.size() < most_new_folders) {
                        new_folders_.push_back(change->remote_id);
                    }
                    co_await take_single(std::move(*change));
                }
                more = !page->next_link.empty();
                call.target = page->next_link;
            }
        }
    }

    /// Two live items of one name can't be: the older row was removed while the round ran (contract Q9).
    task<void> check_collisions() {
        constexpr int most = 1000;
        auto find = [id = id_](index::database& db) { return index::colliding_items(db, id, most); };
        const auto pairs = co_await pass_.store.call(std::move(find));
        for (const auto& item : pairs) {
            auto there = co_await look_at(item.remote_id);
            if (there && !*there) {
                auto gone = [id = id_, row = item.id](index::database& db) {
                    index::mark_gone(db, id, row);
                    return true;
                };
                co_await pass_.store.call(std::move(gone));
            }
        }
    }

    static constexpr std::size_t most_new_folders = 10'000;

    pass_context& pass_;
    index::container_id id_;
    container container_;
    bool full_ = false, complete_ = false, restarted_ = false;
    int idle_pages_ = 0;
    std::unordered_set<std::size_t> seen_links_;
    std::vector<std::string> new_folders_;
};

}  // namespace

task<void> enumerate(pass_context& pass, index::container_id id) {
    pass.enumerating.insert(static_cast<std::int64_t>(id));
    feed f(pass, id);
    co_await f.follow();
    pass.enumerating.erase(static_cast<std::int64_t>(id));
    pass.settle.insert(static_cast<std::int64_t>(id));
    pass.apply_changed.notify_all();
}

}  // namespace m365stage::sync
