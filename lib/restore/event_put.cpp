#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/hash.hpp"
#include "graph/paging.hpp"
#include "restore/event_attachments.hpp"
#include "restore/upload.hpp"
#include "sources/event_render.hpp"
#include "sources/event_times.hpp"
#include "sources/fields.hpp"

namespace m365stage::restore {
namespace {

using core::error_kind;
using core::unix_seconds;
using nlohmann::json;
using sources::text;

// In the journal before the id of the version that the new event takes the place of, until that is deleted.
// Events have no use for the name there; earlier runs may have left a subject.
constexpr std::string_view instead_of = "instead of\n";

// Events of one transactionId that were made and deleted since, before one is given up.
constexpr int event_rounds = 4;

/// The date that an occurrence belongs to, as its series counts: a wall clock's midnight.
std::optional<unix_seconds> date_of(const json& occurrence, const sources::event_clock& clock) {
    auto original = core::parse_timestamp(text(occurrence, "originalStart"));
    if (!original) {
        original = sources::utc_of_event_time(occurrence, "start");  // one that nobody moved
    }
    if (!original) {
        return std::nullopt;
    }
    const auto wall = clock.wall_of(*original);
    return wall - ((wall % core::seconds_a_day) + core::seconds_a_day) % core::seconds_a_day;
}

/// What read_back compares: the event, and the attachments that are in the tree but for those that are
/// `lost`.
std::string mark_of_event(const json& event, std::vector<std::string> lost) {
    std::vector<std::string> sums;
    for (const auto& a : attachments_of(event)) {
        const auto refused = std::find(lost.begin(), lost.end(), a.sha256);
        if (refused != lost.end()) {
            lost.erase(refused);
        } else if (a.unreadable.empty() && a.item.empty()) {
            sums.push_back(a.sha256);
        }
    }
    std::sort(sums.begin(), sums.end());
    std::string all;
    for (const auto& s : sums) {
        all += s;
    }
    return event_fingerprint(event) + (sums.empty() ? "" : " " + core::short_tag(all));
}

class event_put {
public:
    event_put(context& with, calendar_folder& into, const object& o)
        : with_(with), into_(into), calls_(into.home().calls), o_(o) {}

    task<core::result<void>> run() {
        entry_ = co_await with_.log.find(o_.path, o_.mark);
        if (entry_.state == outcome::done || entry_.state == outcome::present) {
            auto again = co_await reopen_parts(with_, o_.path);
            again = again || !replaced().empty();
            entry_.state = again ? outcome::intended : entry_.state;
            co_await with_.log.put(o_.path, entry_);
            if (!again) {
                co_return core::result<void>();
            }
        }
        entry_.kind = "event";
        entry_.mark = o_.mark;
        if (entry_.state != outcome::intended) {
            entry_.state = outcome::open;  // skipped or failed in an earlier run: perhaps not in this one
            entry_.detail.clear();
        }
        auto done = co_await prepare();
        if (done && entry_.state != outcome::skipped && entry_.state != outcome::present) {
            done = co_await put();
        }
        if (!done) {
            co_return co_await note_failure(with_, o_.path, std::move(entry_), done.error());
        }
        co_await with_.log.put(o_.path, std::move(entry_));
        co_return core::result<void>();
    }

private:
    task<core::result<void>> prepare() {
        auto ready = co_await into_.ensure();
        if (!ready) {
            co_return ready;
        }
        if (entry_.parent != into_.id()) {
            entry_.state = outcome::open;  // a calendar of an earlier run, which is gone
            entry_.id.clear();
            entry_.name.clear();
        }
        entry_.target = into_.home().target;
        entry_.parent = into_.id();
        auto look = [this] { return examine(with_.tree.root(), o_.path); };
        auto examined = co_await with_.disk.run(std::move(look));
        if (!examined) {
            co_return examined.error();
        }
        event_ = json::parse(o_.meta.item, nullptr, false);
        if (examined->sha256 != o_.meta.sha256 || !event_.is_object()) {
            co_return core::error(
                error_kind::bad_request,
                "its bytes are not those that its sidecar tells: this copy is damaged"
            );
        }
        entry_.size = examined->size;
        entry_.hash = mark_of_event(event_, {});
        co_return core::result<void>();
    }

