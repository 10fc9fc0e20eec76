#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "calendar.hpp"

/// The JSON forms of calendars, events and their attachments.
namespace m365stage::sim {

struct event_style {
    bool immutable = false;
    std::string zone;  ///< that times are told in; empty: UTC
    bool text_body = false;
};

nlohmann::json calendar_json(const mailbox& b, std::uint32_t c);
nlohmann::json calendar_group_json(const mailbox& b, std::uint32_t g);
/// An event, or one occurrence of a series.
nlohmann::json event_json(
    const mailbox& b, event_index e, std::optional<std::int64_t> day, const event_style& style
);
/// With `cancelledOccurrences`, which only a series has and only GET of one event tells.
nlohmann::json cancelled_json(const mailbox& b, event_index e, bool immutable);
/// `bytes`: contentBytes; `item`: the item of an item attachment.
nlohmann::json event_attachment_json(
    const mailbox& b, event_index e, std::optional<std::int64_t> day, const attachment& a, bool bytes,
    bool item
);
/// The names of an event's properties: for $select.
bool is_event_property(const std::string& name);

}  // namespace m365stage::sim
