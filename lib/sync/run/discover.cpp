#include "sync/run/discover.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "async/group.hpp"
#include "core/log.hpp"
#include "graph/errors.hpp"
#include "graph/paging.hpp"
#include "index/containers.hpp"
#include "index/owners.hpp"
#include "sources/fields.hpp"
#include "sync/run/owner_list.hpp"

namespace m365stage::sync {
namespace {

using core::error_kind;
using nlohmann::json;
using sources::member;
using sources::text;

/// An owner of whom a page told only a part.
struct partial_owner {
    partial_owner(std::string i, bool d) : id(std::move(i)), decides(d) {}
    std::string id;
    bool decides;  ///< the part may make another owner of it
};

enum class round_of { all, changes };

class discovery {
public:
    explicit discovery(pass_context& pass) : pass_(pass), stamp_(pass.pass_id) {}

    task<std::optional<core::error>> run() {
        for (const auto& kind : pass_.options.owner_kinds) {
            if (kind == "user") {
                co_await directory(all_users());
            } else if (kind == "group") {
                co_await directory(all_groups());
            } else {
                co_await sites();
            }
            if (unreachable()) {
                break;  // the next list would take as long to fail
            }
        }
        if (failure_ && !answered_) {
            co_return std::move(failure_);  // nobody is there: not to be asked again for each owner
        }
        co_await list_owners();
        auto assign = [](index::database& db) { index::assign_keys(db); };
        co_await pass_.store.call(std::move(assign));
        if (!failure_) {
            if (sites_complete_) {
                auto tidy = [stamp = stamp_](index::database& db) { index::remove_unseen_sites(db, stamp); };
                co_await pass_.store.call(std::move(tidy));
            }
            co_await depart();
        }
        co_return std::move(failure_);
    }

private:
    bool unreachable() const {
        return failure_ && !answered_ && core::exit_code_for(failure_->kind) == core::exit_code::unreachable;
    }

    bool selected(const sources::owner& o) const {
        return !pass_.options.selects || pass_.options.selects(o.kind, o.name);
    }

    void fail(core::error e, std::string_view what) {
        if (e.kind == error_kind::auth_refused) {
            throw core::fatal(std::move(e));
        }
        if (e.operation.empty()) {
            e.operation = "discover";
        }
        if (e.object.empty()) {
            e.object = std::string(what);
        }
        core::log(core::log_level::warning, core::describe(e));
        pass_.counters.failed(e);
        if (!failure_) {
            failure_ = std::move(e);
        }
    }

    static graph::call directory_call(std::string target, std::string_view what) {
        graph::call c;
        c.target = std::move(target);
        c.where = graph::scope(graph::service::directory);
        c.object = std::string(what);
        return c;
    }

    /// Users or groups: by delta, by listing where the service offers no delta.
    task<void> directory(owner_list list) {
        const auto kind = list.kind;
        const std::string setting = "delta:" + kind;
        auto stored = [setting](index::database& db) { return index::setting(db, setting).value_or(""); };
        std::string cursor = co_await pass_.store.call(std::move(stored));
        if (!cursor.empty() && !pass_.graph.is_own(cursor)) {
            cursor.clear();
        }
        for (int attempt = 0; attempt < 3; ++attempt) {
            const bool full = cursor.empty();
            std::string target = cursor;
            if (full) {
                target = list.address + "/delta?" + list.select();
            }
            asked_alone_.clear();
            const auto round = full ? round_of::all : round_of::changes;
            auto end = co_await follow(std::move(target), list, round);
            if (end) {
                co_await finish(kind, full, setting, *end);
                co_await ask_again(list);
                co_return;
            }
            const auto& e = end.error();
            if (!full && (e.kind == error_kind::resync || e.kind == error_kind::bad_request ||
                          e.kind == error_kind::not_found)) {
                cursor.clear();
                continue;
            }
            const bool no_delta = e.kind == error_kind::bad_request || e.kind == error_kind::not_found ||
                                  e.kind == error_kind::unsupported;
            if (!no_delta) {
                fail(end.error(), kind + "s");
                co_return;
            }
            break;
        }
        asked_alone_.clear();
        auto end = co_await follow(list.address + "?" + list.select() + "&$top=999", list, round_of::all);
        if (!end) {
            fail(end.error(), kind + "s");
            co_return;
        }
        co_await finish(kind, true, setting, "");
        co_await ask_again(list);
    }

    /// All pages from `target` on; the deltaLink, or empty for a plain listing.
    task<core::result<std::string>> follow(std::string target, owner_list list, round_of round) {
        graph::paged_list pages(pass_.graph, directory_call(std::move(target), list.kind + "s"));
        for (;;) {
            const auto page = co_await pages.next();
            if (!page) {
                co_return page.error();
            }
            if (*page == nullptr) {
                co_return pages.delta_link();
            }
            const auto taken = co_await take(**page, list, round);
            if (!taken) {
                co_return taken.error();
            }
        }
    }