    /// Birthdays, holidays: what is there is back, what is not nobody but the service can put there.
    task<core::result<void>> look_for_it() {
        const auto there = co_await into_.find_same(event_);
        if (!there) {
            co_return there.error();
        }
        entry_.state = *there ? outcome::present : outcome::skipped;
        entry_.id = *there ? (*there)->id : std::string();
        entry_.detail = *there ? "" : "the service itself fills this calendar, and this is not in it";
        co_return core::result<void>();
    }

    task<core::result<void>> put() {
        if (!into_.writable()) {
            co_return co_await look_for_it();
        }
        auto made = co_await create_or_find();
        if (!made || entry_.state == outcome::skipped || entry_.state == outcome::present) {
            co_return made;
        }
        auto done = co_await bring_attachments(event_, entry_.id, fresh_, false);
        if (done) {
            done = co_await occurrences();
        }
        if (done && !replaced().empty()) {
            done = co_await remove_other();
        }
        if (done) {
            entry_.state = outcome::done;
            entry_.detail.clear();
            co_await close_parts(with_, o_.path);
        }
        co_return done;
    }

    task<core::result<void>> create_or_find() {
        if (!entry_.id.empty()) {
            auto call = calls_.event(entry_.id, o_.path);
            auto there = co_await with_.graph.get_json(std::move(call));
            if (there || there.error().kind != error_kind::not_found) {
                co_return there ? core::result<void>() : core::result<void>(there.error());
            }
            entry_.id.clear();
        }
        for (int round = 0; round < event_rounds; ++round) {
            const auto transaction = transaction_id(into_.id(), o_.meta.id, round);
            auto uid = round == 0 ? text(event_, "iCalUId") : std::string();
            auto there = co_await into_.find(transaction, std::move(uid));
            if (!there) {
                co_return there.error();
            }
            if (*there) {
                auto settled = co_await decide(**there);
                if (!settled || *settled) {
                    co_return settled ? core::result<void>() : core::result<void>(settled.error());
                }
            }
            auto made = co_await create(transaction);
            if (made || made.error().kind != error_kind::conflict) {
                co_return made;
            }
            // Made by a request whose answer was lost, or made before and deleted since.
            into_.forget_content();
            auto mine = co_await into_.find(transaction, "");
            if (!mine) {
                co_return mine.error();
            }
            if (*mine) {
                entry_.id = (*mine)->id;
                co_return core::result<void>();
            }
        }
        co_return core::error(
            error_kind::conflict, "the service says that it was made already, and does not show it"
        );
    }

    /// Something stands for the event already. True: nothing new has to be made.
    task<core::result<bool>> decide(remote_event there) {
        if (there.ours) {
            entry_.id = there.id;  // of a run whose journal is gone, perhaps in the middle of it
            co_return true;
        }
        bool same = there.change_key == text(event_, "changeKey");
        bool meeting = is_meeting(event_);
        const bool replace = with_.asked.conflict == conflict_rule::replace;
        // Not worth asking for where the list tells that it is another one.
        const bool alike = there.fingerprint == event_fingerprint(event_);
        if (!same && (alike || replace)) {
            auto now = co_await sources::read_event(with_.graph, calls_.owner_of(o_.path), there.id);
            if (!now) {
                const bool gone = now.error().kind == error_kind::not_found;
                co_return gone ? core::result<bool>(false) : now.error();
            }
            auto compared = co_await is_same(*now);
            if (!compared) {
                co_return compared.error();
            }
            same = *compared;
            meeting = meeting || is_meeting(*now);
        }
        if (same) {
            entry_.id = there.id;
            entry_.state = outcome::present;
            co_return true;
        }
        if (with_.asked.conflict == conflict_rule::rename) {
            co_return false;
        }
        if (replace && !meeting) {
            entry_.name = std::string(instead_of) + there.id;
            co_return false;
        }
        entry_.state = outcome::skipped;
        entry_.detail = replace ? "another version is there, and replacing a meeting would mail its attendees"
                                : "another version is there";
        co_return true;
    }

