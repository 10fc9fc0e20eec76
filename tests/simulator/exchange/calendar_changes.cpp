// Changes of calendars from outside: precise ones, and random ones by seed.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "calendar_api.hpp"
#include "changes.hpp"
#include "mail_content.hpp"
#include "recurrence.hpp"
#include "time_zone.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

const std::map<std::string, int> event_weights = {
    {"new", 16},
    {"set", 14},
    {"reschedule", 8},
    {"move", 8},
    {"delete", 10},
    {"exception", 10},
    {"cancel_occurrence", 8},
    {"attach", 6},
    {"detach", 4},
    {"create_delete", 3},
    {"move_back", 3},
    {"new_calendar", 3},
    {"rename_calendar", 3},
    {"delete_calendar", 1}
};

std::uint32_t named_calendar(const mailbox& b, const std::string& name) {
    if (auto c = find_calendar(b, name)) {
        return *c;
    }
    const auto& all = b.calendars->calendars;
    for (std::uint32_t c = 0; c < all.size(); ++c) {
        if (!all[c].deleted && (all[c].name == name || (name.empty() && all[c].is_default))) {
            return c;
        }
    }
    throw std::runtime_error("there is no calendar '" + name + "'");
}

event_place named_event(const mailbox& b, const json& s) {
    event_place place = find_event(b, s.value("event", ""));
    if (place.event == nowhere) {
        throw std::runtime_error("there is no event '" + s.value("event", "") + "'");
    }
    if (s.contains("day")) {
        place.day = parse_date(s["day"].get<std::string>());
        if (!place.day || !b.calendars->occasion_on(place.event, *place.day)) {
            throw std::runtime_error("the series has no occurrence on that day");
        }
    }
    return place;
}

/// An exception gets other properties; a whole event too.
void set_properties(world& w, calendar_store& s, const event_place& place, const json& set) {
    if (place.day) {
        occurrence_change& change = s.make_exception(place.event, *place.day);
        change.set.update(set);
        change.modified = w.now();
        ++change.version;
    } else {
        s.events[place.event].set.update(set);
    }
    s.touch(place.event, w.now());
}

void cancel_day(world& w, calendar_store& s, event_index e, std::int64_t day) {
    s.events[e].exceptions.erase(day);
    s.events[e].cancelled.insert(day);
    s.touch(e, w.now());
}

/// Does random things to the calendars of one mailbox.
class calendar_shaker {
public:
    calendar_shaker(world& w, mailbox& b, rng& r) : w_(w), b_(b), s_(calendars_of(w, b)), r_(r) {}

    json act(const std::string& what) {
        json done = what.ends_with("calendar") ? calendar_act(what) : event_act(what);
        if (!done.is_null()) {
            done["op"] = what;
            done["mailbox"] = b_.owner_id;
        }
        return done;
    }

private:
    std::optional<std::uint32_t> any_calendar(bool removable) {
        std::vector<std::uint32_t> all;
        for (std::uint32_t c = 0; c < s_.calendars.size(); ++c) {
            const calendar& it = s_.calendars[c];
            if (!it.deleted && it.can_edit && it.owner_address == b_.address &&
                (!removable || it.removable)) {
                all.push_back(c);
            }
        }
        return all.empty() ? std::nullopt : std::optional(all[r_.below(all.size())]);
    }

    event_index any_event(bool series) {
        std::vector<event_index> all;
        for (event_index e = 0; e < s_.events.size(); ++e) {
            const calendar_event& it = s_.events[e];
            if (!it.deleted && it.wrong == trouble::none && s_.calendars[it.calendar].can_edit &&
                s_.calendars[it.calendar].owner_address == b_.address && (!series || it.is_series())) {
                all.push_back(e);
            }
        }
        return all.empty() ? nowhere : all[r_.below(all.size())];
    }

