// Reading calendars and events: lists, single events with their exceptions, instances, attachments.
#include "calendar_api.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "../world.hpp"
#include "attachments.hpp"
#include "mail_content.hpp"
#include "time_zone.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

/// A page of `total` things, of which `make` writes down those that are shown.
template <class Make>
response page_response(const outlook_call& c, std::size_t total, std::size_t otherwise, Make make) {
    auto page = page_of(c.r, c.prefer, otherwise, static_cast<std::size_t>(c.w.exchange.page_max));
    std::size_t end = std::min(total, page.skip + page.top);
    json value = json::array();
    for (std::size_t i = std::min(page.skip, end); i < end; ++i) {
        json one = make(i);
        keep_selected(one, selected(c.r));
        value.push_back(std::move(one));
    }
    json body = {{"@odata.context", c.r.origin() + "/v1.0/$metadata#collection"}, {"value", value}};
    if (end < total) {
        body["@odata.nextLink"] = next_link(c.r, end);
    }
    response out = json_response(200, dump(body));
    tell_preferences(c.prefer, true, out);
    return out;
}

response collection_of(const outlook_call& c, std::vector<json> all, std::size_t otherwise = 10) {
    return page_response(c, all.size(), otherwise, [&](std::size_t i) { return std::move(all[i]); });
}

response one_of(const outlook_call& c, json j) {
    keep_selected(j, selected(c.r));
    j["@odata.context"] = c.r.origin() + "/v1.0/$metadata#entity";
    response out = json_response(200, dump(j));
    tell_preferences(c.prefer, false, out);
    return out;
}

/// A $select that names what there is not. False: `out` is the answer.
bool good_select(const outlook_call& c, response& out) {
    auto names = selected(c.r);
    for (const auto& name : names ? *names : std::vector<std::string>()) {
        if (!is_event_property(name)) {
            out = unknown_property(name, "event");
            return false;
        }
    }
    return true;
}

/// Somebody deletes the first event of the calendar while a client reads on: the rest moves up.
void shift_pages(const outlook_call& c, std::uint32_t calendar) {
    std::string id = calendar_id(c.box, calendar);
    feed_context f{&c.r, id, ""};
    if (!c.r.has_parameter("$skip") || c.w.faults.empty() ||
        c.w.faults.take("mutate_between_pages", f) == nullptr) {
        return;
    }
    calendar_store& s = *c.box.calendars;
    for (event_index e = 0; e < s.events.size(); ++e) {
        if (s.events[e].calendar == calendar && !s.events[e].deleted) {
            s.remove(e, c.w.now());
            return;
        }
    }
}

response list_events(const outlook_call& c, std::uint32_t calendar) {
    response out;
    shift_pages(c, calendar);
    if (!good_select(c, out)) {
        return out;
    }
    if (!c.r.parameter("$filter").empty()) {
        return bad_request("The filter clause is not supported.");
    }
    const calendar_store& s = *c.box.calendars;
    event_style style = event_style_of(c);
    std::vector<event_index> all;
    for (event_index e = 0; e < s.events.size(); ++e) {
        if (s.events[e].calendar == calendar && !s.events[e].deleted) {
            all.push_back(e);
        }
    }
    // Whatever page it is on can't be written, unless only ids are asked for.
    const bool light = is_light(selected(c.r));
    auto page = page_of(c.r, c.prefer, 10, static_cast<std::size_t>(c.w.exchange.page_max));
    for (std::size_t i = page.skip; i < std::min(all.size(), page.skip + page.top); ++i) {
        if (s.events[all[i]].wrong == trouble::unserialisable && !light) {
            return internal_error();
        }
    }
    return page_response(c, all.size(), 10, [&](std::size_t i) {
        return event_json(c.box, all[i], std::nullopt, style);
    });
}

