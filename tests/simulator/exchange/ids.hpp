#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// Exchange's ids: long, opaque, case-sensitive, of the alphabet of base64url with '=' at the end
/// (contract, 6.3).
namespace m365stage::sim {

/// What an id stands for.
enum class id_kind : std::uint8_t {
    folder,        ///< mail folder: constant
    message,       ///< immutable
    message_here,  ///< mutable: changes when the message moves
    item,          ///< calendars, events, contacts, task lists, tasks, ...: immutable or constant
    item_here,     ///< mutable
    attachment,    ///< of a message or an item
};

/// The parts of an id within one mailbox.
struct exchange_id {
    id_kind kind = id_kind::folder;
    std::uint32_t number = 0;  ///< of the folder, message or item
    std::uint32_t folder = 0;  ///< message_here, item_here: where it was
    std::uint32_t moves = 0;   ///< message_here, item_here: how often it had moved
    std::uint32_t part = 0;    ///< attachment: which
};

/// `mailbox`: the mailbox's GUID in text form; ids of one mailbox mean nothing in another.
std::string encode_id(std::string_view mailbox, const exchange_id& id);
/// Nothing when the text is no id, or one of another mailbox.
std::optional<exchange_id> decode_id(std::string_view mailbox, std::string_view text);
/// Whether the text looks like an id of any mailbox: the service tells "malformed" and "not found" apart.
bool is_id(std::string_view text);

}  // namespace m365stage::sim
