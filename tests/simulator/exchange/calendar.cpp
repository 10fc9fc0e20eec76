#include "calendar.hpp"

#include <algorithm>

#include "recurrence.hpp"
#include "time_zone.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

// What an id of the kinds item and item_here stands for.
constexpr std::uint32_t part_calendar = 101;
constexpr std::uint32_t part_event = 102;
constexpr std::uint32_t part_group = 103;
constexpr std::uint32_t part_occurrence = 104;
constexpr std::uint32_t attachment_space = 0x45000000;

std::int64_t wall_in(const json& set, const char* name) {
    const json& at = set.value(name, json::object());
    return parse_wall(at.value("dateTime", "")).value_or(0);
}

std::string zone_in(const json& set, const char* name) {
    return set.value(name, json::object()).value("timeZone", "UTC");
}

std::int64_t moment_in(const json& set, const char* name) {
    return utc_of(wall_in(set, name), zone_in(set, name));
}

std::uint32_t stored_day(std::int64_t day) {
    return static_cast<std::uint32_t>(static_cast<std::int32_t>(day));
}

}  // namespace

std::string calendar_event::zone() const {
    return zone_in(set, "start");
}

std::uint32_t calendar_store::default_calendar() const {
    for (std::uint32_t c = 0; c < calendars.size(); ++c) {
        if (calendars[c].is_default) {
            return c;
        }
    }
    return 0;
}

event_index calendar_store::add(calendar_event e) {
    e.seq = ++seq_;
    events.push_back(std::move(e));
    return static_cast<event_index>(events.size() - 1);
}

void calendar_store::touch(event_index e, std::int64_t now) {
    calendar_event& it = events[e];
    ++it.version;
    it.seq = ++seq_;
    it.modified = std::max(now, it.modified);
}

void calendar_store::move(event_index e, std::uint32_t to, std::int64_t now) {
    events[e].calendar = to;
    ++events[e].moves;
    touch(e, now);
}

void calendar_store::remove(event_index e, std::int64_t now) {
    touch(e, now);
    events[e].deleted = true;
}

void calendar_store::remove_calendar(std::uint32_t c, std::int64_t now) {
    calendars[c].deleted = true;
    for (event_index e = 0; e < events.size(); ++e) {
        if (events[e].calendar == c && !events[e].deleted) {
            remove(e, now);
        }
    }
}

event_index calendar_store::find_transaction(const std::string& id) const {
    for (event_index e = 0; e < events.size(); ++e) {
        if (!id.empty() && events[e].transaction == id && !events[e].deleted) {
            return e;
        }
    }
    return nowhere;
}

/// The occurrence of a day, with what differs in it.
occasion calendar_store::occasion_of(event_index e, std::int64_t day) const {
    const calendar_event& it = events[e];
    auto at = it.exceptions.find(day);
    occasion out;
    out.event = e;
    out.day = day;
    out.exception = at != it.exceptions.end();
    std::int64_t clock = wall_in(it.set, "start") % day_seconds;
    std::int64_t length = moment_in(it.set, "end") - moment_in(it.set, "start");
    out.start = utc_of(day * day_seconds + clock, it.zone());
    out.end = out.start + length;
    if (it.set.value("isAllDay", false)) {
        // Whole days, however long the clock makes them.
        std::int64_t days = wall_in(it.set, "end") - wall_in(it.set, "start");
        out.end = utc_of(day * day_seconds + days, it.zone());
    }
    if (out.exception) {
        const json& set = at->second.set;
        std::int64_t regular = out.start;
        out.start = set.contains("start") ? moment_in(set, "start") : out.start;
        out.end = set.contains("end") ? moment_in(set, "end") : out.end - regular + out.start;
    }
    return out;
}

std::vector<occasion> calendar_store::occasions(
    event_index e, std::int64_t from, std::int64_t to, std::size_t most
) const {
    const calendar_event& it = events[e];
    std::vector<occasion> out;
    if (!it.is_series()) {
        occasion one{e, std::nullopt, moment_in(it.set, "start"), moment_in(it.set, "end"), false};
        if (one.start < to && (one.end > from || one.start >= from)) {
            out.push_back(one);
        }
        return out;
    }
    // An exception may have come from a day outside of the window.
    std::int64_t last = to / day_seconds + 40;
    for (std::int64_t day : recurrence_days(it.set["recurrence"], last)) {
        if (it.cancelled.contains(day)) {
            continue;
        }
        occasion one = occasion_of(e, day);
        if (one.start < to && (one.end > from || one.start >= from) && out.size() < most) {
            out.push_back(one);
        }
    }
    return out;
}

