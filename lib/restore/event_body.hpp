#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/time.hpp"

/// What of a staged event goes back, and how what came back is compared with it. Nothing here asks anybody.
namespace m365stage::restore {

/// One attachment of a staged event (or of one occurrence), as its sidecar tells.
struct staged_attachment {
    staged_attachment() = default;
    std::string name, content_type, content_id;
    bool is_inline = false;
    std::string item;                     ///< JSON of an item attachment, if it is known
    std::int64_t size = 0;                ///< bytes
    std::string sha256;                   ///< hex
    std::int64_t offset = 0, length = 0;  ///< of its base64 text in the .ics
    std::string unreadable;               ///< why it is not in the tree; empty: it is
};
std::vector<staged_attachment> attachments_of(const nlohmann::json& event);

/// The body of the request that makes the event again. Attendees are in its text instead of in its list: the
/// service would mail them at once (contract 8.3, Q86). `transaction`: see `transaction_id`.
nlohmann::json new_event(const nlohmann::json& event, const std::string& transaction);

/// What has to be changed in an occurrence of the series to make it the exception; empty: nothing.
nlohmann::json exception_changes(const nlohmann::json& exception, const nlohmann::json& series);

/// Where the event goes in the target, as a transactionId: the service refuses to make the same event twice.
/// `round`: another one where an event of that id was deleted meanwhile.
std::string transaction_id(const std::string& calendar, const std::string& remote_id, int round);

/// A text that is equal for events which are the same for their owner: subject, times, kind.
std::string event_fingerprint(const nlohmann::json& event);

/// True if two events, whole (sources::read_event), are the same for whoever looks at them, occurrences
/// included. Change keys move with less: reminders that went off, answers that came. Attachments: below.
bool looks_the_same(const nlohmann::json& staged, const nlohmann::json& there);

/// True if `listed` are the attachments of the staged event (or occurrence) by name and size; those that
/// could not be listed when it was staged are taken for the same.
bool same_attachments(const nlohmann::json& staged, const nlohmann::json& listed);
/// False if an event needs no asking for its attachments: it has none.
bool may_have_attachments(const nlohmann::json& event);

/// True if somebody was invited to it or to one of its occurrences.
bool is_meeting(const nlohmann::json& event);

}  // namespace m365stage::restore
