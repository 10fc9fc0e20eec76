#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "index/rows.hpp"

namespace m365stage::sources {

/// Remote id of the folder that a mailbox's calendars lie in; the service has none.
inline constexpr const char* calendars_root = "calendars";

/// The members of an event that its listing is asked for: enough for its name, and to see that it changed.
inline constexpr const char* listed_event_members = "id,changeKey,type,lastModifiedDateTime,subject,start";

/// A calendar of a page (contract 6.5); nullopt for what has no id.
std::optional<index::item_change> parse_calendar(const nlohmann::json& element);

/// Whose it is; empty if the service does not say.
std::string calendar_owner(const nlohmann::json& element);

/// An event of a calendar's page, or of GET event: single ones and series. nullopt for occurrences, which
/// belong to their series, and for what has no id. Its sidecar comes with the content.
std::optional<index::item_change> parse_event(const nlohmann::json& element, const std::string& calendar);

/// What stands for an event, from a page, the event itself or its sidecar: its changeKey. The one of a series
/// moves with its exceptions and cancelled occurrences.
std::string event_key(const nlohmann::json& event);

/// The event as its sidecar keeps it: all but addresses and annotations that say nothing of the event.
nlohmann::json event_metadata(nlohmann::json event);

/// "20261007-070000_Weekly meeting_k3j9d0a1pq.ics": when it (first) begins, in UTC.
std::string event_file_name(const nlohmann::json& event, std::string_view remote_id);

}  // namespace m365stage::sources
