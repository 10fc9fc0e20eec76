#include "sync/run/enumerate.hpp"

#include <nlohmann/json.hpp>
#include <unordered_map>

#include "graph/errors.hpp"
#include "graph/paging.hpp"
#include "index/items.hpp"
#include "sync/run/column_backlog.hpp"
#include "sync/run/columns.hpp"
#include "sync/run/follow.hpp"

namespace m365stage::sync {
namespace {

using core::error_kind;

/// Brings all streams of one container up to date.
class enumerator {
public:
    enumerator(pass_context& pass, index::container c)
        : pass_(pass), container_(std::move(c)), source_(pass.source_of(container_.kind)) {}

    task<void> run() {
        co_await catch_up_on_columns(pass_, container_);
        const bool many = source_.has_folder_streams();
        auto id = container_.id;
        auto first = [id](index::database& db) { return index::main_stream(db, id); };
        const auto main = co_await pass_.store.call(std::move(first));
        const auto listed = co_await follow(main, !many);
        if (listed != followed::complete) {
            co_return;
        }
        if (many) {
            co_await folders();
            co_return;
        }
        co_await resolve_parents();
        co_await list_silent_folders(main);
        if (full_ && source_.names_are_unique()) {
            co_await check_collisions();
        }
    }

private:
    task<followed> follow(index::stream_id id, bool only) {
        stream_follower feed(pass_, container_, id, only);
        const auto how = co_await feed.run();
        full_ = full_ || feed.was_full();
        last_removals_ = feed.removals();
        last_pages_ = feed.pages();
        co_return how;
    }

    /// Each folder's own stream. Nothing of the container settles before all of them are complete: what one
    /// folder calls removed may have come to another one.
    task<void> folders() {
        // A removal is true if no folder shows the item afterwards. Those that were asked before are asked
        // again; when somebody moves things all the time, the rest waits for the next pass.
        constexpr int most_turns = 3;
        std::int64_t asked = 0, last_removal = 0;
        std::unordered_map<std::int64_t, std::int64_t> asked_at;
        for (int turn = 0; turn < most_turns; ++turn) {
            bool again = false;
            const auto streams = co_await present_streams();
            for (const auto& s : streams) {
                auto& at = asked_at[static_cast<std::int64_t>(s.id)];
                if (s.is_main() || at > last_removal) {
                    continue;
                }
                at = ++asked;
                const auto how = co_await follow(s.id, false);
                failed_ = failed_ || how == followed::failed;
                if (last_removals_ > 0) {
                    // What goes while a list is read in pages shifts the rest, and something is passed over:
                    // such a list is asked for again as well.
                    const bool doubtful = source_.lists(s) && last_pages_ > 1;
                    last_removal = std::max(last_removal, doubtful ? at : at - 1);
                    again = true;
                }
            }
            const bool found = co_await resolve_parents();
            again = (again && co_await open_removals()) || found;
            if (!again || failed_) {
                break;
            }
            if (turn + 1 == most_turns) {
                co_return;  // stays in the middle of its round
            }
        }
        if (!failed_) {
            co_await complete();
        }
    }

    task<std::vector<index::stream>> present_streams() {
        auto match = [id = container_.id](index::database& db) {
            index::match_streams(db, id);
            return index::streams(db, id);
        };
        co_return co_await pass_.store.call(std::move(match));
    }

    task<bool> open_removals() {
        auto ask = [id = container_.id](index::database& db) { return index::has_open_removals(db, id); };
        co_return co_await pass_.store.call(std::move(ask));
    }

    task<void> complete() {
        auto end = [id = container_.id, now = core::now_seconds()](index::database& db) {
            index::complete_container(db, id, now);
        };
        co_await pass_.store.call(std::move(end));
    }

    /// A fresh look at one item; false if it is gone.
    task<core::result<bool>> look_at(graph::call call) {
        auto answer = co_await pass_.graph.get_json(std::move(call));
        if (!answer) {
            if (answer.error().kind == error_kind::not_found) {
                co_return false;
            }
            co_return answer.error();
        }
        auto change = source_.parse_item(*answer, index::stream());
        if (!change || change->removed) {
            co_return false;
        }
        co_await take_single(std::move(*change));
        co_return true;
    }

    task<void> take_single(index::item_change change) {
        co_await mark_columns(pass_, container_, change);
        const auto now = core::now_seconds();
        auto apply = [id = container_.id, change = std::move(change), now](index::database& db) {
            index::apply_single(db, id, change, now, now + url_life);
        };
        co_await pass_.store.call(std::move(apply));
        pass_.found_due(container_.id);
        pass_.found_ready(container_.id);
    }

    /// Items whose folder the feed never brought: the folder is asked for, up to the root (contract Q13).
    /// True if one was found.
    task<bool> resolve_parents() {
        constexpr int most = 200;
        bool found = false;
        for (bool again = true; again;) {
            auto find = [id = container_.id](index::database& db) {
                return index::unknown_parents(db, id, most);
            };
            const auto ids = co_await pass_.store.call(std::move(find));
            again = false;
            for (const auto& remote_id : ids) {
                if (asked_parents_.size() >= most || !asked_parents_.insert(remote_id).second) {
                    continue;
                }
                auto there = co_await look_at(source_.folder_call(container_, remote_id));
                again = again || (there && *there);
                if (there && !*there) {
                    co_await look_below(remote_id);
                }
            }
            found = found || again;
        }
        co_return found;
    }