    json calendar_act(const std::string& what) {
        static const char* names[] = {"Reisen", "On call", "Schicht: 2026", "客戶", "a/b", "Team"};
        std::string name = names[r_.below(6)] + std::to_string(r_.below(1000));
        if (what == "new_calendar") {
            if (b_.owner_kind == "group") {
                return nullptr;
            }
            calendar c;
            c.name = name;
            c.owner_name = b_.display_name;
            c.owner_address = b_.address;
            s_.calendars.push_back(c);
            auto number = static_cast<std::uint32_t>(s_.calendars.size() - 1);
            s_.add(seeded_event(r_, b_, number, w_.now()));
            return {{"calendar", calendar_id(b_, number)}};
        }
        auto c = any_calendar(true);
        if (!c) {
            return nullptr;
        }
        if (what == "rename_calendar") {
            s_.calendars[*c].name = name;
            ++s_.calendars[*c].version;
        } else if (what == "delete_calendar") {
            s_.remove_calendar(*c, w_.now());
        } else {
            throw std::runtime_error("change: there is no weight '" + what + "'");
        }
        return {{"calendar", calendar_id(b_, *c)}};
    }

    json event_act(const std::string& what) {
        if (what == "new" || what == "create_delete") {
            auto c = any_calendar(false);
            event_index e = s_.add(seeded_event(r_, b_, *c, w_.now()));
            if (what == "create_delete") {
                s_.remove(e, w_.now());
            }
            return told(e);
        }
        event_index e = any_event(what == "exception" || what == "cancel_occurrence");
        if (e == nowhere || !change(what, e)) {
            return nullptr;
        }
        return told(e);
    }

    bool change(const std::string& what, event_index e) {
        calendar_event& it = s_.events[e];
        event_place place;
        place.event = e;
        if (what == "set") {
            set_properties(
                w_, s_, place,
                {{"subject", sentence(r_)}, {"body", {{"contentType", "text"}, {"content", prose(r_, 100)}}}}
            );
        } else if (what == "reschedule") {
            if (it.is_series()) {
                return false;  // a series that moves loses its exceptions: another test's business
            }
            calendar_event other = seeded_event(r_, b_, it.calendar, w_.now());
            if (other.is_series()) {
                return false;
            }
            json set = {
                {"start", other.set["start"]}, {"end", other.set["end"]}, {"isAllDay", other.set["isAllDay"]}
            };
            set_properties(w_, s_, place, set);
        } else if (what == "move" || what == "move_back") {
            auto from = it.calendar;
            s_.move(e, *any_calendar(false), w_.now());
            if (what == "move_back") {
                s_.move(e, from, w_.now());
            }
        } else if (what == "delete") {
            s_.remove(e, w_.now());
        } else if (what == "attach") {
            it.attachments.push_back(seeded_attachment(r_, it.next_attachment++, w_.now()));
            s_.touch(e, w_.now());
        } else if (what == "detach") {
            if (it.attachments.empty()) {
                return false;
            }
            it.attachments.pop_back();
            s_.touch(e, w_.now());
        } else {
            return change_series(what, place);
        }
        return true;
    }

    bool change_series(const std::string& what, event_place place) {
        const json& recurrence = s_.events[place.event].set["recurrence"];
        auto start = parse_date(recurrence["range"].value("startDate", "")).value_or(0);
        auto days = recurrence_days(recurrence, start + 1200, 12);
        place.day = days[r_.below(days.size())];
        if (s_.events[place.event].cancelled.contains(*place.day)) {
            return false;
        }
        if (what == "cancel_occurrence") {
            cancel_day(w_, s_, place.event, *place.day);
        } else if (what == "exception") {
            set_properties(w_, s_, place, {{"subject", "Other " + sentence(r_)}});
        } else {
            throw std::runtime_error("change: there is no weight '" + what + "'");
        }
        return true;
    }

    json told(event_index e) const { return {{"id", event_id(b_, e, std::nullopt, true)}}; }

    world& w_;
    mailbox& b_;
    calendar_store& s_;
    rng& r_;
};

json change_calendar(world& w, mailbox& b, const std::string& op, const json& s) {
    calendar_store& store = *b.calendars;
    std::uint32_t c = nowhere;
    if (op == "new_calendar") {
        calendar one;
        one.name = s.at("name").get<std::string>();
        one.owner_name = s.value("owner_name", b.display_name);
        one.owner_address = s.value("owner", b.address);
        one.can_edit = s.value("can_edit", true);
        store.calendars.push_back(one);
        c = static_cast<std::uint32_t>(store.calendars.size() - 1);
    } else {
        c = named_calendar(b, s.value("calendar", ""));
        if (op == "rename_calendar") {
            store.calendars[c].name = s.at("name").get<std::string>();
            ++store.calendars[c].version;
        } else {
            store.remove_calendar(c, w.now());
        }
    }
    return {{"calendar", calendar_id(b, c)}};
}

