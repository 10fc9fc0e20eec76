// Writing calendars and events, with the mails that Exchange sends for meetings (contract, 8.3, Q85, Q86).
#include <algorithm>
#include <nlohmann/json.hpp>

#include "../world.hpp"
#include "attachments.hpp"
#include "calendar_api.hpp"
#include "recurrence.hpp"
#include "time_zone.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

response no_object() {
    return graph_error(400, "RequestBodyRead", "The request body is no JSON object.");
}

response read_only() {
    return graph_error(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.");
}

/// Every attendee gets a mail.
void mail_attendees(const outlook_call& c, const json& attendees) {
    if (attendees.is_array()) {
        c.w.exchange.mails_sent += attendees.size();
        c.w.exchange.invitations_sent += attendees.size();
    }
}

json attendees_in(const json& set) {
    return set.value("attendees", json::array());
}

/// What of a body is kept: not what the service fills in itself.
json writable_event(json body) {
    for (const char* name :
         {"id",
          "changeKey",
          "createdDateTime",
          "lastModifiedDateTime",
          "iCalUId",
          "uid",
          "webLink",
          "hasAttachments",
          "bodyPreview",
          "type",
          "seriesMasterId",
          "isOrganizer",
          "organizer",
          "responseStatus",
          "originalStart",
          "originalStartTimeZone",
          "originalEndTimeZone",
          "occurrenceId",
          "cancelledOccurrences",
          "exceptionOccurrences",
          "instances",
          "calendar",
          "attachments",
          "transactionId",
          "isCancelled",
          "isDraft",
          "onlineMeeting",
          "onlineMeetingUrl"}) {
        body.erase(name);
    }
    for (auto it = body.begin(); it != body.end();) {
        it = it.key().find('@') != std::string::npos ? body.erase(it) : std::next(it);
    }
    // Nobody has answered yet.
    if (body.contains("attendees") && body["attendees"].is_array()) {
        for (auto& a : body["attendees"]) {
            a["status"] = {{"response", "none"}, {"time", "0001-01-01T00:00:00Z"}};
        }
    }
    return body;
}

/// What is wrong with an event's properties; empty when they are good.
std::string fault_of(const json& set) {
    for (const char* name : {"start", "end"}) {
        if (!set.contains(name) || !set[name].is_object() || !parse_wall(set[name].value("dateTime", ""))) {
            return std::string("The property '") + name + "' is required.";
        }
        if (!is_time_zone(set[name].value("timeZone", "UTC"))) {
            return "The time zone is not valid.";
        }
    }
    auto clock = [&](const char* name) { return *parse_wall(set[name].value("dateTime", "")) % day_seconds; };
    if (set.value("isAllDay", false) && (clock("start") != 0 || clock("end") != 0)) {
        return "The Event.Start and Event.End of an all-day event must be at midnight.";
    }
    if (set.contains("recurrence") && set["recurrence"].is_object()) {
        return recurrence_fault(set["recurrence"]);
    }
    return "";
}

response create_event(const outlook_call& c, std::uint32_t calendar) {
    json body = json::parse(c.r.body, nullptr, false);
    if (!body.is_object()) {
        return no_object();
    }
    calendar_store& s = *c.box.calendars;
    if (!s.calendars[calendar].can_edit) {
        return read_only();
    }
    std::string transaction = body.contains("transactionId") && body["transactionId"].is_string()
                                  ? body["transactionId"].get<std::string>()
                                  : "";
    if (s.find_transaction(transaction) != nowhere) {
        return graph_error(
            409, "ErrorDuplicateTransactionId",
            "Your request can't be completed. An event with this transactionId exists already."
        );
    }
    calendar_event e;
    e.calendar = calendar;
    e.set = writable_event(body);
    std::string wrong = fault_of(e.set);
    if (!wrong.empty()) {
        return graph_error(400, "ErrorPropertyValidationFailure", wrong);
    }
    e.created = e.modified = c.w.now();
    e.transaction = transaction;
    const auto serial = ++c.w.serial;
    e.uid = "040000008200E00074C5B7101A82E008" + hex64(mix(serial)) + hex64(mix(serial + 7));
    json invited = attendees_in(e.set);
    event_place place;
    place.event = s.add(std::move(e));
    mail_attendees(c, invited);
    return event_answer(c, place, 201);
}

response patch_event(const outlook_call& c, const event_place& place) {
    json body = json::parse(c.r.body, nullptr, false);
    if (!body.is_object()) {
        return no_object();
    }
    calendar_store& s = *c.box.calendars;
    calendar_event& e = s.events[place.event];
    if (!s.calendars[e.calendar].can_edit) {
        return read_only();
    }
    json changes = writable_event(body);
    json before = s.properties(place.event, place.day);
    json after = before;
    after.update(changes);
    if (place.day) {
        changes.erase("recurrence");
        after.erase("recurrence");
    }
    std::string wrong = fault_of(after);
    if (!wrong.empty()) {
        return graph_error(400, "ErrorPropertyValidationFailure", wrong);
    }
    if (place.day) {
        occurrence_change& change = s.make_exception(place.event, *place.day);
        change.set.update(changes);
        change.modified = c.w.now();
        ++change.version;
    } else {
        e.set = after;
    }
    s.touch(place.event, c.w.now());
    json invited = attendees_in(after);
    mail_attendees(c, invited.empty() ? attendees_in(before) : invited);
    return event_answer(c, place, 200);
}

response delete_event(const outlook_call& c, const event_place& place) {
    calendar_store& s = *c.box.calendars;
    calendar_event& e = s.events[place.event];
    if (!s.calendars[e.calendar].can_edit) {
        return read_only();
    }
    if (e.organizer) {
        mail_attendees(c, attendees_in(s.properties(place.event, place.day)));
    }
    // Of a series also those who were invited to one occurrence alone.
    for (const auto& [day, change] : e.exceptions) {
        if (e.organizer && !place.day) {
            mail_attendees(c, attendees_in(change.set));
        }
    }
    if (place.day) {
        e.exceptions.erase(*place.day);
        e.cancelled.insert(*place.day);
        s.touch(place.event, c.w.now());
    } else {
        s.remove(place.event, c.w.now());
    }
    return empty_response(204);
}

/// The list that an attachment of the event or occurrence goes into.
struct attachment_list {
    std::vector<attachment>& all;
    std::uint32_t& next;
};

attachment_list list_of(calendar_store& s, const event_place& place) {
    if (place.day) {
        occurrence_change& change = s.make_exception(place.event, *place.day);
        ++change.version;
        return {change.attachments, change.next_attachment};
    }
    return {s.events[place.event].attachments, s.events[place.event].next_attachment};
}

std::uint32_t attach(world& w, calendar_store& s, const event_place& place, attachment a) {
    attachment_list list = list_of(s, place);
    a.number = list.next++;
    a.modified = w.now();
    list.all.push_back(std::move(a));
    s.touch(place.event, w.now());
    return list.all.back().number;
}

response create_calendar(const outlook_call& c) {
    json body = json::parse(c.r.body, nullptr, false);
    std::string name = body.is_object() ? text_in(body, "name") : "";
    if (name.empty()) {
        return graph_error(400, "ErrorInvalidRequest", "A calendar needs a name.");
    }
    calendar_store& s = *c.box.calendars;
    bool taken = std::any_of(s.calendars.begin(), s.calendars.end(), [&](const calendar& one) {
        return !one.deleted && iequals(one.name, name);
    });
    if (taken) {
        return graph_error(
            409, "ErrorFolderExists",
            "A folder with the specified name already exists., Could not create folder '" + name + "'."
        );
    }
    calendar one;
    one.name = name;
    one.owner_name = c.box.display_name;
    one.owner_address = c.box.address;
    std::string color = text_in(body, "color");
    one.color = color.empty() ? one.color : color;
    s.calendars.push_back(std::move(one));
    return json_response(201, dump(calendar_json(c.box, static_cast<std::uint32_t>(s.calendars.size() - 1))));
}

}  // namespace

