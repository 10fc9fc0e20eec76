#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "core/time.hpp"
#include "restore/mime_file.hpp"

/// Messages in Graph's form. No I/O.
namespace m365stage::restore {

/// What the service says of a message, as far as a restore looks at it.
struct remote_message {
    remote_message() = default;
    std::string id, internet_id, subject, from, importance, flag, mark;
    std::string change_key;  ///< in sidecars of drafts only: that of other messages moves with their folder
    std::string categories;  ///< canonical JSON
    std::optional<core::unix_seconds> sent, received;
    bool read = false, draft = false, attachments = false;
};

/// Tolerates what is missing; nullopt if it has no id. Also for the metadata in a sidecar, with `id` given.
std::optional<remote_message> parse_remote_message(const nlohmann::json& message, std::string id = {});

/// The body of the request that makes a message as it was: text from the MIME, everything else from the
/// sidecar where that has it (contract 8.2).
/// - What was sent or received is made with 0x0E07 without the bit of drafts, and with its times by 0x0039
///   and 0x0E06; afterwards nothing of it can be changed any more.
/// - The header goes into 0x007D, for people; In-Reply-To and References into 0x1042 and 0x1039, for threads.
/// - Left out is what the service refuses or ignores, and requests for receipts of what was received: they
///   would be answered once more.
nlohmann::json message_to_create(
    const nlohmann::json& staged, const mime_file& mime, const std::string& mark
);

/// A message as the item of an item attachment.
nlohmann::json item_to_attach(const mime_words& words);

/// {"@odata.type", "name", ...} of a file; without its bytes.
nlohmann::json file_to_attach(const mime_part& part);

/// The name that a part has as a file: messages that go as files end in ".eml".
std::string file_name_of(const mime_part& part);

/// True if both are the same message with the same content, whatever people have done with it since. Anything
/// in a draft may have been changed, its text as well: it is the same as long as nobody has touched it.
bool is_same_message(const remote_message& wanted, const remote_message& there);

/// What of a message is not as it was: "read state", ...; empty: nothing. `settable`: also in what its owner
/// may have changed since it was put there.
std::string difference(const remote_message& wanted, const remote_message& there, bool settable);

/// Addresses that replyTo may hold (contract Q87).
bool is_reply_address(std::string_view address);

}  // namespace m365stage::restore
