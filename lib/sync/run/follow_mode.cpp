// What a stream does when its delta does not work, and how it comes back to it.
#include <nlohmann/json.hpp>

#include "core/log.hpp"
#include "sync/run/follow.hpp"

namespace m365stage::sync {
namespace {

using core::error_kind;
using index::stream_mode;

/// The failures of a page that an item in it can be the reason of.
bool may_be_an_items(const core::error& e) {
    constexpr int internal_server_error = 500;
    return e.http_status == internal_server_error || e.kind == error_kind::too_large ||
           e.code == "ErrorCorruptData" || e.code == "ErrorInvalidRecipients";
}

}  // namespace

task<void> stream_follower::set_mode(stream_mode mode) {
    auto set = [id = id_, mode](index::database& db) { index::set_mode(db, id, mode); };
    co_await pass_.store.call(std::move(set));
    co_await reload();
}

/// A folder in which pages of one item fail as well: its ids are asked for, and each item by itself. If not
/// even ids come, it is listed without the place that fails. nullopt: that is not what is wrong.
task<std::optional<stream_follower::next_step>> stream_follower::get_around(const core::error& e) {
    const bool offered = source_.listing_call(container_, stream_, 0, 1).has_value();
    if (stream_.is_main() || !offered || !may_be_an_items(e)) {
        co_return std::nullopt;
    }
    page_size_ = 0;
    if (stream_.listing) {
        auto skipped = co_await skip_one();
        if (!skipped) {
            co_return co_await lasting(skipped.error());
        }
        co_return next_step::go_on;
    }
    core::log(
        core::log_level::warning,
        container_.key + ": a page can't be served (" + e.cause + "), asking for each item by itself"
    );
    const auto mode = stream_.ids_only ? stream_mode::listing : stream_mode::ids;
    co_await set_mode(mode);
    auto note = [id = id_, now = core::now_seconds()](index::database& db) {
        index::note_detour(db, id, now);
    };
    co_await pass_.store.call(std::move(note));
    co_return next_step::restart;
}

/// At the begin of a round: a delta that was refused may be there again. A detour around an item is long, so
/// it is left once a day at most, and not while something of the folder is owed.
task<void> stream_follower::return_to_delta() {
    const bool begun = stream_.cursor_state == index::cursor_state::mid_round && !stream_.cursor.empty();
    if (begun || (!stream_.listing && !stream_.ids_only)) {
        co_return;
    }
    auto ask = [s = stream_, now = core::now_seconds()](index::database& db) {
        constexpr core::unix_seconds day = 86'400;
        const auto since = index::detour_since(db, s.id);
        return !since || (*since + day <= now && !index::owes_items(db, s));
    };
    const bool may_return = co_await pass_.store.call(std::move(ask));
    if (!may_return || returned_) {
        co_return;
    }
    returned_ = true;  // once in a pass: it may fail again
    auto as_delta = stream_;
    as_delta.listing = as_delta.ids_only = false;
    as_delta.cursor.clear();
    auto page = co_await source_.read_page(pass_.graph, container_, as_delta, 1);
    if (!page) {
        throw_if_over(page.error());
        co_return;
    }
    core::log(core::log_level::info, container_.key + ": delta works again");
    co_await set_mode(stream_mode::delta);
}

}  // namespace m365stage::sync
