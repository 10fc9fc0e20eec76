#include <algorithm>
#include <nlohmann/json.hpp>

#include "graph/paging.hpp"
#include "restore/calendar_restore.hpp"
#include "restore/event_body.hpp"
#include "sources/fields.hpp"
#include "tree/names.hpp"

namespace m365stage::restore {

using nlohmann::json;
using sources::text;

namespace {

calendar_home::one parse(const json& element) {
    calendar_home::one c;
    c.id = text(element, "id");
    c.name = text(element, "name");
    c.usual = sources::is_true(element, "isDefaultCalendar");
    const auto* edit = sources::member(element, "canEdit");
    c.writable = edit == nullptr || *edit != false;
    return c;
}

}  // namespace

calendar_folder::calendar_folder(std::shared_ptr<calendar_home> home, std::string prefix)
    : made_folder(home->with.executor, true),
      home_(std::move(home)),
      prefix_(std::move(prefix)),
      listed_(home_->with.executor) {}

calendar_folder::calendar_folder(const calendar_folder& above, const object& o)
    : made_folder(above.home_->with.executor, false),
      home_(above.home_),
      prefix_(above.prefix_),
      path_(o.path),
      listed_(home_->with.executor) {
    const bool good = o.state == object_state::good;
    name_ = good ? o.meta.name : o.local;
    if (good) {
        mark_ = o.mark;
        item_ = o.meta.item;
        remote_id_ = o.meta.id;
        const auto item = json::parse(o.meta.item, nullptr, false);
        usual_ = prefix_.empty() && sources::is_true(item, "isDefaultCalendar");
        // The tree gives the second of two of one name a tag, always the same one of them.
        const bool fits = tree::local_name(name_, remote_id_) == name_;
        first_number_ = fits && o.local != name_ ? 2 : 1;
    }
    name_ = prefix_.empty() ? name_ : prefix_ + " " + name_;
}

task<core::result<void>> calendar_folder::make() {
    co_await home_->turns.wait();
    const async::turn mine(home_->turns);
    auto& with = home_->with;
    entry e = co_await with.log.find(path_, mark_);
    e.kind = "calendar";
    e.mark = mark_;
    e.target = home_->target;
    e.parent = calendars_parent;
    auto done = co_await find_or_create(e);
    if (done) {
        e.id = id_;
        e.state = created_ || e.state == outcome::done ? outcome::done : outcome::present;
        e.detail.clear();
        co_await with.log.put(path_, std::move(e));
        co_return done;
    }
    core::error why = done.error();
    e.state = core::is_transient(why.kind) ? outcome::open : outcome::failed;
    e.detail = reason_of(why);
    co_await with.log.put(path_, std::move(e));
    core::error out(why.kind, "its calendar could not be made: " + why.cause);
    co_return out;
}

task<core::result<void>> calendar_folder::find_or_create(entry& e) {
    if (!home_->listed) {
        auto listed = co_await list_calendars();
        if (!listed) {
            co_return listed;
        }
    }
    // One that an earlier run of this restore made.
    for (const auto& there : home_->all) {
        if (!e.id.empty() && there.id == e.id) {
            use(there);
            co_return core::result<void>();
        }
    }
    e.state = outcome::open;
    if (const auto* there = choose()) {
        use(*there);
        co_return core::result<void>();
    }
    if (home_->calls.is_group()) {
        core::error no(core::error_kind::usage, "a group has only one calendar");
        no.hint = "put it back with --in-place, or --to a user";
        co_return no;
    }
    co_return co_await create(e);
}

/// Two calendars of one name can't be made, though there are some (contract Q91).
std::string calendar_folder::name_of(int number) const {
    return number == 1 ? name_ : name_ + " (" + std::to_string(number) + ")";
}

/// The calendar that stands for this one already: the same one, the default one, or one of that name.
const calendar_home::one* calendar_folder::choose() const {
    for (const auto& there : home_->all) {
        if (prefix_.empty() && (there.id == remote_id_ || (usual_ && there.usual))) {
            return &there;
        }
    }
    if (home_->calls.is_group()) {
        return prefix_.empty() ? &home_->all.front() : nullptr;
    }
    for (int number = first_number_;; ++number) {
        const auto name = folded(name_of(number));
        const calendar_home::one* named = nullptr;
        for (const auto& there : home_->all) {
            if (folded(there.name) == name) {
                named = home_->taken.contains(there.id) && named != nullptr ? named : &there;
            }
        }
        if (named == nullptr || !home_->taken.contains(named->id)) {
            return named;
        }
    }
}

void calendar_folder::use(const calendar_home::one& there) {
    id_ = there.id;
    writable_ = there.writable;
    home_->taken.insert(there.id);
}

std::string calendar_folder::free_name() const {
    for (int number = first_number_;; ++number) {
        const auto name = name_of(number);
        const bool taken = std::any_of(home_->all.begin(), home_->all.end(), [&name](const auto& there) {
            return folded(there.name) == folded(name);
        });
        if (!taken) {
            return name;
        }
    }
}

task<core::result<void>> calendar_folder::create(entry& e) {
    auto& with = home_->with;
    constexpr int most_tries = 3;
    for (int tries = 1;; ++tries) {
        json body{{"name", free_name()}};
        const auto item = json::parse(item_, nullptr, false);
        if (const auto color = text(item, "color"); !color.empty()) {
            body["color"] = color;
        }
        e.name = text(body, "name");
        e.state = outcome::intended;
        co_await with.log.put(path_, e);
        auto call = home_->calls.make_calendar(body, path_);
        auto answer = co_await with.graph.send(std::move(call));
        if (answer) {
            const auto made = json::parse(answer->body, nullptr, false);
            auto one = parse(made);
            if (one.id.empty()) {
                co_return core::error(core::error_kind::protocol, "the service does not tell its id");
            }
            home_->all.push_back(one);
            use(one);
            created_ = true;
            listed_.set_done();  // it is empty
            co_return core::result<void>();
        }
        const auto why = answer.error();
        const bool again = why.kind == core::error_kind::conflict || core::is_transient(why.kind);
        if (!again || tries == most_tries) {
            co_return why;
        }
        // Somebody was faster, or an answer was lost: look again.
        auto listed = co_await list_calendars();
        if (!listed) {
            co_return listed;
        }
        if (const auto* there = choose()) {
            use(*there);
            co_return core::result<void>();
        }
    }
}

task<core::result<void>> calendar_folder::list_calendars() {
    std::vector<calendar_home::one> all;
    auto usual_call = home_->calls.usual_calendar(path_);
    auto usual = co_await home_->with.graph.get_json(std::move(usual_call));
    if (!usual) {
        co_return usual.error();
    }
    const auto first = parse(*usual);
    if (home_->calls.is_group()) {
        all.push_back(first);
    }
    const auto take = [&](const json& element) {
        auto one = parse(element);
        const auto* owner = sources::member(element, "owner");
        const auto* self = sources::member(*usual, "owner");
        const bool shared = owner != nullptr && self != nullptr &&
                            folded(text(*owner, "address")) != folded(text(*self, "address"));
        if (!one.id.empty() && !shared) {
            one.usual = one.usual || one.id == first.id;
            all.push_back(std::move(one));
        }
    };
    if (!home_->calls.is_group()) {
        auto call = home_->calls.calendars(path_);
        auto listed = co_await graph::each_element(home_->with.graph, std::move(call), take);
        if (!listed) {
            co_return listed;
        }
    }
    home_->all = std::move(all);
    home_->listed = true;
    co_return core::result<void>();
}

task<core::result<std::optional<remote_event>>> calendar_folder::find(
    std::string transaction, std::string uid
) {
    const auto list_it = [this] { return list_events(); };
    const auto listed = co_await listed_.run(list_it);
    if (!listed) {
        co_return listed.error();
    }
    std::optional<remote_event> found;
    if (const auto at = by_transaction_.find(transaction); at != by_transaction_.end()) {
        found = at->second;
        found->ours = true;
    } else if (const auto same = by_uid_.find(uid); !uid.empty() && same != by_uid_.end()) {
        found = same->second;
    }
    co_return found;
}

task<core::result<std::optional<remote_event>>> calendar_folder::find_same(const json& event) {
    auto same = co_await find("", text(event, "iCalUId"));
    if (!same) {
        co_return same.error();
    }
    const auto fingerprint = event_fingerprint(event);
    const bool equal =
        *same && ((*same)->change_key == text(event, "changeKey") || (*same)->fingerprint == fingerprint);
    if (!equal) {
        const auto at = by_fingerprint_.find(fingerprint);
        *same = at == by_fingerprint_.end() ? std::nullopt : std::optional(at->second);
    }
    co_return same;
}

task<core::result<void>> calendar_folder::list_events() {
    by_transaction_.clear();
    by_uid_.clear();
    by_fingerprint_.clear();
    auto call = home_->calls.events(id_, path_);
    const auto take = [this](const json& element) {
        remote_event there;
        there.id = text(element, "id");
        there.change_key = text(element, "changeKey");
        there.fingerprint = event_fingerprint(element);
        if (const auto transaction = text(element, "transactionId"); !transaction.empty()) {
            by_transaction_[transaction] = there;
        }
        if (!writable_) {
            by_fingerprint_[there.fingerprint] = there;
        }
        by_uid_[text(element, "iCalUId")] = there;
    };
    co_return co_await graph::each_element(home_->with.graph, std::move(call), take);
}

}  // namespace m365stage::restore
