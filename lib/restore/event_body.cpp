#include "restore/event_body.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "core/hash.hpp"
#include "sources/event_times.hpp"
#include "sources/fields.hpp"

namespace m365stage::restore {
namespace {

using nlohmann::json;
using sources::member;
using sources::text;

constexpr std::array kept_members{
    "allowNewTimeProposals",
    "body",
    "categories",
    "hideAttendees",
    "importance",
    "isAllDay",
    "isReminderOn",
    "location",
    "locations",
    "reminderMinutesBeforeStart",
    "responseRequested",
    "sensitivity",
    "showAs",
    "subject",
};

std::string escaped(const std::string& in) {
    std::string out;
    for (const char c : in) {
        out += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
    }
    return out;
}

std::string person(const json& who) {
    const auto* mail = member(who, "emailAddress");
    if (mail == nullptr) {
        return {};
    }
    const auto name = text(*mail, "name");
    const auto address = text(*mail, "address");
    return address.empty() ? name : name.empty() ? address : name + " <" + address + ">";
}

/// What can't go back as it was, in words: who was invited and what they answered, and the online meeting.
std::vector<std::string> lost_facts(const json& event) {
    std::vector<std::string> lines;
    const auto* attendees = member(event, "attendees");
    if (attendees != nullptr && attendees->is_array() && !attendees->empty()) {
        if (const auto* organizer = member(event, "organizer")) {
            lines.push_back("Organizer: " + person(*organizer));
        }
        for (const auto& one : *attendees) {
            const auto* status = member(one, "status");
            const auto answer = status == nullptr ? std::string() : text(*status, "response");
            lines.push_back(
                "Attendee: " + person(one) + " (" + text(one, "type") +
                (answer.empty() || answer == "none" ? std::string() : ", " + answer) + ")"
            );
        }
    }
    if (const auto* meeting = member(event, "onlineMeeting")) {
        if (const auto url = text(*meeting, "joinUrl"); !url.empty()) {
            lines.push_back("Online meeting: " + url);
        }
    }
    return lines;
}

/// The body with those facts behind it.
json body_with(const json& event) {
    const auto* old = member(event, "body");
    json body = old != nullptr && old->is_object() ? *old : json{{"contentType", "text"}, {"content", ""}};
    const auto lines = lost_facts(event);
    if (lines.empty()) {
        return old == nullptr ? json() : body;
    }
    const bool html = text(body, "contentType") == "html";
    auto content = text(body, "content");
    std::string added;
    for (const auto& line : lines) {
        added += html ? escaped(line) + "<br>" : line + "\r\n";
    }
    if (!html) {
        body["content"] = content + (content.empty() ? "" : "\r\n\r\n") + added;
        return body;
    }
    added = "<p>" + added + "</p>";
    const auto end = content.rfind("</body>");
    body["content"] = content.insert(end == std::string::npos ? content.size() : end, added);
    return body;
}

/// A time in the zone that the event was made in, if that is one the service takes.
json time_of(const json& event, const char* name, const char* zone_name) {
    const auto utc = sources::utc_of_event_time(event, name);
    if (!utc) {
        return json();
    }
    const auto zone_text = text(event, zone_name);
    const auto zone = sources::time_zone::find(zone_text);
    const bool all_day = sources::is_true(event, "isAllDay");
    // The midnight of an all-day event is told as such, whatever the zone.
    const auto wall = !zone || (all_day && *utc % core::seconds_a_day == 0) ? *utc : zone->wall_of(*utc);
    auto when = core::format_timestamp(wall);
    when.pop_back();
    return {{"dateTime", when}, {"timeZone", zone ? zone_text : std::string("UTC")}};
}

/// Contract Q85: an empty zone, which the service itself tells, is refused.
json recurrence_of(const json& event) {
    const auto* recurrence = member(event, "recurrence");
    if (recurrence == nullptr || !recurrence->is_object()) {
        return json();
    }
    auto out = *recurrence;
    if (out.contains("range") && out["range"].is_object()) {
        auto& range = out["range"];
        if (!sources::time_zone::find(text(range, "recurrenceTimeZone")) &&
            text(range, "recurrenceTimeZone") != "UTC") {
            range["recurrenceTimeZone"] = nullptr;
        }
    }
    return out;
}

bool is_series(const json& event) {
    const auto* recurrence = member(event, "recurrence");
    return recurrence != nullptr && recurrence->is_object();
}

const json& elements(const json& event, const char* name) {
    static const json none = json::array();
    const auto* all = member(event, name);
    return all != nullptr && all->is_array() ? *all : none;
}

/// What somebody sees of an event, or of one occurrence.
json sight_of(const json& event) {
    json out = json::object();
    for (const char* key : kept_members) {
        const auto* value = member(event, key);
        const bool reminder = std::string_view(key).find("eminder") != std::string_view::npos;
        if (value != nullptr && !reminder) {
            out[key] = *value;
        }
    }
    out["start"] = time_of(event, "start", "originalStartTimeZone");
    out["end"] = time_of(event, "end", "originalEndTimeZone");
    out["recurrence"] = recurrence_of(event);
    out["isCancelled"] = sources::is_true(event, "isCancelled");
    out["originalStart"] = text(event, "originalStart");
    std::set<std::string> people;
    for (const auto& one : elements(event, "attendees")) {
        people.insert(person(one));
    }
    out["attendees"] = people;
    return out;
}

}  // namespace

std::vector<staged_attachment> attachments_of(const json& event) {
    std::vector<staged_attachment> out;
    const auto* all = member(event, "attachments");
    if (all != nullptr && all->is_object()) {
        staged_attachment a;
        a.name = "attachments";
        a.unreadable = text(*all, "unreadable");
        out.push_back(std::move(a));
    }
    if (all == nullptr || !all->is_array()) {
        return out;
    }
    for (const auto& one : *all) {
        staged_attachment a;
        a.name = text(one, "name");
        a.content_type = text(one, "contentType");
        a.content_id = text(one, "contentId");
        a.is_inline = sources::is_true(one, "isInline");
        a.unreadable = text(one, "unreadable");
        if (const auto* item = member(one, "item"); item != nullptr && item->is_object()) {
            a.item = sources::canonical(*item);
        }
        const auto* staged = member(one, "staged");
        auto number = [staged](const char* key) {
            const auto* value = staged == nullptr ? nullptr : member(*staged, key);
            return value != nullptr && value->is_number_integer() ? value->get<std::int64_t>() : -1;
        };
        a.size = number("size");
        a.offset = number("offset");
        a.length = number("length");
        a.sha256 = staged == nullptr ? std::string() : text(*staged, "sha256");
        if (a.unreadable.empty() && (a.size < 0 || a.offset < 0 || a.length < 0)) {
            a.unreadable = "its sidecar does not tell where it is";
        }
        out.push_back(std::move(a));
    }
    return out;
}

json new_event(const json& event, const std::string& transaction) {
    json out = json::object();
    for (const char* key : kept_members) {
        if (const auto* value = member(event, key)) {
            out[key] = *value;
        }
    }
    if (auto body = body_with(event); !body.is_null()) {
        out["body"] = std::move(body);
    }
    out["start"] = time_of(event, "start", "originalStartTimeZone");
    out["end"] = time_of(event, "end", "originalEndTimeZone");
    if (auto recurrence = recurrence_of(event); !recurrence.is_null()) {
        out["recurrence"] = std::move(recurrence);
    }
    out["transactionId"] = transaction;
    return out;
}

json exception_changes(const json& exception, const json& series) {
    auto wanted = new_event(exception, "");
    const auto usual = new_event(series, "");
    json out = json::object();
    for (const auto& [key, value] : wanted.items()) {
        const bool time = key == "start" || key == "end";
        if (key != "transactionId" && key != "recurrence" &&
            (time || !usual.contains(key) || usual[key] != value)) {
            out[key] = value;
        }
    }
    return out;
}

std::string transaction_id(const std::string& calendar, const std::string& remote_id, int round) {
    const auto digest = core::sha256::of(calendar + "\n" + remote_id + "\n" + std::to_string(round));
    const auto hex = core::to_hex(digest);
    return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" + hex.substr(16, 4) +
           "-" + hex.substr(20, 12);
}

std::string event_fingerprint(const json& event) {
    auto at = [&event](const char* name) {
        const auto utc = sources::utc_of_event_time(event, name);
        return utc ? core::format_timestamp(*utc) : std::string();
    };
    const bool series = text(event, "type") == "seriesMaster" || is_series(event);
    return core::short_tag(
        text(event, "subject") + "\n" + at("start") + "\n" + at("end") + "\n" +
        (sources::is_true(event, "isAllDay") ? "day" : "hour") + "\n" + (series ? "series" : "single")
    );
}

bool looks_the_same(const json& staged, const json& there) {
    const auto whole = [](const json& event) {
        std::multiset<std::string> out{sources::canonical(sight_of(event))};
        for (const auto& one : elements(event, "exceptionOccurrences")) {
            out.insert(sources::canonical(sight_of(one)));
        }
        auto cancelled = sources::cancelled_dates(event);
        std::sort(cancelled.begin(), cancelled.end());
        return std::pair(std::move(out), std::move(cancelled));
    };
    return whole(staged) == whole(there);
}

bool same_attachments(const json& staged, const json& listed) {
    const auto marks = [](const json& all) {
        std::multiset<std::string> out;
        for (const auto& one : all) {
            const auto* size = member(one, "size");
            out.insert(text(one, "name") + "\n" + (size == nullptr ? std::string() : size->dump()));
        }
        return out;
    };
    const auto* all = member(staged, "attachments");
    const bool unknown = all != nullptr && all->is_object();
    return unknown || marks(elements(staged, "attachments")) == marks(listed);
}

bool may_have_attachments(const json& event) {
    // The service does not count inline pictures (contract Q77).
    const auto* body = member(event, "body");
    return !elements(event, "attachments").empty() || sources::is_true(event, "hasAttachments") ||
           (body != nullptr && text(*body, "content").find("cid:") != std::string::npos);
}

bool is_meeting(const json& event) {
    const auto& exceptions = elements(event, "exceptionOccurrences");
    return !elements(event, "attendees").empty() ||
           std::any_of(exceptions.begin(), exceptions.end(), is_meeting);
}

}  // namespace m365stage::restore