/// What goes wrong with reading this event, if anything.
bool troubled(const outlook_call& c, event_index e, response& out) {
    const calendar_event& it = c.box.calendars->events[e];
    std::string folder = calendar_id(c.box, it.calendar);
    std::string id = event_id(c.box, e, std::nullopt, true);
    feed_context f{&c.r, folder, id};
    if (!c.w.faults.empty() && c.w.faults.take("item_not_found", f) != nullptr) {
        out = not_found_in_store();
        return true;
    }
    return is_refused(it.wrong, out);
}

response get_event(const outlook_call& c, const event_place& place) {
    response out;
    if (!good_select(c, out) || troubled(c, place.event, out)) {
        return out;
    }
    const calendar_event& it = c.box.calendars->events[place.event];
    event_style style = event_style_of(c);
    json j = event_json(c.box, place.event, place.day, style);
    auto names = selected(c.r);
    bool wants_cancelled = names && std::any_of(names->begin(), names->end(), [](const std::string& n) {
                               return iequals(n, "cancelledOccurrences");
                           });
    bool series = !place.day && it.is_series();
    std::string expand = c.r.parameter("$expand");
    // With `strict_cancelled`, as the documentation says: only what was selected.
    if (series && (wants_cancelled || (!names && !c.w.exchange.strict_cancelled))) {
        j["cancelledOccurrences"] = cancelled_json(c.box, place.event, style.immutable);
    }
    keep_selected(j, names);
    if (expand.find("exceptionOccurrences") != expand.npos && series) {
        json list = json::array();
        for (const auto& [day, change] : it.exceptions) {
            if (!it.cancelled.contains(day)) {
                list.push_back(event_json(c.box, place.event, day, style));
            }
        }
        j["exceptionOccurrences"] = std::move(list);
    }
    if (expand.find("attachments") != expand.npos) {
        json list = json::array();
        for (const auto& a : c.box.calendars->attachments(place.event, place.day)) {
            list.push_back(event_attachment_json(c.box, place.event, place.day, a, true, false));
        }
        j["attachments"] = std::move(list);
    }
    j["@odata.context"] = c.r.origin() + "/v1.0/$metadata#events/$entity";
    ++c.w.downloads[event_id(c.box, place.event, std::nullopt, true)];
    out = json_response(200, dump(j));
    out.set("ETag", j.value("@odata.etag", ""));
    tell_preferences(c.prefer, false, out);
    return out;
}

response list_instances(const outlook_call& c, event_index e) {
    std::int64_t from = 0;
    std::int64_t to = 0;
    response out;
    if (!good_select(c, out) || !read_window(c, from, to, out)) {
        return out;
    }
    std::vector<json> all;
    for (const auto& o : c.box.calendars->occasions(e, from, to)) {
        all.push_back(event_json(c.box, e, o.day, event_style_of(c)));
    }
    return collection_of(c, std::move(all));
}

response serve_attachment(const outlook_call& c, const event_place& place, std::size_t at) {
    const auto& all = c.box.calendars->attachments(place.event, place.day);
    auto found = std::find_if(all.begin(), all.end(), [&](const attachment& a) {
        return event_attachment_id(c.box, place.event, place.day, a.number) == c.rest[at];
    });
    if (found == all.end()) {
        return no_such_item(c.rest[at]);
    }
    if (found->broken) {
        return cannot_open();
    }
    if (c.rest.size() == at + 1) {
        bool item = lower(c.r.parameter("$expand")).find("itemattachment/item") != std::string::npos;
        return one_of(c, event_attachment_json(c.box, place.event, place.day, *found, true, item));
    }
    if (c.rest[at + 1] != "$value") {
        return unknown_segment(c.rest[at + 1]);
    }
    if (found->kind == attachment_kind::reference) {
        return graph_error(405, "ErrorInvalidRequest", "Reference attachments have no content.");
    }
    response out;
    if (found->kind == attachment_kind::item) {
        out.content_type = "message/rfc822";
        out.body = mime_of_item(*found->item);
        return out;
    }
    out.content_type = found->content_type;
    out.file_length = found->data.size;
    out.chunked = c.w.exchange.chunked_mime;
    out.file = std::make_shared<content_reader>(found->data);
    return out;
}