    /// What is said to lie in a folder that is gone went with it, or is elsewhere by now: each is asked for.
    task<void> look_below(std::string folder) {
        constexpr int most = 200;
        auto find = [id = container_.id, folder](index::database& db) {
            return index::children_of_unknown(db, id, folder, most);
        };
        const auto children = co_await pass_.store.call(std::move(find));
        for (const auto& child : children) {
            auto call = child.content ? source_.item_call(container_, child.remote_id)
                                      : source_.folder_call(container_, child.remote_id);
            auto there = co_await look_at(std::move(call));
            if (there && !*there) {
                auto gone = [id = container_.id, row = child.id](index::database& db) {
                    index::mark_gone(db, id, row);
                };
                co_await pass_.store.call(std::move(gone));
            }
        }
        auto forget = [id = container_.id, folder = std::move(folder)](index::database& db) {
            index::forget_unknown(db, id, folder);
        };
        co_await pass_.store.call(std::move(forget));
    }

    /// Folders that say they have children, none of which came: they are listed (contract Q10). What is left
    /// when the service fails is in the index for the next pass.
    task<void> list_silent_folders(index::stream_id main) {
        for (std::int64_t after = 0;;) {
            auto find = [id = container_.id, main, after](index::database& db) {
                return index::next_silent(db, id, main, after);
            };
            auto step = co_await pass_.store.call(std::move(find));
            if (!step) {
                co_return;
            }
            const auto number = step->id;
            auto listed = co_await list_folder(main, std::move(*step));
            if (!listed) {
                const bool all_would = core::is_transient(listed.error().kind);
                co_await record_round_failure(pass_, container_, listed.error());
                if (all_would) {
                    co_return;
                }
                after = number;  // it stays on the list
            }
        }
    }

    /// Errors: the service has to be asked another time.
    task<core::result<void>> list_folder(index::stream_id main, index::walk_step step) {
        const bool begun = !step.link.empty();
        auto call = source_.children_call(container_, step.remote_id);
        std::vector<index::item_change> children;
        std::string link;
        if (!call) {
            co_await take_children(main, step.id, std::move(children), std::move(link));
            co_return core::result<void>();
        }
        if (begun && pass_.graph.is_own(step.link)) {
            call->target = step.link;
        }
        // From here on it is no sign of anything that the folder has children.
        link = call->target;
        co_await take_children(main, step.id, std::move(children), std::move(link));
        graph::page_chain chain;
        for (bool more = true; more;) {
            auto page = co_await pass_.graph.get_page(*call);
            const auto failure = page ? core::error() : page.error();
            throw_if_over(failure);
            if (!page && !core::is_transient(failure.kind) && call->target == step.link) {
                step.link.clear();  // it leads nowhere any more: from the beginning
                call = source_.children_call(container_, step.remote_id);
                continue;
            }
            children.clear();
            if (page) {
                children = children_of(*page);
                const auto next = chain.next(*call, *page);
                if (!next) {
                    co_return next.error();
                }
                more = *next;
            } else if (failure.kind == error_kind::not_found && graph::is_clear(failure)) {
                more = false;  // gone meanwhile
            } else {
                co_return failure;
            }
            link = more ? call->target : std::string();
            co_await take_children(main, step.id, std::move(children), std::move(link));
        }
        co_return core::result<void>();
    }

    std::vector<index::item_change> children_of(const graph::page& page) {
        std::vector<index::item_change> out;
        for (const auto& element : *page.value) {
            auto change = source_.parse_item(element, index::stream());
            if (change && !change->removed) {
                out.push_back(std::move(*change));
            }
        }
        return out;
    }

    /// Records them, and with which page the folder goes on.
    task<void> take_children(
        index::stream_id main, std::int64_t step, std::vector<index::item_change> children, std::string link
    ) {
        co_await mark_columns(pass_, container_, children);
        const auto now = core::now_seconds();
        auto take = [main, step, link, now, id = container_.id,
                     children = std::move(children)](index::database& db) {
            index::database::transaction t(db);
            for (const auto& child : children) {
                index::apply_single(db, id, child, now, now + url_life);
                if (index::is_folder(child.type) && child.children > 0) {
                    index::add_step(db, main, child.remote_id);
                }
            }
            index::go_on_with(db, step, link);
            t.commit();
        };
        co_await pass_.store.call(std::move(take));
        pass_.found_due(container_.id);
        pass_.found_ready(container_.id);
    }

    /// Two live items of one name can't be: the older row was removed while the round ran (contract Q9).
    task<void> check_collisions() {
        constexpr int most = 1000;
        auto find = [id = container_.id](index::database& db) {
            return index::colliding_items(db, id, most);
        };
        const auto pairs = co_await pass_.store.call(std::move(find));
        for (const auto& item : pairs) {
            auto there = co_await look_at(source_.item_call(container_, item.remote_id));
            if (there && !*there) {
                auto gone = [id = container_.id, row = item.id](index::database& db) {
                    index::mark_gone(db, id, row);
                };
                co_await pass_.store.call(std::move(gone));
            }
        }
    }

    pass_context& pass_;
    index::container container_;
    sources::source& source_;
    bool full_ = false, failed_ = false;
    std::int64_t last_removals_ = 0, last_pages_ = 0;
    std::unordered_set<std::string> asked_parents_;
};

}  // namespace

task<void> enumerate(pass_context& pass, index::container_id id) {
    const auto row = static_cast<std::int64_t>(id);
    while (pass.settling == row) {
        co_await pass.settled.wait();
    }
    pass.enumerating.insert(row);
    auto read = [id](index::database& db) { return index::find_container(db, id); };
    auto found = co_await pass.store.call(std::move(read));
    if (!found) {
        throw core::fatal(core::error(error_kind::internal, "the container vanished from the index"));
    }
    enumerator e(pass, std::move(*found));
    co_await e.run();
    pass.enumerating.erase(row);
    pass.settle.insert(row);
    pass.apply_changed.notify_all();
}

}  // namespace m365stage::sync