    /// Records what a page says; whom it tells only in part is asked for. Errors: of the latter.
    task<core::result<void>> take(const json& elements, owner_list list, round_of round) {
        answered_ = true;
        std::vector<told_owner> told;
        std::vector<partial_owner> parts;
        for (const auto& element : elements) {
            auto one = list.read(element);
            if (one.who.id.empty()) {
                continue;
            }
            if (sources::is_removed(element)) {
                one.what = telling::gone;
            }
            // The last one counts.
            std::erase_if(parts, [&](const partial_owner& p) {
                return p.id == one.who.id && one.what != telling::partial;
            });
            if (one.what == telling::partial) {
                const bool decides =
                    std::any_of(list.deciding.begin(), list.deciding.end(), [&](const std::string& name) {
                        return member(element, name) != nullptr;
                    });
                parts.emplace_back(one.who.id, decides);
            } else {
                if (one.what == telling::gone) {
                    asked_alone_.erase(list.kind + one.who.id);
                }
                told.push_back(std::move(one));
            }
        }
        co_await keep_told(list.kind, std::move(told));
        if (!parts.empty()) {
            co_return co_await complete(std::move(parts), std::move(list), round);
        }
        co_return core::result<void>();
    }

    task<void> keep_told(std::string kind, std::vector<told_owner> told) {
        const auto now = core::now_seconds();
        auto write = [told = std::move(told), kind, now, stamp = stamp_](index::database& db) {
            index::database::transaction t(db);
            for (const auto& [what, o, why] : told) {
                if (what == telling::unanswered) {
                    index::see_owner(db, kind, o.id, stamp);
                    index::note_unanswered(db, kind, o.id, why, now);
                    continue;
                }
                index::forget_unanswered(db, kind, o.id);
                if (what == telling::ours) {
                    index::upsert_owner(db, {o.kind, o.id, o.name, o.path}, stamp);
                } else if (what == telling::partial) {
                    index::see_owner(db, kind, o.id, stamp);
                } else {
                    index::remove_owner(db, kind, o.id);
                }
            }
            t.commit();
        };
        co_await pass_.store.call(std::move(write));
    }

    /// Asks for each owner of whom a page told only a part, unless that changes nothing of an owner who was
    /// told in whole before: in this pass (a group comes on as many pages as it has members), or at any time
    /// if the round tells changes alone.
    task<core::result<void>> complete(std::vector<partial_owner> parts, owner_list list, round_of round) {
        auto known = [parts, kind = list.kind, round, stamp = stamp_](index::database& db) {
            std::vector<bool> out;
            for (const auto& p : parts) {
                const auto seen = index::owner_seen_in(db, kind, p.id);
                out.push_back(!p.decides && seen && (*seen == stamp || round == round_of::changes));
            }
            return out;
        };
        const auto whole = co_await pass_.store.call(std::move(known));
        std::vector<told_owner> told;
        for (std::size_t i = 0; i < parts.size(); ++i) {
            if (whole[i]) {
                continue;  // asked for all the same if a full round of this pass tells no more
            }
            sources::owner o;
            o.kind = list.kind;
            o.id = parts[i].id;
            const bool again = !asked_alone_.insert(list.kind + o.id).second;
            if (again && !parts[i].decides) {
                continue;
            }
            told_owner one(telling::partial, std::move(o));
            if (!list.address.empty()) {
                auto answer = co_await ask_alone(one.who.id, list, true);
                if (!answer) {
                    co_return answer.error();
                }
                one = std::move(*answer);
            }
            told.push_back(std::move(one));
        }
        co_await keep_told(list.kind, std::move(told));
        co_return core::result<void>();
    }

    /// What the service says of one owner. `unanswered`: they are not there, or not yet (a directory takes a
    /// while to know everywhere whom it has just made), or they are refused for good, which is told the
    /// `first` time.
    task<core::result<told_owner>> ask_alone(std::string id, owner_list list, bool first) {
        const auto target = list.address + "/" + sources::segment(id) + "?" + list.select();
        auto answer = co_await pass_.graph.get_json(directory_call(target, list.kind + " " + id));
        sources::owner known;
        known.kind = list.kind;
        known.id = id;
        if (!answer) {
            auto e = answer.error();
            if (core::is_transient(e.kind) || e.kind == error_kind::auth_refused) {
                co_return e;
            }
            // Of one owner: no reason to take the whole list for failed, in every pass.
            told_owner nothing(telling::unanswered, std::move(known));
            nothing.why = e.kind;
            if (e.kind != error_kind::not_found && first) {
                e.operation = "discover";
                e.object = list.kind + " " + id;
                core::log(core::log_level::warning, core::describe(e));
                pass_.counters.failed(e);
            }
            co_return nothing;
        }
        auto one = list.read(*answer);
        if (one.who.id != id) {
            core::error e(error_kind::protocol, "the answer is about somebody else");
            co_return std::move(e).on(list.kind + " " + id);
        }
        co_return one;
    }