response serve_event_attachments(const outlook_call& c, const event_place& place, std::size_t at) {
    if (c.r.method == "POST") {
        return post_event_attachment(c, place, at);
    }
    if (c.rest.size() > at) {
        return c.r.method == "DELETE" ? delete_event_attachment(c, place, c.rest[at])
                                      : serve_attachment(c, place, at);
    }
    auto names = selected(c.r);
    bool bytes = !names || std::any_of(names->begin(), names->end(), [](const std::string& n) {
        return iequals(n, "contentBytes");
    });
    std::vector<json> all;
    for (const auto& a : c.box.calendars->attachments(place.event, place.day)) {
        if (a.broken && bytes) {
            return cannot_open();
        }
        all.push_back(event_attachment_json(c.box, place.event, place.day, a, bytes, false));
    }
    // Paging of attachments does not work in the service: all come at once.
    return collection_of(c, std::move(all), 1000);
}

/// Below .../events; `at` is behind "events".
response serve_events(const outlook_call& c, std::uint32_t calendar, bool whole, std::size_t at) {
    const auto& s = c.rest;
    bool get = c.r.method == "GET";
    if (s.size() == at) {
        return get ? list_events(c, calendar) : write_events(c, calendar, {}, at);
    }
    if (s[at] == "delta") {
        return graph_error(
            400, "ErrorInvalidRequest", "Change tracking is not supported against 'microsoft.graph.event'."
        );
    }
    event_place place = find_event(c.box, s[at]);
    if (place.event == nowhere || (!whole && c.box.calendars->events[place.event].calendar != calendar)) {
        return no_such_item(s[at]);
    }
    if (s.size() > at + 1 && s[at + 1] == "attachments") {
        return serve_event_attachments(c, place, at + 2);
    }
    if (!get) {
        return write_events(c, calendar, place, at + 1);
    }
    if (s.size() == at + 1) {
        return get_event(c, place);
    }
    if (s[at + 1] == "instances") {
        return place.day ? bad_request("Only a series has instances.") : list_instances(c, place.event);
    }
    return unknown_segment(s[at + 1]);
}

/// Below one calendar; `at` is behind its name.
response serve_calendar(const outlook_call& c, std::uint32_t calendar, std::size_t at) {
    const auto& s = c.rest;
    if (s.size() == at) {
        return c.r.method == "GET" ? one_of(c, calendar_json(c.box, calendar))
                                   : write_calendars(c, calendar, at);
    }
    if (s[at] == "events") {
        return serve_events(c, calendar, false, at + 1);
    }
    if (s[at] == "calendarView") {
        return s.size() > at + 1 && s[at + 1] == "delta" ? serve_calendar_delta(c, calendar)
                                                         : serve_calendar_view(c, calendar);
    }
    return unknown_segment(s[at]);
}

response list_calendars(const outlook_call& c, std::optional<std::uint32_t> group) {
    const calendar_store& s = *c.box.calendars;
    std::vector<json> all;
    for (std::uint32_t i = 0; i < s.calendars.size(); ++i) {
        if (!s.calendars[i].deleted && (!group || s.calendars[i].group == *group)) {
            all.push_back(calendar_json(c.box, i));
        }
    }
    return collection_of(c, std::move(all));
}

response serve_calendar_groups(const outlook_call& c) {
    const calendar_store& s = *c.box.calendars;
    if (c.r.method != "GET") {
        return graph_error(405, "Request_BadRequest", "Calendar groups cannot be written here.");
    }
    if (c.rest.size() == 1) {
        std::vector<json> all;
        for (std::uint32_t g = 0; g < s.groups.size(); ++g) {
            if (!s.groups[g].deleted) {
                all.push_back(calendar_group_json(c.box, g));
            }
        }
        return collection_of(c, std::move(all));
    }
    auto g = find_calendar_group(c.box, c.rest[1]);
    if (!g) {
        return no_such_item(c.rest[1]);
    }
    if (c.rest.size() == 2) {
        return one_of(c, calendar_group_json(c.box, *g));
    }
    return c.rest[2] == "calendars" ? list_calendars(c, g) : unknown_segment(c.rest[2]);
}

}  // namespace

