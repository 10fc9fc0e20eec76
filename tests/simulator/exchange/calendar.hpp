#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "mailbox.hpp"

/// The calendars of a mailbox and what is in them. No I/O, no HTTP.
namespace m365stage::sim {

using event_index = std::uint32_t;

struct calendar_group {
    std::string name;
    bool deleted = false;
};

struct calendar {
    std::string name;
    std::uint32_t group = 0;
    std::string owner_name;
    std::string owner_address;
    std::string color = "auto";
    bool is_default = false;
    bool can_edit = true;
    bool removable = true;
    bool deleted = false;
    std::uint32_t version = 1;
};

/// What differs in one occurrence of a series.
struct occurrence_change {
    nlohmann::json set = nlohmann::json::object();
    std::vector<attachment> attachments;
    std::uint32_t next_attachment = 1;
    std::int64_t modified = 0;
    std::uint32_t version = 1;
};

/// A single event or a series. `set` has its properties in Graph's form, start and end in their own zone.
struct calendar_event {
    std::uint32_t calendar = 0;
    std::uint16_t moves = 0;
    std::uint32_t version = 1;
    std::uint32_t seq = 0;  ///< change number of its last change
    std::int64_t created = 0;
    std::int64_t modified = 0;
    nlohmann::json set = nlohmann::json::object();
    std::vector<attachment> attachments;
    std::uint32_t next_attachment = 1;
    std::map<std::int64_t, occurrence_change> exceptions;  ///< by the day they would be on
    std::set<std::int64_t> cancelled;
    std::string uid;
    std::string transaction;
    bool organizer = true;
    bool deleted = false;
    trouble wrong = trouble::none;

    bool is_series() const { return set.contains("recurrence") && set["recurrence"].is_object(); }
    bool is_meeting() const { return set.contains("attendees") && !set["attendees"].empty(); }
    std::string zone() const;  ///< of its start
};

/// One occurrence (or the whole of a single event) in time.
struct occasion {
    event_index event = 0;
    std::optional<std::int64_t> day;  ///< of a series: the day it belongs to
    std::int64_t start = 0;           ///< UTC
    std::int64_t end = 0;
    bool exception = false;
};

/// What an id of a calendar's world leads to.
struct event_place {
    event_index event = nowhere;
    std::optional<std::int64_t> day;
};

class calendar_store {
public:
    std::vector<calendar_group> groups;
    std::vector<calendar> calendars;
    std::deque<calendar_event> events;
    std::uint32_t generation = 149;  ///< of sync states; tokens of another are 410

    std::uint32_t seq() const { return seq_; }
    std::uint32_t default_calendar() const;
    event_index add(calendar_event e);
    /// Notes a change.
    void touch(event_index e, std::int64_t now);
    void move(event_index e, std::uint32_t to, std::int64_t now);
    void remove(event_index e, std::int64_t now);
    void remove_calendar(std::uint32_t c, std::int64_t now);
    /// The event by its transactionId, or nowhere.
    event_index find_transaction(const std::string& id) const;
    /// When it takes place between two moments; a series up to `most` times.
    std::vector<occasion> occasions(
        event_index e, std::int64_t from, std::int64_t to, std::size_t most = 5000
    ) const;
    /// The occurrence of a series that belongs to the day; nothing when there is none, or it was cancelled.
    std::optional<occasion> occasion_on(event_index e, std::int64_t day) const;
    /// Properties of one occurrence: the series' with what differs.
    nlohmann::json properties(event_index e, std::optional<std::int64_t> day) const;
    const std::vector<attachment>& attachments(event_index e, std::optional<std::int64_t> day) const;
    /// The exception of a day, made when there is none.
    occurrence_change& make_exception(event_index e, std::int64_t day);

private:
    occasion occasion_of(event_index e, std::int64_t day) const;
    std::uint32_t seq_ = 0;
};

// Ids. Of events there are immutable and mutable ones; those of calendars are constant.
std::string calendar_id(const mailbox& b, std::uint32_t c);
std::string calendar_group_id(const mailbox& b, std::uint32_t g);
std::string event_id(const mailbox& b, event_index e, std::optional<std::int64_t> day, bool immutable);
std::string event_attachment_id(
    const mailbox& b, event_index e, std::optional<std::int64_t> day, std::uint32_t part
);
std::optional<std::uint32_t> find_calendar(const mailbox& b, std::string_view id);
std::optional<std::uint32_t> find_calendar_group(const mailbox& b, std::string_view id);
event_place find_event(const mailbox& b, std::string_view id);
std::string event_change_key(const mailbox& b, event_index e, std::optional<std::int64_t> day);

}  // namespace m365stage::sim