    /// Compares what is there, whole, with what was staged.
    task<core::result<bool>> is_same(const json& now) {
        if (!looks_the_same(event_, now)) {
            co_return false;
        }
        auto same = co_await has_same_attachments(event_, now);
        const auto* before = sources::member(event_, "exceptionOccurrences");
        const auto* after = sources::member(now, "exceptionOccurrences");
        if (before == nullptr || after == nullptr || !before->is_array() || !after->is_array()) {
            co_return same;
        }
        for (const auto& one : *before) {
            const auto is_it = [&one](const json& other) {
                return text(other, "originalStart") == text(one, "originalStart");
            };
            const auto other = std::find_if(after->begin(), after->end(), is_it);
            if (!same || !*same || other == after->end()) {
                co_return same;
            }
            same = co_await has_same_attachments(one, *other);
        }
        co_return same;
    }

    task<core::result<bool>> has_same_attachments(const json& staged, const json& now) {
        json listed = json::array();
        if (may_have_attachments(staged) || may_have_attachments(now)) {
            auto call = calls_.attachments(text(now, "id"), o_.path);
            auto all = co_await sources::list_attachments(with_.graph, std::move(call));
            if (!all) {
                co_return all.error();
            }
            listed = std::move(*all);
        }
        co_return same_attachments(staged, listed);
    }

    /// The id of the other version that has to go, of this run or of an earlier one that did not get so far;
    /// empty: there is none, or it is to stay.
    std::string replaced() const {
        const bool owed =
            entry_.name.starts_with(instead_of) && with_.asked.conflict == conflict_rule::replace;
        return owed ? entry_.name.substr(instead_of.size()) : std::string();
    }

    /// The new event is there, whole: the other version goes. Asked for right before, since whoever was
    /// invited meanwhile would get a mail.
    task<core::result<void>> remove_other() {
        auto now = co_await sources::read_event(with_.graph, calls_.owner_of(o_.path), replaced());
        if (now && is_meeting(*now)) {
            co_return core::error(
                error_kind::conflict,
                "it was put back, but the other version stays beside it: deleting what people were invited "
                "to since would mail them"
            );
        }
        core::result<void> gone;
        if (now) {
            auto call = calls_.remove(replaced(), o_.path);
            auto removed = co_await with_.graph.send(std::move(call));
            gone = removed ? core::result<void>() : core::result<void>(removed.error());
        } else {
            gone = now.error();
        }
        if (!gone && gone.error().kind != error_kind::not_found) {
            co_return gone;
        }
        entry_.name.clear();
        co_return core::result<void>();
    }

    task<core::result<void>> create(std::string transaction) {
        entry_.state = outcome::intended;
        co_await with_.log.put(o_.path, entry_);
        const auto body = new_event(event_, transaction);
        auto call = calls_.create(into_.id(), body, o_.path);
        co_await with_.pace.admit(calls_.mailbox(), call.body.size());
        auto answer = co_await with_.graph.send(std::move(call));
        if (!answer) {
            co_return answer.error();
        }
        const auto made = json::parse(answer->body, nullptr, false);
        entry_.id = text(made, "id");
        if (entry_.id.empty()) {
            co_return core::error(error_kind::protocol, "the service does not tell its id");
        }
        fresh_ = true;
        co_await with_.log.put(o_.path, entry_);
        co_return core::result<void>();
    }

    task<core::result<void>> bring_attachments(const json& of, std::string id, bool fresh, bool alone) {
        auto wanted = attachments_of(of);
        if (wanted.empty() && (fresh || !alone)) {
            co_return core::result<void>();
        }
        event_attachments attachments(with_, calls_, o_.path, id);
        auto done = co_await attachments.bring(std::move(wanted), fresh, alone);
        if (id == entry_.id) {
            entry_.hash = mark_of_event(event_, attachments.lost());
        }
        co_return done;
    }

    task<core::result<void>> occurrences() {
        const auto clock = sources::clock_of(event_);
        const auto* exceptions = sources::member(event_, "exceptionOccurrences");
        if (exceptions != nullptr && exceptions->is_array()) {
            for (const auto& one : *exceptions) {
                auto done = co_await exception(one, clock);
                if (!done) {
                    co_return done;
                }
            }
        }
        for (const auto date : sources::cancelled_dates(event_)) {
            auto done = co_await cancel(date, clock);
            if (!done) {
                co_return done;
            }
        }
        co_return core::result<void>();
    }