event_style event_style_of(const outlook_call& c) {
    event_style s;
    s.immutable = c.prefer.immutable;
    s.zone = is_time_zone(c.prefer.time_zone) ? c.prefer.time_zone : "";
    s.text_body = c.prefer.text_body;
    return s;
}

response event_answer(const outlook_call& c, const event_place& place, int status) {
    response out = json_response(status, dump(event_json(c.box, place.event, place.day, event_style_of(c))));
    tell_preferences(c.prefer, false, out);
    return out;
}

bool read_window(const outlook_call& c, std::int64_t& from, std::int64_t& to, response& out) {
    auto read = [](const std::string& text) {
        auto utc = parse_iso_time(text);
        return utc ? utc : parse_wall(text);
    };
    auto start = read(c.r.parameter("startDateTime"));
    auto end = read(c.r.parameter("endDateTime"));
    if (!start || !end) {
        out = graph_error(
            400, "ErrorInvalidParameter",
            "This request requires a time window specified by the query string parameters StartDateTime and "
            "EndDateTime."
        );
        return false;
    }
    constexpr std::int64_t most = 1825 * day_seconds;
    if (*end < *start || *end - *start > most) {
        out = graph_error(
            400, "ErrorInvalidParameter",
            "The range between the start and end dates is greater than the allowed range. Maximum number of "
            "days: 1825."
        );
        return false;
    }
    from = *start;
    to = *end;
    return true;
}

response serve_calendar_view(const outlook_call& c, std::uint32_t calendar) {
    std::int64_t from = 0;
    std::int64_t to = 0;
    response out;
    if (!good_select(c, out) || !read_window(c, from, to, out)) {
        return out;
    }
    const calendar_store& s = *c.box.calendars;
    std::vector<occasion> found;
    for (event_index e = 0; e < s.events.size(); ++e) {
        if (s.events[e].calendar == calendar && !s.events[e].deleted) {
            auto some = s.occasions(e, from, to);
            found.insert(found.end(), some.begin(), some.end());
        }
    }
    std::sort(found.begin(), found.end(), [](const occasion& a, const occasion& b) {
        return a.start != b.start ? a.start < b.start : a.event < b.event;
    });
    std::vector<json> all;
    all.reserve(found.size());
    for (const auto& o : found) {
        all.push_back(event_json(c.box, o.event, o.day, event_style_of(c)));
    }
    return collection_of(c, std::move(all));
}

response serve_calendars(const outlook_call& c) {
    const calendar_store& store = calendars_of(c.w, c.box);
    const auto& s = c.rest;
    std::uint32_t usual = store.default_calendar();
    if (s[0] == "events") {
        return serve_events(c, usual, true, 1);
    }
    if (s[0] == "calendar") {
        return serve_calendar(c, usual, 1);
    }
    if (s[0] == "calendarView") {
        return s.size() > 1 && s[1] == "delta" ? serve_calendar_delta(c, usual)
                                               : serve_calendar_view(c, usual);
    }
    if (c.box.owner_kind == "group") {
        return unknown_segment(s[0]);  // a group has one calendar
    }
    if (s[0] == "calendarGroups") {
        return serve_calendar_groups(c);
    }
    if (s.size() == 1) {
        return c.r.method == "GET" ? list_calendars(c, std::nullopt) : write_calendars(c, std::nullopt, 1);
    }
    auto calendar = find_calendar(c.box, s[1]);
    return calendar ? serve_calendar(c, *calendar, 2) : no_such_item(s[1]);
}

}  // namespace m365stage::sim
