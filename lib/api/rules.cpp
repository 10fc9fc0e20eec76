#include "api/rules.hpp"

#include <algorithm>

#include "core/duration.hpp"
#include "sync/run/room.hpp"

namespace m365stage::api {
namespace {

using core::error_kind;

core::error reason(error_kind kind, std::string why, std::string hint) {
    core::error e(kind, std::move(why));
    e.hint = std::move(hint);
    return e;
}

/// A pass of the future is one of before the clock was set back: nobody knows how old it is.
bool is_fresh(core::unix_seconds began, core::unix_seconds max_age, core::unix_seconds now) {
    constexpr core::unix_seconds correction = 60;
    return max_age > 0 && began >= now - max_age && began <= now + correction;
}

/// In whole minutes: nobody needs it finer, and the text stays the same for a while.
std::string age(core::unix_seconds seconds) {
    return core::format_duration(std::chrono::minutes(seconds / 60));
}

}  // namespace

std::chrono::seconds retry_pause(unsigned failures, std::chrono::seconds interval) {
    constexpr std::chrono::seconds first(5), longest(300);
    const auto grown = first * (1 << std::min(std::max(failures, 1U) - 1, 6U));
    return std::min({grown, longest, std::max(interval, std::chrono::seconds(1))});
}

bool serves(
    std::string_view only, core::unix_seconds began, const pass_request& wanted, core::unix_seconds now
) {
    return (only.empty() || only == wanted.only) && is_fresh(began, wanted.max_age, now);
}

std::string next_scope(const std::vector<pass_request>& waiting, bool due) {
    const bool all =
        due || std::any_of(waiting.begin(), waiting.end(), [](const auto& r) { return r.only.empty(); });
    return all ? std::string() : waiting.front().only;
}

std::vector<core::error> reasons_against(const readiness_facts& f) {
    std::vector<core::error> out;
    if (f.trouble) {
        out.push_back(*f.trouble);
    }
    // A pass may take a while; three that are missing are no accident.
    const auto longest = std::max<core::unix_seconds>(3600, 3 * f.interval.count());
    const auto since = f.now - f.last_success_at;
    if (f.last_success_at == 0 && !f.trouble) {
        out.push_back(reason(error_kind::busy, "no pass has ended yet", "the first one takes its time"));
    } else if (f.last_success_at != 0 && since > longest) {
        out.push_back(reason(
            error_kind::busy, "the last good pass ended " + age(since) + " ago", "see 'm365stage status'"
        ));
    }
    if (f.held > 0) {
        out.push_back(reason(
            error_kind::guard, std::to_string(f.held) + " deletions are held by the guard",
            "see 'm365stage guard list'"
        ));
    }
    const bool known_full = f.trouble && f.trouble->kind == error_kind::disk;
    if (f.disk_free && !known_full && *f.disk_free < std::max(f.least_free, sync::room_for_index)) {
        const bool configured = *f.disk_free < f.least_free;
        out.push_back(reason(
            error_kind::disk,
            std::to_string(*f.disk_free >> 20) + " MiB are free, " +
                (configured ? "less than stage.min_free_bytes" : "too little to go on with"),
            "free some space in " + f.root
        ));
    } else if (f.no_room > 0 && !known_full) {
        out.push_back(reason(
            error_kind::disk,
            "the disk has no room for " + std::to_string(f.no_room) + (f.no_room == 1 ? " item" : " items"),
            "free some space in " + f.root + ": see 'm365stage status'"
        ));
    }
    return out;
}

std::optional<core::error> reason_to_refuse(const std::vector<core::error>& reasons) {
    const auto found = std::find_if(reasons.begin(), reasons.end(), [](const core::error& e) {
        const auto code = core::exit_code_for(e.kind);
        return code == core::exit_code::usage || code == core::exit_code::auth ||
               code == core::exit_code::local || code == core::exit_code::guard;
    });
    return found == reasons.end() ? std::nullopt : std::optional(*found);
}

lease_step next_step(const tree_look& seen, core::unix_seconds max_age, core::unix_seconds now) {
    const bool fresh = seen.whole && seen.fresh_at != 0 && is_fresh(seen.fresh_at, max_age, now);
    if (seen.mine) {
        return lease_step::share;
    }
    if (seen.held) {
        return fresh || max_age == 0 ? lease_step::share : lease_step::wait_for_others;
    }
    return fresh ? lease_step::take : lease_step::wait_for_pass;
}

std::string status_line(const service_state& s) {
    if (!s.not_ready.empty()) {
        return "not ready: " + core::describe(s.not_ready.front());
    }
    if (s.no_answer) {
        return "no answer, trying again: " + core::describe(*s.no_answer);
    }
    if (s.pass_started_at != 0) {
        return "a pass runs since " + core::format_timestamp(s.pass_started_at);
    }
    return s.last ? s.last->outcome + " pass, generation " + std::to_string(s.last->generation) : "waiting";
}

}  // namespace m365stage::api
