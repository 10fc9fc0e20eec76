#pragma once

#include <map>
#include <string>
#include <vector>

#include "auth/token_source.hpp"
#include "restore/kind.hpp"

namespace m365stage::restore {

/// Objects of one word of the report that a plan counts.
struct planned {
    std::uint64_t objects = 0, bytes = 0;
};

/// Objects that lose a part on the way, and why.
struct lost_part {
    std::string why;
    std::uint64_t objects = 0;
};

/// One container and where it goes.
struct plan_part {
    plan_part() = default;
    container from;
    const kind* what = nullptr;  ///< nullptr: this version can't put such data back
    target to;
    std::map<std::string, planned> words;  ///< by `kind::word_for`
    effort costs;
    std::map<std::string, std::uint64_t> parts;  ///< how many objects have one, by `kind::parts_of`
    std::vector<lost_part> lost;                 ///< of these, what the target does not take
    std::string obstacle;                        ///< why nothing of it can be put back; empty: it can
    bool forbidden = false;                      ///< the obstacle is a missing permission
    bool passing = false;                        ///< it may be gone at the next run
    std::vector<std::string> notes;

    std::uint64_t objects() const;
};

/// What a restore would do. Holds no object that can be put back, so its size does not depend on their
/// number.
struct plan {
    plan() = default;
    std::vector<plan_part> parts;
    std::vector<left_out> flawed;  ///< `found_containers::flawed`; of `cannot` as well
    std::vector<left_out> cannot;  ///< the first `most_listed`
    std::uint64_t cannot_count = 0;
    std::map<std::string, std::uint64_t> quiet;  ///< left out by options: how many for which reason
    effort costs;
    double seconds = 0;  ///< at best, within Microsoft's limits
    std::vector<std::string> notes;

    static constexpr std::size_t most_listed = 1000;
    void leave_out(const std::string& path, const std::string& why);
    std::uint64_t objects() const;
    /// A path of the journal as people read it: folders of the target that are in no tree have keys there.
    std::string shown(const std::string& path) const;
    /// True if nothing can be put back for lack of a permission.
    bool is_forbidden() const;
};

/// Reads the tree's metadata and asks the service for the targets. Writes nothing but the chosen names of new
/// folders, in the journal. A target that is refused or fails is an obstacle of its part alone.
/// Errors: usage (nothing selected, a target that can't be understood), those of the login and of the disk,
/// and what the service says if it fails with every target.
task<core::result<plan>> make_plan(context& with, auth::token_source& tokens);

}  // namespace m365stage::restore
