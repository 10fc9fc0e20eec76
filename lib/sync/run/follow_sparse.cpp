// Elements of pages that do not tell everything: what is missing is asked for, one item at a time.
#include <charconv>
#include <nlohmann/json.hpp>

#include "async/group.hpp"
#include "core/hash.hpp"
#include "core/log.hpp"
#include "index/owners.hpp"
#include "sources/fields.hpp"
#include "sync/run/follow.hpp"

namespace m365stage::sync {
namespace {

using core::error_kind;
using nlohmann::json;
using sources::text;

// As many as a mailbox allows.
constexpr int at_once = 4;
// Of an item that may fail for ever; it is tried again later.
constexpr unsigned most_tries = 3;
// So many items of one page that all fail as the service itself would: it is not their fault.
constexpr int most_server_failures = 5;

/// True for what may be said of a single item for ever; the rest fails the page.
bool is_the_items(error_kind k) {
    return k == error_kind::unsupported || k == error_kind::bad_request || k == error_kind::server ||
           k == error_kind::too_large || k == error_kind::protocol || k == error_kind::forbidden ||
           k == error_kind::locked;
}

/// An item of which nothing is known but that it is there.
index::item_change untold(const std::string& id, const std::string& folder) {
    index::item_change c;
    c.remote_id = id;
    c.type = index::item_type::file;
    c.parent_remote_id = folder;
    c.name = "unreadable_" + core::short_tag(id);
    c.content = true;
    c.unreadable = true;
    return c;
}

/// The position that a listing's nextLink goes on from (contract 6.2: $skip); nullopt: it does not say.
std::optional<std::uint64_t> position_of(const std::string& link) {
    if (link.empty()) {
        return 0;
    }
    for (const std::string_view name : {"$skip=", "%24skip="}) {
        const auto at = link.find(name);
        std::uint64_t out = 0;
        if (at != std::string::npos &&
            std::from_chars(link.data() + at + name.size(), link.data() + link.size(), out).ec ==
                std::errc()) {
            return out;
        }
    }
    return std::nullopt;
}

}  // namespace

index::item_change unreadable(const std::string& id, const std::string& folder, const core::error& why) {
    auto c = untold(id, folder);
    c.refusal = core::to_string(why.kind);
    c.refusal_text = core::describe(why);
    return c;
}

/// What the workers of one page share.
struct stream_follower::questions {
    questions() = default;
    std::size_t next = 0;
    int answers = 0, server_failures = 0;
    core::error failure;  ///< of the page; no cause: none
    bool failed() const { return !failure.cause.empty(); }
};

/// Elements that tell only what changed are replaced by what the service says when it is asked for them.
task<core::result<bool>> stream_follower::complete_sparse(graph::page& page) {
    if (page.flat) {
        co_return true;  // of sources that tell everything
    }
    if (stream_.ids_only) {
        co_await leave_known(page);
    }
    questions asked;
    std::vector<task<void>> workers;
    for (int i = 0; i < at_once; ++i) {
        workers.push_back(ask_for_rest(page, asked));
    }
    co_await async::run_all(pass_.executor, std::move(workers));
    if (asked.failed()) {
        given_.clear();
        co_return asked.failure;
    }
    co_return true;
}

/// Of ids with the etag that is known already nothing has to be asked.
task<void> stream_follower::leave_known(graph::page& page) {
    std::vector<std::pair<std::string, std::string>> ids;
    for (const auto& element : *page.value) {
        const auto change = source_.parse_item(element, stream_);
        ids.emplace_back(text(element, "id"), change ? change->etag : std::string());
    }
    auto ask = [s = stream_, ids](index::database& db) { return index::known_as_they_are(db, s, ids); };
    const auto known = co_await pass_.store.call(std::move(ask));
    for (std::size_t i = 0; i < known.size(); ++i) {
        if (known[i] && source_.is_sparse((*page.value)[i], stream_)) {
            index::item_change c;
            c.remote_id = ids[i].first;
            c.type = index::item_type::file;
            c.same = true;
            given_.emplace(i, std::move(c));
        }
    }
}

task<void> stream_follower::ask_for_rest(graph::page& page, questions& asked) {
    while (asked.next < page.value->size() && !asked.failed()) {
        const auto i = asked.next++;
        auto& element = (*page.value)[i];
        const auto id = text(element, "id");
        if (given_.contains(i) || id.empty() || !source_.is_sparse(element, stream_)) {
            continue;
        }
        auto call = source_.rest_call(container_, stream_, id);
        call.max_attempts = most_tries;
        auto answer = co_await pass_.graph.get_json(std::move(call));
        if (answer) {
            ++asked.answers;
            element = std::move(*answer);
            continue;
        }
        const auto& e = answer.error();
        if (e.kind == error_kind::not_found) {
            // If it is gone, the next round tells. If it is not, this round was the only one to tell of the
            // change (contract Q12): it is asked for again, as quietly as content that answers so.
            given_.emplace(i, untold(id, stream_.remote_id));
            continue;
        }
        asked.server_failures += e.kind == error_kind::server ? 1 : 0;
        const bool outage = asked.answers == 0 && asked.server_failures >= most_server_failures;
        // Where an item can't be asked for again by itself, its page has to wait for it.
        const bool can_wait = source_.listing_call(container_, stream_, 0, 1).has_value();
        if (!is_the_items(e.kind) || outage || !can_wait) {
            asked.failure = e;
            co_return;
        }
        core::log(core::log_level::warning, core::describe(e));
        given_.emplace(i, unreadable(id, stream_.remote_id, e));
    }
}

task<core::result<graph::page>> stream_follower::listed_at(
    std::uint64_t position, unsigned size, bool ids_only
) {
    auto s = stream_;
    s.ids_only = ids_only;
    auto call = source_.listing_call(container_, s, position, size);
    co_return co_await pass_.graph.get_page(std::move(*call));
}

/// Gets a listing past the one item that can't be told: its id may come, or at least what lies behind it.
task<core::result<bool>> stream_follower::skip_one() {
    const auto position = position_of(stream_.cursor);
    if (!position) {
        co_return core::error(error_kind::protocol, "a listing's nextLink does not say where it goes on");
    }
    // Full pages may fail for an item far behind: up to that one, they come one by one.
    auto single = co_await listed_at(*position, 1, false);
    if (!single) {
        co_return co_await take_skipped(*position);
    }
    auto rows = rows_of(*single);
    rows.last = single->value->empty();
    rows.cursor = rows.last ? "" : source_.listing_call(container_, stream_, *position + 1, 0)->target;
    stream_.cursor = rows.cursor;
    co_await apply(std::move(rows));
    co_return true;
}

task<core::result<bool>> stream_follower::take_skipped(std::uint64_t position) {
    auto ids = co_await listed_at(position, 1, true);
    index::delta_page rows;
    rows.completes = only_;
    rows.shape = source_.shape(stream_);
    rows.cursor = source_.listing_call(container_, stream_, position + 1, 0)->target;
    if (ids && !ids->value->empty()) {
        core::error why(error_kind::server, "the service can't list it");
        why.object = container_.key;
        rows.items.push_back(unreadable(text((*ids->value)[0], "id"), stream_.remote_id, why));
    } else {
        auto behind = co_await listed_at(position + 1, 1, true);
        if (!behind) {
            co_return behind.error();  // nothing can be listed: it is not that item
        }
        // What it is stays unknown, so nothing that this round does not see may be taken as gone.
        auto note = [id = id_, key = container_.key, now = core::now_seconds()](index::database& db) {
            index::forgo_sweep(db, id);
            index::set_not_covered(db, key, {"an item of a folder that the service can't list"}, now);
        };
        co_await pass_.store.call(std::move(note));
    }
    stream_.cursor = rows.cursor;
    co_await apply(std::move(rows));
    co_return true;
}

}  // namespace m365stage::sync