void change_event(world& w, mailbox& b, const std::string& op, const json& s, const event_place& place) {
    calendar_store& store = *b.calendars;
    calendar_event& it = store.events[place.event];
    if (op == "set") {
        set_properties(w, store, place, s.at("set"));
    } else if (op == "touch") {
        store.touch(place.event, w.now());
    } else if (op == "rekey") {
        store.touch(place.event, 0);  // nothing but the change key moves
    } else if (op == "move") {
        store.move(place.event, named_calendar(b, s.at("to").get<std::string>()), w.now());
    } else if (op == "quiet_move") {
        // The change key stays.
        it.calendar = named_calendar(b, s.at("to").get<std::string>());
        ++it.moves;
    } else if (op == "delete") {
        place.day ? cancel_day(w, store, place.event, *place.day) : store.remove(place.event, w.now());
    } else if (op == "attach") {
        auto* change = place.day ? &store.make_exception(place.event, *place.day) : nullptr;
        auto& next = change != nullptr ? change->next_attachment : it.next_attachment;
        auto& all = change != nullptr ? change->attachments : it.attachments;
        all.push_back(attachment_in(s, next++, w.now()));
        store.touch(place.event, w.now());
    } else if (op == "wrong") {
        it.wrong = s.value("wrong", "") == "corrupt"          ? trouble::corrupt
                   : s.value("wrong", "") == "unserialisable" ? trouble::unserialisable
                                                              : trouble::none;
    } else {
        throw std::runtime_error("calendar: there is no op '" + op + "'");
    }
}

}  // namespace

json precise_calendar_change(world& w, const json& s) {
    mailbox& b = named_mailbox(w, s);
    calendar_store& store = calendars_of(w, b);
    std::string op = s.value("op", "");
    if (op.ends_with("_calendar")) {
        return change_calendar(w, b, op, s);
    }
    if (op == "wipe") {
        // As on the worst day: own calendars gone, the default one empty.
        for (std::uint32_t c = 0; c < store.calendars.size(); ++c) {
            store.remove_calendar(c, w.now());
            store.calendars[c].deleted = store.calendars[c].removable;
        }
        return {{"done", op}};
    }
    if (op == "forget_sync_state") {
        ++store.generation;
        return {{"done", op}};
    }
    event_place place;
    if (op == "new") {
        rng r(s.value("seed", mix(++w.serial)));
        calendar_event e = seeded_event(r, b, named_calendar(b, s.value("calendar", "")), w.now());
        if (s.contains("set")) {
            e = calendar_event();
            e.calendar = named_calendar(b, s.value("calendar", ""));
            e.created = e.modified = w.now();
            e.uid = "040000008200E00074C5B7101A82E008" + hex64(r.next()) + hex64(r.next());
            e.set = s["set"];
        }
        for (const auto& one : s.value("attachments", json::array())) {
            e.attachments.push_back(attachment_in(one, e.next_attachment++, w.now()));
        }
        place.event = store.add(std::move(e));
    } else {
        place = named_event(b, s);
        change_event(w, b, op, s, place);
    }
    const calendar_event& it = store.events[place.event];
    return {{"id", event_id(b, place.event, std::nullopt, true)}, {"calendar", calendar_id(b, it.calendar)}};
}

json random_calendar_changes(world& w, const json& s) {
    rng r(s.value("seed", std::uint64_t{1}));
    auto weights = s.contains("weights") ? s["weights"].get<std::map<std::string, int>>() : event_weights;
    const auto boxes = named_mailboxes(w, s.value("mailbox", "all"));
    if (boxes.empty()) {
        throw std::runtime_error("change: there is no mailbox");
    }
    json done = json::array();
    for (auto left = s.value("count", std::int64_t{10}); left > 0; --left) {
        mailbox* b = boxes[r.below(boxes.size())];
        json what = calendar_shaker(w, *b, r).act(weighted(weights, r));
        if (!what.is_null()) {
            done.push_back(std::move(what));
        }
    }
    return done;
}

}  // namespace m365stage::sim
