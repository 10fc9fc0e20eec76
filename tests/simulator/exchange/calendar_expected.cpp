// What a faithful copy of the calendars holds, one JSON line per live calendar and event.
#include <fstream>
#include <nlohmann/json.hpp>

#include "../world.hpp"
#include "calendar_api.hpp"
#include "changes.hpp"
#include "mail_content.hpp"
#include "time_zone.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

json calendar_line(const mailbox& b, std::uint32_t c) {
    const calendar& it = b.calendars->calendars[c];
    return {
        {"type", "calendar"},
        {"mailbox", owner_of(b)},
        {"id", calendar_id(b, c)},
        {"name", it.name},
        {"is_default", it.is_default},
        {"can_edit", it.can_edit},
        {"own", it.owner_address == b.address}
    };
}

json attachments_line(const std::vector<attachment>& all, bool hashes) {
    json out = json::array();
    for (const auto& a : all) {
        out.push_back(attachment_line(a, hashes));
        if (a.kind == attachment_kind::item) {
            out.back()["sha256"] = sha256_of(mime_of_item(*a.item));
        }
    }
    return out;
}

/// The next occasions of an event, whatever they are: [start, end, subject], in UTC.
json occasions_line(const mailbox& b, event_index e, std::int64_t now) {
    constexpr std::int64_t back = 400 * day_seconds;
    constexpr std::int64_t ahead = 500 * day_seconds;
    json out = json::array();
    for (const auto& o : b.calendars->occasions(e, now - back, now + ahead, 400)) {
        json set = b.calendars->properties(e, o.day);
        json subject = set.value("subject", json(""));
        out.push_back({iso_time(o.start), iso_time(o.end), subject.is_string() ? subject : json("")});
    }
    return out;
}

json event_line(world& w, const mailbox& b, event_index e, bool hashes) {
    const calendar_store& s = *b.calendars;
    const calendar_event& it = s.events[e];
    event_style style;
    style.immutable = true;
    json full = event_json(b, e, std::nullopt, style);
    json exceptions = json::array();
    for (const auto& [day, change] : it.exceptions) {
        exceptions.push_back(
            {{"day", date_text(day)}, {"attachments", attachments_line(change.attachments, hashes)}}
        );
    }
    json cancelled = json::array();
    for (std::int64_t day : it.cancelled) {
        cancelled.push_back(date_text(day));
    }
    static const char* troubles[] = {"", "corrupt", "invalid_recipients", "no_mime", "unserialisable"};
    return {
        {"type", "event"},
        {"mailbox", owner_of(b)},
        {"id", full["id"]},
        {"calendar_id", calendar_id(b, it.calendar)},
        {"calendar", s.calendars[it.calendar].name},
        {"own", s.calendars[it.calendar].owner_address == b.address},
        {"can_edit", s.calendars[it.calendar].can_edit},
        {"graph", full},
        {"zone", it.zone()},
        {"uid", it.uid},
        {"window", {iso_time(w.now() - 400 * day_seconds), iso_time(w.now() + 500 * day_seconds)}},
        {"occasions", occasions_line(b, e, w.now())},
        {"attachments", attachments_line(it.attachments, hashes)},
        {"exceptions", exceptions},
        {"cancelled", cancelled},
        {"wrong", troubles[static_cast<int>(it.wrong)]}
    };
}

}  // namespace

void write_expected_calendars(world& w, const std::string& which, bool hashes, const std::string& path) {
    std::ofstream out(path, std::ios::binary);
    for (mailbox* b : named_mailboxes(w, which)) {
        calendar_store& s = calendars_of(w, *b);
        for (std::uint32_t c = 0; c < s.calendars.size(); ++c) {
            if (!s.calendars[c].deleted) {
                out << dump(calendar_line(*b, c)) << '\n';
            }
        }
        for (event_index e = 0; e < s.events.size(); ++e) {
            if (!s.events[e].deleted) {
                out << dump(event_line(w, *b, e, hashes)) << '\n';
            }
        }
    }
}

}  // namespace m365stage::sim
