#pragma once

#include "event_json.hpp"
#include "exchange.hpp"

/// The handlers of calendars and events.
namespace m365stage::sim {

/// The mailbox's calendars; made from its seed when nobody asked before.
calendar_store& calendars_of(world& w, mailbox& b);
/// /calendar, /calendars, /calendarGroups, /calendarView, /events of a mailbox.
response serve_calendars(const outlook_call& c);
/// POST, PATCH and DELETE of events. `place`: nowhere for the collection.
response write_events(
    const outlook_call& c, std::uint32_t calendar, const event_place& place, std::size_t at
);
response write_calendars(const outlook_call& c, std::optional<std::uint32_t> calendar, std::size_t at);
/// Attachments: `at` is behind "attachments".
response post_event_attachment(const outlook_call& c, const event_place& place, std::size_t at);
response delete_event_attachment(const outlook_call& c, const event_place& place, const std::string& id);
/// Puts an attachment that came in pieces where it belongs; its id.
std::string finish_event_upload(world& w, mailbox& b, attachment_upload& up);
response serve_calendar_view(const outlook_call& c, std::uint32_t calendar);
response serve_calendar_delta(const outlook_call& c, std::uint32_t calendar);
/// startDateTime and endDateTime. False: `out` is the answer.
bool read_window(const outlook_call& c, std::int64_t& from, std::int64_t& to, response& out);
event_style event_style_of(const outlook_call& c);
response event_answer(const outlook_call& c, const event_place& place, int status);

// Changes from outside, and what a copy should hold.
nlohmann::json precise_calendar_change(world& w, const nlohmann::json& spec);
nlohmann::json random_calendar_changes(world& w, const nlohmann::json& spec);
void write_expected_calendars(world& w, const std::string& which, bool hashes, const std::string& path);
/// An event as a seed has it.
calendar_event seeded_event(rng& r, const mailbox& b, std::uint32_t calendar, std::int64_t now);
attachment seeded_attachment(rng& r, std::uint32_t number, std::int64_t now);

}  // namespace m365stage::sim
