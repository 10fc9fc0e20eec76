#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace m365stage::sources {

/// One VEVENT in two pieces, between which its attachments go. Lines end with CRLF and are folded.
struct ics_piece {
    ics_piece() = default;
    std::string before, after;
};

/// An event as an iCalendar object (RFC 5545): `head`, the event (of a series then its exceptions, in the
/// order of the JSON), `tail`.
struct ics_object {
    ics_object() = default;
    std::string head;
    std::vector<ics_piece> events;
    std::string tail;
};

/// The event, with `exceptionOccurrences` and `cancelledOccurrences` if it is a series. Tolerates every
/// missing, mistyped and unknown member; the same JSON is the same text on any day.
ics_object make_ics(const nlohmann::json& event);

/// The text of HTML: without markup, with line breaks where a browser makes them.
std::string text_of_html(std::string_view html);

}  // namespace m365stage::sources
