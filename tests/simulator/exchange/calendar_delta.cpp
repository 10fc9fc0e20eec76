// calendarView/delta: the feed of a window of time (contract, sections 6.5 and 10.4, Q83, Q84).
#include <algorithm>
#include <nlohmann/json.hpp>

#include "../world.hpp"
#include "calendar_api.hpp"
#include "time_zone.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

/// What a token says: the window is fixed in it.
struct view_token {
    std::int64_t mailbox = 0;
    std::int64_t calendar = 0;
    std::int64_t generation = 0;
    std::int64_t from = 0;
    std::int64_t to = 0;
    std::int64_t since = 0;  ///< changes after this one are told; 0: everything
    std::int64_t upto = 0;   ///< last change of the round; 0: a delta link
    std::int64_t position = 0;
    std::int64_t page = 0;
};

constexpr std::uint64_t view_token_key = 0xca1e4da7;

std::string encode(const view_token& t) {
    std::string text;
    for (std::int64_t v :
         {t.mailbox, t.calendar, t.generation, t.from, t.to, t.since, t.upto, t.position, t.page}) {
        text += std::to_string(v) + ';';
    }
    return base64url(text + hex64(hash_of(text, view_token_key)));
}

std::optional<view_token> decode_view(const std::string& token) {
    auto raw = base64_decode(token);
    auto cut = raw ? raw->rfind(';') : std::string::npos;
    if (cut == std::string::npos ||
        raw->substr(cut + 1) != hex64(hash_of(raw->substr(0, cut + 1), view_token_key))) {
        return std::nullopt;
    }
    std::vector<std::int64_t> v;
    for (const auto& part : split(raw->substr(0, cut), ';')) {
        v.push_back(std::stoll(part));
    }
    return view_token{v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8]};
}

json removed(const mailbox& b, event_index e, bool immutable) {
    return {
        {"@odata.type", "#microsoft.graph.event"},
        {"id", event_id(b, e, std::nullopt, immutable)},
        {"@removed", {{"reason", "deleted"}}}
    };
}

/// All entries of one event: a series is never split over pages.
void tell_event(const outlook_call& c, const view_token& t, event_index e, json& value) {
    const calendar_store& s = *c.box.calendars;
    const calendar_event& it = s.events[e];
    event_style style = event_style_of(c);
    auto found =
        it.deleted || it.calendar != t.calendar ? std::vector<occasion>() : s.occasions(e, t.from, t.to);
    if (found.empty()) {
        if (t.since > 0) {
            value.push_back(removed(c.box, e, style.immutable));  // deleted, or not in the window any more
        }
        return;
    }
    json whole = event_json(c.box, e, std::nullopt, style);
    whole["@odata.type"] = "#microsoft.graph.event";
    value.push_back(std::move(whole));
    for (const auto& o : found) {
        if (!o.day) {
            continue;
        }
        json full = event_json(c.box, e, o.day, style);
        full["@odata.type"] = "#microsoft.graph.event";
        if (o.exception) {
            value.push_back(std::move(full));
            continue;
        }
        json stub = json::object();
        for (const char* name : {"@odata.type", "id", "type", "seriesMasterId", "start", "end"}) {
            stub[name] = full[name];
        }
        value.push_back(std::move(stub));
    }
}

/// The token of the request, or of the first page. False: `out` is the answer.
bool read_token(const outlook_call& c, std::uint32_t calendar, view_token& t, response& out) {
    std::string text = c.r.parameter("$skiptoken", c.r.parameter("$deltatoken"));
    if (text.empty()) {
        for (const char* name : {"$select", "$expand", "$filter", "$orderby", "$search"}) {
            if (c.r.has_parameter(name)) {
                out = bad_request(std::string("The query parameter ") + name + " is not supported.");
                return false;
            }
        }
        t.mailbox = c.box.number;
        t.calendar = calendar;
        t.generation = c.box.calendars->generation;
        t.page = c.prefer.page > 0 ? c.prefer.page : 10;
        return read_window(c, t.from, t.to, out);
    }
    auto known = decode_view(text);
    if (!known || known->mailbox != c.box.number || known->calendar != calendar) {
        out = bad_request("The token is malformed.");
        return false;
    }
    t = *known;
    if (t.generation != c.box.calendars->generation) {
        out = graph_error(
            410, "SyncStateNotFound",
            "The sync state generation is not found; generation=" + std::to_string(t.generation) + ";"
        );
        return false;
    }
    return true;
}

}  // namespace

response serve_calendar_delta(const outlook_call& c, std::uint32_t calendar) {
    view_token t;
    response out;
    if (!read_token(c, calendar, t, out)) {
        return out;
    }
    const calendar_store& s = *c.box.calendars;
    std::string id = calendar_id(c.box, calendar);
    feed_context context{&c.r, id, ""};
    bool faulty = !c.w.faults.empty();
    if (faulty && t.since > 0 && c.w.faults.take("resync", context) != nullptr) {
        return graph_error(410, "SyncStateNotFound", "The sync state generation is not found.");
    }
    if (t.upto == 0) {
        t.upto = s.seq();
        t.position = 0;
    }
    json value = json::array();
    auto at = static_cast<event_index>(t.position);
    for (; at < s.events.size() && static_cast<std::int64_t>(value.size()) < t.page; ++at) {
        const calendar_event& it = s.events[at];
        bool mine = it.calendar == t.calendar || t.since > 0;
        if (mine && it.seq > t.since && it.seq <= t.upto) {
            tell_event(c, t, at, value);
        }
    }
    bool last = at >= s.events.size();
    bool circle = faulty && !last && c.w.faults.take("repeat_next_link", context) != nullptr;
    if (!circle) {
        t.position = at;
    }
    if (faulty && !value.empty() && c.w.faults.take("duplicates", context) != nullptr) {
        value.push_back(value.front());
    }
    std::string link = address_of(c.r) + "?";
    if (last) {
        t.since = t.upto;
        t.upto = 0;
        t.position = 0;
        link += "$deltatoken=" + encode(t);
    } else {
        link += "$skiptoken=" + encode(t);
    }
    json body = {
        {"@odata.context", c.r.origin() + "/v1.0/$metadata#Collection(event)"},
        {"value", value},
        {last ? "@odata.deltaLink" : "@odata.nextLink", link}
    };
    out = json_response(200, dump(body));
    tell_preferences(c.prefer, true, out);
    return out;
}

}  // namespace m365stage::sim