response write_events(
    const outlook_call& c, std::uint32_t calendar, const event_place& place, std::size_t at
) {
    bool whole = c.rest.size() == at;
    if (whole && place.event == nowhere && c.r.method == "POST") {
        return create_event(c, calendar);
    }
    if (whole && place.event != nowhere && c.r.method == "PATCH") {
        return patch_event(c, place);
    }
    if (whole && place.event != nowhere && c.r.method == "DELETE") {
        return delete_event(c, place);
    }
    return graph_error(
        405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target."
    );
}

response post_event_attachment(const outlook_call& c, const event_place& place, std::size_t at) {
    json body = json::parse(c.r.body, nullptr, false);
    if (!body.is_object()) {
        return no_object();
    }
    calendar_store& s = *c.box.calendars;
    if (!s.calendars[s.events[place.event].calendar].can_edit) {
        return read_only();
    }
    if (c.rest.size() > at) {
        attachment_upload up;
        up.event = place.event;
        up.day = place.day;
        return c.rest[at] == "createUploadSession" ? open_upload(c, body, std::move(up))
                                                   : unknown_segment(c.rest[at]);
    }
    attachment a;
    response out;
    if (!read_attachment(c.w, body, a, out)) {
        return out;
    }
    attach(c.w, s, place, std::move(a));
    const auto& all = s.attachments(place.event, place.day);
    return json_response(
        201, dump(event_attachment_json(c.box, place.event, place.day, all.back(), false, false))
    );
}

