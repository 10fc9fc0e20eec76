#pragma once

#include <string>
#include <unordered_set>
#include <vector>

#include "index/items.hpp"
#include "sync/run/context.hpp"

namespace m365stage::sync {

/// How following a stream ended.
enum class followed {
    complete,  ///< up to its deltaLink
    missing,   ///< the folder it tells about is not there any more
    failed,    ///< recorded with the container; the cursor stays for the next pass
};

/// Follows one stream of a container until its deltaLink, one transaction a page.
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
    /// New folders that say they have children.
    std::vector<std::string> take_new_folders() { return std::move(new_folders_); }

    static constexpr std::size_t most_new_folders = 10'000;

private:
    enum class next_step { go_on, restart, give_up };

    task<void> rounds();
    task<next_step> one_round();
    task<void> begin();
    task<void> reload();
    task<next_step> take(graph::page page);
    task<core::result<bool>> complete_sparse(graph::page& page);
    task<void> ask_for_rest(graph::page& page, std::size_t& next, core::error& failure);
    void parse(const graph::page& page, index::delta_page& rows);
    void count(const index::page_outcome& outcome, bool last);
    task<next_step> looping();
    task<next_step> failed(core::error e);
    bool shrink(const core::error& e);
    task<next_step> lasting(core::error e);
    task<void> change(void (*what)(index::database&, index::stream_id));
    task<void> record(core::error e);

    pass_context& pass_;
    index::container container_;
    sources::source& source_;
    index::stream_id id_;
    index::stream stream_;
    bool only_;
    bool full_ = false, complete_ = false, missing_ = false, restarted_ = false;
    unsigned page_size_ = 0;  ///< 0: the usual one
    int idle_pages_ = 0;
    std::int64_t removals_ = 0, pages_ = 0;
    std::unordered_set<std::size_t> seen_links_;
    std::vector<std::string> new_folders_;
};

/// Notes a failed round with its container, and in the counters.
task<void> record_round_failure(pass_context& pass, const index::container& c, core::error e);

}  // namespace m365stage::sync