    /// Those for whom the service would not answer before: the cursor of their list has passed them.
    task<void> ask_again(owner_list list) {
        constexpr int at_a_time = 100;
        auto read = [kind = list.kind](index::database& db) {
            return index::unanswered_owners(db, kind, at_a_time);
        };
        const auto left = co_await pass_.store.call(std::move(read));
        std::vector<told_owner> told;
        for (const auto& owner : left) {
            if (asked_alone_.contains(list.kind + owner.remote_id)) {
                continue;  // just now
            }
            auto answer = co_await ask_alone(owner.remote_id, list, false);
            if (!answer) {
                fail(answer.error(), list.kind + "s");
                break;
            }
            // Who is not there for so long is not there: the feed will tell, if it ever told of them.
            constexpr core::unix_seconds day = 86'400;
            const bool gone = answer->what == telling::unanswered && answer->why == error_kind::not_found &&
                              core::now_seconds() - owner.since > day;
            answer->what = gone ? telling::partial : answer->what;
            told.push_back(std::move(*answer));
        }
        co_await keep_told(list.kind, std::move(told));
    }

    task<void> finish(std::string kind, bool full, std::string setting, std::string cursor) {
        auto write = [kind, full, setting, cursor, stamp = stamp_](index::database& db) {
            index::database::transaction t(db);
            if (full) {
                index::remove_unseen_owners(db, kind, stamp);
            }
            index::set_setting(db, setting, cursor);
            t.commit();
        };
        co_await pass_.store.call(std::move(write));
    }

    task<void> sites() {
        auto end = co_await site_pages("/v1.0/sites/getAllSites?$top=500");
        if (!end && !core::is_transient(end.error().kind) && end.error().kind != error_kind::auth_refused) {
            end = co_await site_pages("/v1.0/sites?search=*");  // older clouds
        }
        if (!end) {
            fail(end.error(), "sites");
            co_return;
        }
        sites_complete_ = true;
    }

    task<core::result<void>> site_pages(std::string target) {
        graph::call call;
        call.target = std::move(target);
        call.where = graph::scope(graph::service::sharepoint);
        call.resource_units = graph::units::query;
        call.object = "sites";
        graph::paged_list pages(pass_.graph, std::move(call));
        for (;;) {
            const auto page = co_await pages.next();
            if (!page) {
                co_return page.error();
            }
            if (*page == nullptr) {
                co_return core::result<void>();
            }
            const auto taken = co_await take(**page, all_sites(), round_of::all);
            if (!taken) {
                co_return taken.error();
            }
        }
    }

    /// Lists the containers of owners that are due; subsites that appear on the way are listed as well.
    task<void> list_owners() {
        constexpr int at_a_time = 200;
        std::unordered_set<std::string> done;
        for (bool first = true;; first = false) {
            auto due = [first, stamp = stamp_](index::database& db) {
                return index::owners_to_list(db, first ? at_a_time : 0, stamp);
            };
            auto owners = co_await pass_.store.call(std::move(due));
            std::erase_if(owners, [&](const index::owner_row& o) {
                return !done.insert(o.kind + o.remote_id).second;
            });
            if (owners.empty()) {
                break;
            }
            // A group's library is one of its site's as well: the group, listed before, keeps it.
            const auto sites =
                std::partition(owners.begin(), owners.end(), [](const auto& o) { return o.kind != "site"; });
            std::vector<index::owner_row> later(
                std::make_move_iterator(sites), std::make_move_iterator(owners.end())
            );
            owners.erase(sites, owners.end());
            co_await list_at_once(std::move(owners));
            co_await list_at_once(std::move(later));
        }
        pass_.counters.owners = done.size();
    }

    task<void> list_at_once(std::vector<index::owner_row> owners) {
        std::vector<task<void>> listers;
        next_ = 0;
        queue_ = std::move(owners);
        constexpr std::size_t at_once = 8;
        for (std::size_t i = 0; i < std::min(at_once, queue_.size()); ++i) {
            listers.push_back(lister());
        }
        co_await async::run_all(pass_.executor, std::move(listers));
    }

    task<void> lister() {
        while (next_ < queue_.size()) {
            const auto row = queue_[next_++];
            sources::owner o;
            o.kind = row.kind;
            o.id = row.remote_id;
            o.name = row.name;
            o.path = row.path;
            const bool wanted =
                selected(o) &&
                std::find(pass_.options.owner_kinds.begin(), pass_.options.owner_kinds.end(), o.kind) !=
                    pass_.options.owner_kinds.end();
            if (wanted) {
                co_await list_one(o);
            }
        }
    }

