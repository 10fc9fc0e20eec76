#include <nlohmann/json.hpp>

#include "graph/paging.hpp"
#include "restore/calendar_restore.hpp"
#include "restore/event_attachments.hpp"
#include "restore/event_body.hpp"
#include "restore/owner.hpp"
#include "sources/event_times.hpp"
#include "sources/fields.hpp"

namespace m365stage::restore {
namespace {

using nlohmann::json;
using sources::text;

constexpr const char* calendar_probe = "/calendar?$select=id";

/// Not among the members that a sidecar has for itself: with what else an event costs.
effort effort_of_event(const json& event) {
    effort e;
    e.requests = 2;  // made, and read back with the others
    auto count = [&e](const json& one) {
        for (const auto& a : attachments_of(one)) {
            const auto size = static_cast<std::uint64_t>(std::max<std::int64_t>(a.size, 0));
            e.bytes += size;
            e.requests += a.unreadable.empty() ? 2 + size / static_cast<std::uint64_t>(bytes_a_piece) : 0;
        }
    };
    count(event);
    const auto* exceptions = sources::member(event, "exceptionOccurrences");
    if (exceptions != nullptr && exceptions->is_array()) {
        for (const auto& one : *exceptions) {
            e.requests += 2;
            count(one);
        }
    }
    e.requests += 2 * sources::cancelled_dates(event).size();
    e.units = e.requests;
    return e;
}

class calendar_writer final : public writer {
public:
    calendar_writer(context& with, const kind& k, const target& to) : with_(with) {
        auto home = std::make_shared<calendar_home>(with, journal_target(k, to), calendar_calls(to.id));
        std::string prefix;
        for (const auto& name : to.below) {
            prefix += (prefix.empty() ? "" : " ") + name;
        }
        top_ = std::make_shared<calendar_folder>(std::move(home), std::move(prefix));
    }

    folder_ptr top() override { return top_; }

    folder_ptr inside(folder_ptr above, const object& o) override {
        return std::make_shared<calendar_folder>(static_cast<const calendar_folder&>(*above), o);
    }

    task<core::result<void>> put(folder_ptr into, const object& o) override {
        auto folder = std::static_pointer_cast<calendar_folder>(std::move(into));
        auto done = co_await put_event(with_, *folder, o);
        co_return done;
    }

private:
    context& with_;
    std::shared_ptr<calendar_folder> top_;
};

class calendar_kind final : public kind {
public:
    std::string_view name() const override { return "calendar"; }

    std::string word_for(const object& o) const override { return o.folder ? "calendar" : "event"; }

    decision judge(const object& o, const request& asked) const override {
        if (auto d = judge_state(o)) {
            return *d;
        }
        return judge_as_of(o, asked).value_or(decision());
    }

    effort effort_of(const object& o, const request&) const override {
        if (!o.folder) {
            return effort_of_event(json::parse(o.meta.item, nullptr, false));
        }
        effort e;
        e.requests = e.units = 2;
        return e;
    }

    role_check check_roles(const std::vector<std::string>& roles, const request&) const override {
        role_check out;
        if (!has_any(roles, {"Calendars.ReadWrite"})) {
            out.obstacle =
                "the restore app has no permission to write calendars: grant it Calendars.ReadWrite "
                "(application permission) and give admin consent";
        }
        return out;
    }

    std::string limit_key(const target& to) const override {
        return "mailbox " + calendar_calls(to.id).mailbox();
    }

    graph::scope scope_of(const target& to) const override {
        return graph::scope(graph::service::outlook, calendar_calls(to.id).mailbox());
    }

    double seconds(const graph::client&, const effort& all) const override { return mailbox_seconds(all); }

    task<core::result<target>> find(graph::client& graph, place where) const override {
        return find_calendars(graph, std::move(where));
    }

    task<core::result<target>> find_origin(graph::client& graph, const container& from, std::string& note)
        const override {
        return find_calendars_of(graph, from, note);
    }

    /// Calendars don't lie in each other: the name is what names of new ones begin with.
    task<core::result<bool>> is_taken(context& with, const target& to, const std::string& name)
        const override {
        const calendar_calls calls(to.id);
        std::string prefix;
        for (const auto& folder : to.below) {
            prefix += folder + " ";
        }
        prefix += name + " ";
        if (calls.is_group()) {
            co_return false;
        }
        auto call = calls.calendars(to.label);
        const auto fits = [&](const json& element) {
            return folded(text(element, "name")).starts_with(folded(prefix));
        };
        const auto found = co_await graph::find_element(with.graph, std::move(call), fits);
        if (!found) {
            co_return found.error();
        }
        co_return !found->is_null();
    }

    // A mailbox allows four requests at a time.
    int at_once() const override { return 4; }

    std::unique_ptr<writer> begin(context& with, const container&, const target& to) const override {
        return std::make_unique<calendar_writer>(with, *this, to);
    }

    task<core::result<std::uint64_t>> read_back(
        context& with, const journal::written_folder& where, bool last
    ) const override {
        return read_back_calendar(with, where, last);
    }

    std::unique_ptr<joined_file> join(const request&) const override { return join_calendar(); }
};

/// An owner found, as a target.
target target_of(const found_owner& owner, const std::string& owner_kind) {
    target out;
    out.id = owner_kind + "s/" + owner.id;
    out.label = owner.label;
    return out;
}

}  // namespace

task<core::result<target>> find_calendars(graph::client& graph, place where) {
    auto taken = take_container_name(where, "calendar", {"user", "group"});
    if (!taken) {
        co_return taken.error();
    }
    auto owner = co_await find_mailbox(graph, where, calendar_probe);
    if (!owner) {
        co_return owner.error();
    }
    auto out = target_of(*owner, where.owner_kind);
    out.below = std::move(where.rest);
    co_return out;
}

task<core::result<target>> find_calendars_of(graph::client& graph, const container& from, std::string& note) {
    auto owner = co_await find_owner_of(graph, from, calendar_probe, note);
    if (!owner) {
        co_return owner.error();
    }
    const bool group = from.owner_kind == "group" || from.path.starts_with("groups/");
    auto out = target_of(*owner, group ? "group" : "user");
    out.origin = owner->id == from.owner_id;
    co_return out;
}

std::unique_ptr<kind> make_calendar_kind() {
    return std::make_unique<calendar_kind>();
}

}  // namespace m365stage::restore
