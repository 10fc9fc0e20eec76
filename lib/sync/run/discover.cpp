#include "sync/run/discover.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "async/group.hpp"
#include "core/log.hpp"
#include "graph/paging.hpp"
#include "http/http.hpp"
#include "index/containers.hpp"
#include "index/owners.hpp"
#include "sources/fields.hpp"
#include "tree/names.hpp"

namespace m365stage::sync {
namespace {

using core::error_kind;
using nlohmann::json;
using sources::text;

std::optional<sources::owner> user_of(const json& element) {
    sources::owner o;
    o.kind = "user";
    o.id = text(element, "id");
    o.name = text(element, "userPrincipalName");
    // Guests have no drive and no mailbox here; userType may be null (contract 5.1).
    if (o.id.empty() || o.name.empty() || text(element, "userType") == "Guest") {
        return std::nullopt;
    }
    o.path = "users/" + tree::owner_segment(o.name, o.id);
    return o;
}

std::optional<sources::owner> group_of(const json& element) {
    sources::owner o;
    o.kind = "group";
    o.id = text(element, "id");
    o.name = text(element, "mailNickname");
    const auto types = element.is_object() ? element.find("groupTypes") : element.end();
    const bool unified = types != element.end() && types->is_array() &&
                         std::find(types->begin(), types->end(), json("Unified")) != types->end();
    if (o.id.empty() || o.name.empty() || !unified) {
        return std::nullopt;
    }
    o.path = "groups/" + tree::owner_segment(o.name, o.id);
    return o;
}

/// A site by its address; personal sites belong to their users, `/search` is no site (contract 5.1, Q94).
std::optional<sources::owner> site_of(const json& element) {
    sources::owner o;
    o.kind = "site";
    o.id = text(element, "id");
    const auto url = text(element, "webUrl");
    const auto personal = element.is_object() ? element.find("isPersonalSite") : element.end();
    const bool is_personal = personal != element.end() && *personal == true;
    auto parts = http::parse_url(url);
    if (o.id.empty() || !parts || is_personal || url.find("/personal/") != std::string::npos) {
        return std::nullopt;
    }
    std::string path = parts->target.substr(0, parts->target.find_first_of("?#"));
    if (path == "/search" && text(element, "name").empty()) {
        return std::nullopt;
    }
    o.name = parts->host + (path == "/" ? std::string() : path);
    o.path = "sites/" + tree::owner_segment(parts->host, o.id);
    for (std::size_t at = 1; at < path.size();) {
        const auto end = std::min(path.find('/', at), path.size());
        if (end > at) {
            const auto name = path.substr(at, end - at);
            o.path += "/" + tree::owner_segment(http::percent_decode(name).value_or(name), o.id);
        }
        at = end + 1;
    }
    return o;
}

using reader = std::optional<sources::owner> (*)(const json&);

class discovery {
public:
    explicit discovery(pass_context& pass) : pass_(pass), stamp_(pass.pass_id) {}

    task<std::optional<core::error>> run() {
        for (const auto& kind : pass_.options.owner_kinds) {
            if (kind == "user") {
                co_await directory(
                    "user", "/v1.0/users", "id,userPrincipalName,displayName,userType,accountEnabled",
                    &user_of
                );
            } else if (kind == "group") {
                co_await directory(
                    "group", "/v1.0/groups", "id,displayName,mailNickname,groupTypes", &group_of
                );
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
        auto assign = [](index::database& db) {
            index::assign_keys(db);
            return true;
        };
        co_await pass_.store.call(std::move(assign));
        if (!failure_) {
            if (sites_complete_) {
                auto tidy = [stamp = stamp_](index::database& db) {
                    index::remove_unseen_sites(db, stamp);
                    return true;
                };
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
    task<void> directory(std::string kind, std::string base, std::string select, reader read) {
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
                target = base + "/delta?$select=" + select;
            }
            auto end = co_await follow(std::move(target), kind, read);
            if (end) {
                co_await finish(kind, full, setting, *end);
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
        auto end = co_await follow(base + "?$select=" + select + "&$top=999", kind, read);
        if (!end) {
            fail(end.error(), kind + "s");
            co_return;
        }
        co_await finish(kind, true, setting, "");
    }

    /// All pages from `target` on; the deltaLink, or empty for a plain listing.
    task<core::result<std::string>> follow(std::string target, std::string kind, reader read) {
        graph::paged_list pages(pass_.graph, directory_call(std::move(target), kind + "s"));
        for (;;) {
            const auto page = co_await pages.next();
            if (!page) {
                co_return page.error();
            }
            if (*page == nullptr) {
                co_return pages.delta_link();
            }
            co_await take(**page, kind, read);
        }
    }

    task<void> take(const json& elements, std::string kind, reader read) {
        answered_ = true;
        std::vector<sources::owner> found;
        std::vector<std::string> removed;
        for (const auto& element : elements) {
            auto o = read(element);
            const bool gone = element.is_object() && element.contains("@removed");
            if (o && !gone) {
                found.push_back(std::move(*o));
            } else if (!text(element, "id").empty()) {
                removed.push_back(text(element, "id"));
            }
        }
        auto write = [found = std::move(found), removed = std::move(removed), kind,
                      stamp = stamp_](index::database& db) {
            index::database::transaction t(db);
            for (const auto& o : found) {
                index::upsert_owner(db, {o.kind, o.id, o.name, o.path}, stamp);
            }
            for (const auto& id : removed) {
                index::remove_owner(db, kind, id);
            }
            t.commit();
            return true;
        };
        co_await pass_.store.call(std::move(write));
    }

    task<void> finish(std::string kind, bool full, std::string setting, std::string cursor) {
        auto write = [kind, full, setting, cursor, stamp = stamp_](index::database& db) {
            index::database::transaction t(db);
            if (full) {
                index::remove_unseen_owners(db, kind, stamp);
            }
            index::set_setting(db, setting, cursor);
            t.commit();
            return true;
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
            co_await take(**page, "site", &site_of);
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
            return true;
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
            return true;
        };
        co_await pass_.store.call(std::move(write));
    }

    pass_context& pass_;
    std::int64_t stamp_;  ///< of this pass: marks what it saw and listed
    std::optional<core::error> failure_;
    bool sites_complete_ = false;
    bool answered_ = false;  ///< a list was answered: the service is there
    std::vector<index::owner_row> queue_;
    std::size_t next_ = 0;
};

}  // namespace

task<std::optional<core::error>> discover(pass_context& pass) {
    discovery d(pass);
    co_return co_await d.run();
}

}  // namespace m365stage::sync