    /// What one owner has of one kind.
    struct kind_listing {
        std::string kind;
        sources::owner_listing found;
    };

    /// Containers that were listed tell for themselves, and that there are none proves nothing.
    void note_answer(std::string_view kind, const core::result<sources::owner_listing>& listing) {
        const auto refused = listing ? listing->refused : std::optional(listing.error());
        if (!refused) {
            return;
        }
        if (may_lack_permission(*refused)) {
            pass_.permissions.list_refused(kind, *refused);
        } else if (!says_nothing_of_permission(*refused)) {
            pass_.permissions.not_refused(kind);
        }
    }

    task<void> list_one(sources::owner o) {
        std::vector<kind_listing> kinds;
        bool all = true;
        for (const auto& source : pass_.sources) {
            if (!source->serves(o.kind)) {
                continue;
            }
            auto listing = co_await source->list(pass_.graph, o);
            note_answer(permission_kind(source->kind(), o.kind, pass_.options.kinds), listing);
            if (listing) {
                kinds.push_back({std::string(source->kind()), std::move(*listing)});
            } else {
                all = false;
                fail(listing.error(), o.path);
            }
        }
        const bool drives = !kinds.empty() && kinds.front().kind == "drive" && kinds.front().found.complete;
        if (o.kind == "site" && drives) {
            auto below = co_await site_pages("/v1.0/sites/" + o.id + "/sites");
            if (!below && below.error().kind != error_kind::not_found &&
                below.error().kind != error_kind::bad_request) {
                fail(below.error(), o.path);
                co_return;
            }
        }
        co_await keep(std::move(o), std::move(kinds), all);
    }

    /// `all`: nothing failed; otherwise the owner is asked again in the next pass.
    task<void> keep(sources::owner o, std::vector<kind_listing> kinds, bool all) {
        const auto now = core::now_seconds();
        auto write = [o, kinds = std::move(kinds), all, now, stamp = stamp_](index::database& db) {
            index::database::transaction t(db);
            const index::owner_row row(o.kind, o.id, o.name, o.path);
            std::vector<std::string> not_covered;
            bool sure = true;  // false: what was there is missing for the first time
            for (const auto& [kind, found] : kinds) {
                std::vector<std::string> present;
                for (const auto& f : found.containers) {
                    present.push_back(f.remote_id);
                    // A group's library is one of its site's libraries too: the first owner keeps it.
                    const auto holder = db.text(
                        "SELECT owner_kind || owner_id FROM container WHERE kind=? AND remote_id=? AND "
                        "state<>'departed'",
                        f.kind, f.remote_id
                    );
                    if (!holder || *holder == o.kind + o.id) {
                        index::upsert_container(db, f);
                    }
                }
                if (found.complete && !index::kind_listed(db, row, kind, present, now)) {
                    sure = false;
                }
                not_covered.insert(not_covered.end(), found.not_covered.begin(), found.not_covered.end());
            }
            if (all) {
                index::owner_listed(db, row, stamp);
                index::set_not_covered(db, o.path, not_covered, now);
            }
            if (!sure) {
                index::list_owner_again(db, row);
            }
            t.commit();
        };
        co_await pass_.store.call(std::move(write));
    }

    /// Containers whose owner is gone or not selected any more.
    task<void> depart() {
        auto read = [](index::database& db) { return index::container_owners(db); };
        const auto rows = co_await pass_.store.call(std::move(read));
        std::vector<index::container_id> left;
        for (const auto& row : rows) {
            sources::owner o;
            o.kind = row.kind;
            o.name = row.name;
            if (!row.known || !selected(o) || !pass_.source_of(row.data_kind).serves(o.kind)) {
                left.push_back(row.container);
            }
        }
        if (left.empty()) {
            co_return;
        }
        auto write = [left = std::move(left), now = core::now_seconds()](index::database& db) {
            index::database::transaction t(db);
            for (const auto id : left) {
                index::mark_departed(db, id, now);
            }
            t.commit();
        };
        co_await pass_.store.call(std::move(write));
    }

    pass_context& pass_;
    std::int64_t stamp_;  ///< of this pass: marks what it saw and listed
    std::optional<core::error> failure_;
    bool sites_complete_ = false;
    bool answered_ = false;                        ///< a list was answered: the service is there
    std::unordered_set<std::string> asked_alone_;  ///< kind and id: asked for alone in this round
    std::vector<index::owner_row> queue_;
    std::size_t next_ = 0;
};

}  // namespace

task<std::optional<core::error>> discover(pass_context& pass) {
    discovery d(pass);
    co_return co_await d.run();
}

}  // namespace m365stage::sync
