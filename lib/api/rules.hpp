#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/service.hpp"

/// What the running service decides, without clock, index or network; `daemon/service*.cpp` acts on it.
namespace m365stage::api {

/// The rest after the n-th failure in a row (the first is 1): doubling from 5 s, with the interval and five
/// minutes as bounds.
std::chrono::seconds retry_pause(unsigned failures, std::chrono::seconds interval);

/// A pass over `only` (empty: all) that began at `began` serves the request as well.
bool serves(
    std::string_view only, core::unix_seconds began, const pass_request& wanted, core::unix_seconds now
);

/// What the next pass covers: all, if that is due or somebody wants it, otherwise what waits longest.
/// Requires: it is due, or somebody waits.
std::string next_scope(const std::vector<pass_request>& waiting, bool due);

/// What readiness is judged by.
struct readiness_facts {
    readiness_facts() = default;
    std::optional<core::error> trouble;  ///< what the last attempt failed with
    core::unix_seconds now = 0;
    core::unix_seconds last_success_at = 0;  ///< 0: there was none
    std::chrono::seconds interval{0};        ///< between passes
    std::int64_t held = 0;                   ///< deletions that wait for a person
    std::int64_t no_room = 0;                ///< items that the disk has no room for
    std::optional<std::uint64_t> disk_free;  ///< nullopt: not known
    std::uint64_t least_free = 0;            ///< stage.min_free_bytes
    std::string root;
};
/// Why a backup must not run now, what is worst first; empty: it may.
std::vector<core::error> reasons_against(const readiness_facts& f);

/// The first of these reasons that holds for a job too whose tree is fresh enough for it, or that shares one
/// that is held: no sign-in, disk, index, guard. That Microsoft 365 does not answer, or did not for long, is
/// what `--max-age` decides. So the hook gives nothing that /readyz would not.
std::optional<core::error> reason_to_refuse(const std::vector<core::error>& reasons);

/// What a job finds that wants to read the tree.
struct tree_look {
    tree_look() = default;
    bool mine = false;                ///< the job itself holds it still: its script ran before
    bool held = false;                ///< others hold it still
    bool whole = false;               ///< no change of it was cut off
    core::unix_seconds fresh_at = 0;  ///< when the pass began that brought it up to date; 0: none did
};
/// What the job does about it. A tree that is held can't become fresher, so a job that names no age shares it
/// as it is.
enum class lease_step { take, share, wait_for_pass, wait_for_others };
lease_step next_step(const tree_look& seen, core::unix_seconds max_age, core::unix_seconds now);

/// The line that systemd shows.
std::string status_line(const service_state& s);

}  // namespace m365stage::api
