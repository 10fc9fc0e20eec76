#pragma once

#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>

#include "async/once.hpp"
#include "async/turns.hpp"
#include "restore/calendar_calls.hpp"
#include "restore/made_folder.hpp"

/// Calendars: what `calendar_kind.cpp` is put together from.
namespace m365stage::restore {

/// Parent in journals of the calendars themselves.
inline constexpr const char* calendars_parent = "calendars";

/// An event that is in the target.
struct remote_event {
    remote_event() = default;
    std::string id, change_key, fingerprint;
    bool ours = false;  ///< a restore made it
};

/// The calendars that the owner has, listed once, and which of them this restore uses already.
struct calendar_home {
    calendar_home(context& w, std::string t, calendar_calls c)
        : with(w), target(std::move(t)), calls(std::move(c)), turns(w.executor) {}
    struct one {
        std::string id, name;
        bool usual = false, writable = true;
    };
    context& with;
    const std::string target;  ///< as the journal names it
    const calendar_calls calls;
    std::vector<one> all;
    std::set<std::string> taken;  ///< ids
    bool listed = false;
    async::turns turns;  ///< calendars are found and made one after the other
};

/// A calendar of the target. Made (or found) when something has to go into it.
class calendar_folder final : public made_folder {
public:
    /// What calendars lie in: there is nothing to be made. `prefix`: what names of calendars begin with.
    calendar_folder(std::shared_ptr<calendar_home> home, std::string prefix);
    /// A calendar. `o` tells its name, and whether it was the default one.
    calendar_folder(const calendar_folder& above, const object& o);

    const std::string& id() const { return id_; }
    bool writable() const { return writable_; }
    calendar_home& home() const { return *home_; }

    /// The event that was made with this transactionId, or has this iCalUId; lists the calendar once.
    task<core::result<std::optional<remote_event>>> find(std::string transaction, std::string uid);
    /// An event that is as this one; the service gives those that it makes itself new ids at any time.
    /// Requires: not `writable`.
    task<core::result<std::optional<remote_event>>> find_same(const nlohmann::json& event);
    void forget_content() { listed_.reset(); }

private:
    task<core::result<void>> make() override;
    task<core::result<void>> find_or_create(entry& e);
    task<core::result<void>> create(entry& e);
    task<core::result<void>> list_calendars();
    task<core::result<void>> list_events();
    std::string name_of(int number) const;
    const calendar_home::one* choose() const;
    std::string free_name() const;
    void use(const calendar_home::one& there);

    std::shared_ptr<calendar_home> home_;
    std::string prefix_, path_, name_, mark_, remote_id_, item_;
    std::string id_;
    int first_number_ = 1;  ///< 2: the tree has another calendar of that name, which comes first
    bool usual_ = false, writable_ = true, created_ = false;
    async::once listed_;
    std::map<std::string, remote_event> by_transaction_, by_uid_;
    std::map<std::string, remote_event> by_fingerprint_;  ///< of a calendar that nobody can write
};

/// The owner that --to names: "users/x@y[/calendar][/name]", "groups/nick[/calendar]".
task<core::result<target>> find_calendars(graph::client& graph, place where);
task<core::result<target>> find_calendars_of(graph::client& graph, const container& from, std::string& note);

/// Puts one event into a calendar: itself, its attachments, its exceptions and cancelled occurrences. Nobody
/// is mailed. Goes on where an earlier run was cut off. Errors: those that concern everything.
task<core::result<void>> put_event(context& with, calendar_folder& into, const object& o);

/// The SHA-256 (hex) of an attachment's bytes, as the service serves them.
task<core::result<std::string>> hash_of_attachment(graph::client& graph, graph::call call);

/// See `kind::read_back`: that calendars are there; of events subject, times, kind and attachments.
task<core::result<std::uint64_t>> read_back_calendar(context& with, journal::written_folder where, bool last);

/// One .ics of a whole calendar.
std::unique_ptr<joined_file> join_calendar();

}  // namespace m365stage::restore
