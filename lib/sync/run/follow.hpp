#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "index/items.hpp"
#include "index/walks.hpp"
#include "sync/run/context.hpp"

namespace m365stage::sync {

/// Download URLs are good for about an hour (contract 5.6); they are not used in its last ten minutes.
constexpr core::unix_seconds url_life = core::unix_seconds{50} * 60;

/// How following a stream ended.
enum class followed {
    complete,  ///< up to its deltaLink
    missing,   ///< the folder it tells about is not there any more
    failed,    ///< recorded with the container; the cursor stays for the next pass
};

/// Follows one stream of a container until its deltaLink, one transaction a page. Where the service has no
/// delta, it lists; where it can't tell one item, it gets around that one: smaller pages, a delta of ids with
/// each new item asked for by itself, at last a listing that leaves out one position.
/// Errors: throws core::fatal for what ends the whole pass (index, disk, a refused credential).
class stream_follower {
public:
    /// `only`: it is the container's only stream, which can settle when it is complete.
    stream_follower(pass_context& pass, index::container c, index::stream_id id, bool only)
        : pass_(pass),
          container_(std::move(c)),
          source_(pass.source_of(container_.kind)),
          id_(id),
          only_(only) {}

    task<followed> run();

    bool was_full() const { return full_; }              ///< it enumerated everything
    std::int64_t removals() const { return removals_; }  ///< items that it said are gone
    std::int64_t pages() const { return pages_; }        ///< of the last round
private:
    enum class next_step { go_on, restart, give_up };

    task<void> rounds();
    task<next_step> one_round();
    task<void> begin();
    task<void> reload();
    void take_over(std::optional<index::stream> found);
    bool is_walk(const index::stream& s) const;
    task<next_step> take(graph::page page);
    index::delta_page rows_of(const graph::page& page);
    task<index::page_outcome> apply(index::delta_page rows);
    void parse(const graph::page& page, index::delta_page& rows);
    void count(const index::page_outcome& outcome, bool last);
    task<next_step> looping();
    task<next_step> failed(core::error e);
    task<std::optional<next_step>> shrink(const core::error& e);
    task<std::optional<next_step>> get_around(const core::error& e);
    task<next_step> lasting(core::error e);
    void note_answer();

    // follow_mode.cpp: from a delta to what there is instead, and back
    task<void> set_mode(index::stream_mode mode);
    task<void> return_to_delta();

    // follow_sparse.cpp: elements that tell only what changed, or nothing at all
    struct questions;
    task<core::result<bool>> complete_sparse(graph::page& page);
    task<void> leave_known(graph::page& page);
    task<void> ask_for_rest(graph::page& page, questions& asked);
    task<core::result<bool>> skip_one();
    task<core::result<bool>> take_skipped(std::uint64_t position);
    task<core::result<graph::page>> listed_at(std::uint64_t position, unsigned size, bool ids_only);

    // follow_walk.cpp: folder by folder
    task<next_step> walk();
    task<core::result<bool>> walk_one(index::walk_step step);
    task<core::result<bool>> begin_walk();
    task<core::result<bool>> ask_for_unseen();
    task<void> end_walk();

    task<void> change(void (*what)(index::database&, index::stream_id));
    task<void> record(core::error e);

    pass_context& pass_;
    index::container container_;
    sources::source& source_;
    index::stream_id id_;
    index::stream stream_;
    bool only_;
    bool full_ = false, complete_ = false, missing_ = false, restarted_ = false;
    bool served_ = false;                 ///< a page came
    std::optional<core::error> failure_;  ///< for which the round was given up
    unsigned page_size_ = 0;              ///< 0: the usual one
    int idle_pages_ = 0;
    bool returned_ = false;  ///< the delta was tried again in this pass
    std::int64_t removals_ = 0, pages_ = 0;
    std::unordered_set<std::size_t> seen_links_;
    std::unordered_map<std::size_t, index::item_change> given_;  ///< for elements of the page, by position
    std::string root_id_;                                        ///< of the container, while it is walked
};

/// Throws what ends the whole pass: a refused credential, a stop.
void throw_if_over(const core::error& e);

/// An item of which nothing can be told but that it is there: owed, with the reason.
index::item_change unreadable(const std::string& id, const std::string& folder, const core::error& why);

/// Notes a failed round with its container, and in the counters.
task<void> record_round_failure(pass_context& pass, const index::container& c, core::error e);

}  // namespace m365stage::sync