response delete_event_attachment(const outlook_call& c, const event_place& place, const std::string& id) {
    calendar_store& s = *c.box.calendars;
    const auto& all = s.attachments(place.event, place.day);
    auto found = std::find_if(all.begin(), all.end(), [&](const attachment& a) {
        return event_attachment_id(c.box, place.event, place.day, a.number) == id;
    });
    if (found == all.end()) {
        return no_such_item(id);
    }
    std::uint32_t number = found->number;
    attachment_list list = list_of(s, place);
    std::erase_if(list.all, [&](const attachment& a) { return a.number == number; });
    s.touch(place.event, c.w.now());
    return empty_response(204);
}

std::string finish_event_upload(world& w, mailbox& b, attachment_upload& up) {
    event_place place;
    place.event = up.event;
    place.day = up.day;
    std::uint32_t number = attach(w, *b.calendars, place, std::move(up.what));
    return "/events('" + event_id(b, place.event, place.day, true) + "')/attachments('" +
           event_attachment_id(b, place.event, place.day, number) + "')";
}

response write_calendars(const outlook_call& c, std::optional<std::uint32_t> calendar, std::size_t at) {
    if (!calendar && c.r.method == "POST" && c.rest.size() == at) {
        return create_calendar(c);
    }
    if (!calendar || c.rest.size() != at) {
        return graph_error(
            405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target."
        );
    }
    calendar_store& s = *c.box.calendars;
    auto& it = s.calendars[*calendar];
    if (c.r.method == "DELETE") {
        if (!it.removable || it.is_default) {
            return graph_error(400, "ErrorInvalidRequest", "The calendar cannot be deleted.");
        }
        s.remove_calendar(*calendar, c.w.now());
        return empty_response(204);
    }
    json body = json::parse(c.r.body, nullptr, false);
    if (!body.is_object()) {
        return no_object();
    }
    it.name = text_in(body, "name").empty() ? it.name : text_in(body, "name");
    it.color = text_in(body, "color").empty() ? it.color : text_in(body, "color");
    ++it.version;
    return json_response(200, dump(calendar_json(c.box, *calendar)));
}

}  // namespace m365stage::sim