    /// The occurrence of the new series that belongs to a date; null if there is none.
    /// `moved`: where it may have been moved to, [start, end): the service goes by where they are now.
    task<core::result<json>> occurrence_on(
        unix_seconds date, const sources::event_clock& clock,
        std::optional<std::pair<unix_seconds, unix_seconds>> moved = {}
    ) {
        const auto start = clock.wall_of(sources::utc_of_event_time(event_, "start").value_or(0));
        const auto wall = date + ((start % core::seconds_a_day) + core::seconds_a_day) % core::seconds_a_day;
        const auto about = clock.zone && !clock.all_day ? clock.zone->utc_of(wall) : wall;
        auto found =
            co_await find_instance(about - core::seconds_a_day, about + 2 * core::seconds_a_day, date, clock);
        if (found && found->is_null() && moved) {
            found = co_await find_instance(
                moved->first - core::seconds_a_day, moved->second + core::seconds_a_day, date, clock
            );
        }
        co_return found;
    }

    task<core::result<json>> find_instance(
        unix_seconds from, unix_seconds to, unix_seconds date, const sources::event_clock& clock
    ) {
        auto call = calls_.instances(entry_.id, from, to, o_.path);
        const auto fits = [&](const json& one) { return date_of(one, clock) == date; };
        co_return co_await graph::find_element(with_.graph, std::move(call), fits);
    }

    /// A change of what people were invited to since the series was made would mail them.
    core::result<void> check_nobody_invited(const json& occurrence) const {
        if (!is_meeting(occurrence)) {
            return core::result<void>();
        }
        return core::error(
            error_kind::conflict,
            "people were invited to it since, so its occurrences stay as they are: a change would mail them"
        );
    }

    task<core::result<void>> exception(const json& one, const sources::event_clock& clock) {
        const auto date = date_of(one, clock);
        core::result<json> there = json();
        if (date) {
            std::optional<std::pair<unix_seconds, unix_seconds>> moved;
            const auto start = sources::utc_of_event_time(one, "start");
            if (const auto end = sources::utc_of_event_time(one, "end"); start && end) {
                moved.emplace(*start, std::max(*start, *end));
            }
            there = co_await occurrence_on(*date, clock, moved);
        }
        if (!there) {
            co_return there.error();
        }
        if (there->is_null()) {
            entry lost;
            lost.kind = "occurrence";
            lost.hash = never_again;
            co_await note(
                with_, o_.path + "\n" + text(one, "originalStart"), std::move(lost), outcome::failed,
                "the new series has no occurrence then"
            );
            co_return core::result<void>();
        }
        auto id = text(*there, "id");
        const bool changed =
            text(*there, "type") == "exception" && event_fingerprint(*there) == event_fingerprint(one);
        if (!changed) {
            auto allowed = check_nobody_invited(*there);
            if (!allowed) {
                co_return allowed;
            }
            const auto body = exception_changes(one, event_);
            auto call = calls_.change(id, body, o_.path);
            co_await with_.pace.admit(calls_.mailbox(), call.body.size());
            auto answer = co_await with_.graph.send(std::move(call));
            if (!answer) {
                co_return answer.error();
            }
            const auto now = json::parse(answer->body, nullptr, false);
            id = text(now, "id").empty() ? id : text(now, "id");
        }
        const bool any = !attachments_of(one).empty() || !attachments_of(event_).empty();
        if (!any) {
            co_return core::result<void>();
        }
        co_return co_await bring_attachments(one, id, false, true);
    }

    task<core::result<void>> cancel(unix_seconds date, const sources::event_clock& clock) {
        auto there = co_await occurrence_on(date, clock);
        if (!there) {
            co_return there.error();
        }
        if (there->is_null()) {
            co_return core::result<void>();  // it is cancelled already
        }
        auto allowed = check_nobody_invited(*there);
        if (!allowed) {
            co_return allowed;
        }
        auto call = calls_.remove(text(*there, "id"), o_.path);
        auto gone = co_await with_.graph.send(std::move(call));
        if (!gone && gone.error().kind != error_kind::not_found) {
            co_return gone.error();
        }
        co_return core::result<void>();
    }

    context& with_;
    calendar_folder& into_;
    const calendar_calls& calls_;
    const object& o_;
    entry entry_;
    json event_;
    bool fresh_ = false;  ///< made just now
};

}  // namespace

task<core::result<void>> put_event(context& with, calendar_folder& into, const object& o) {
    event_put one(with, into, o);
    auto done = co_await one.run();
    co_return done;
}

}  // namespace m365stage::restore