std::optional<occasion> calendar_store::occasion_on(event_index e, std::int64_t day) const {
    const calendar_event& it = events[e];
    if (!it.is_series() || it.cancelled.contains(day)) {
        return std::nullopt;
    }
    auto days = recurrence_days(it.set["recurrence"], day);
    return days.empty() || days.back() != day ? std::nullopt : std::optional(occasion_of(e, day));
}

json calendar_store::properties(event_index e, std::optional<std::int64_t> day) const {
    const calendar_event& it = events[e];
    json out = it.set;
    if (!day) {
        return out;
    }
    out.erase("recurrence");
    auto at = it.exceptions.find(*day);
    if (at != it.exceptions.end()) {
        out.update(at->second.set);
    }
    occasion o = occasion_of(e, *day);
    for (auto [name, moment] : {std::pair("start", o.start), std::pair("end", o.end)}) {
        std::string zone = zone_in(out, name);
        out[name] = {{"dateTime", wall_text(wall_of(moment, zone))}, {"timeZone", zone}};
    }
    return out;
}

const std::vector<attachment>& calendar_store::attachments(event_index e, std::optional<std::int64_t> day)
    const {
    const calendar_event& it = events[e];
    auto at = day ? it.exceptions.find(*day) : it.exceptions.end();
    return at == it.exceptions.end() ? it.attachments : at->second.attachments;
}

occurrence_change& calendar_store::make_exception(event_index e, std::int64_t day) {
    calendar_event& it = events[e];
    auto [at, fresh] = it.exceptions.try_emplace(day);
    if (fresh) {
        // It begins as what the series is, attachments included.
        at->second.attachments = it.attachments;
        at->second.next_attachment = it.next_attachment;
        at->second.modified = it.modified;
    }
    return at->second;
}

std::string calendar_id(const mailbox& b, std::uint32_t c) {
    return encode_id(b.guid, {id_kind::item, c, 0, 0, part_calendar});
}

std::string calendar_group_id(const mailbox& b, std::uint32_t g) {
    return encode_id(b.guid, {id_kind::item, g, 0, 0, part_group});
}

std::string event_id(const mailbox& b, event_index e, std::optional<std::int64_t> day, bool immutable) {
    if (day) {
        return encode_id(b.guid, {id_kind::item, e, stored_day(*day), 0, part_occurrence});
    }
    const calendar_event& it = b.calendars->events[e];
    return immutable ? encode_id(b.guid, {id_kind::item, e, 0, 0, part_event})
                     : encode_id(b.guid, {id_kind::item_here, e, it.calendar, it.moves, part_event});
}

std::string event_attachment_id(
    const mailbox& b, event_index e, std::optional<std::int64_t> day, std::uint32_t part
) {
    return encode_id(
        b.guid, {id_kind::attachment, e, attachment_space, day ? stored_day(*day) + 1 : 0, part}
    );
}

std::optional<std::uint32_t> find_calendar(const mailbox& b, std::string_view text) {
    auto id = decode_id(b.guid, text);
    bool good = id && id->kind == id_kind::item && id->part == part_calendar &&
                id->number < b.calendars->calendars.size() && !b.calendars->calendars[id->number].deleted;
    return good ? std::optional(id->number) : std::nullopt;
}

std::optional<std::uint32_t> find_calendar_group(const mailbox& b, std::string_view text) {
    auto id = decode_id(b.guid, text);
    bool good = id && id->kind == id_kind::item && id->part == part_group &&
                id->number < b.calendars->groups.size() && !b.calendars->groups[id->number].deleted;
    return good ? std::optional(id->number) : std::nullopt;
}

event_place find_event(const mailbox& b, std::string_view text) {
    auto id = decode_id(b.guid, text);
    const auto& events = b.calendars->events;
    event_place out;
    if (!id || id->number >= events.size() || events[id->number].deleted) {
        return out;
    }
    const calendar_event& it = events[id->number];
    const bool still_here = id->kind == id_kind::item_here && id->moves == it.moves;
    if (id->part == part_event && (id->kind == id_kind::item || still_here)) {
        out.event = id->number;
    } else if (id->kind == id_kind::item && id->part == part_occurrence) {
        std::int64_t day = static_cast<std::int32_t>(id->folder);
        if (b.calendars->occasion_on(id->number, day)) {
            out.event = id->number;
            out.day = day;
        }
    }
    return out;
}

std::string event_change_key(const mailbox& b, event_index e, std::optional<std::int64_t> day) {
    const calendar_event& it = b.calendars->events[e];
    auto at = day ? it.exceptions.find(*day) : it.exceptions.end();
    std::string raw = "\x05\x02\x02" + b.guid.substr(0, 8) + std::to_string(e) + "." +
                      std::to_string(it.version) + "." +
                      (at == it.exceptions.end() ? "" : std::to_string(at->second.version));
    return base64(raw);
}

}  // namespace m365stage::sim
