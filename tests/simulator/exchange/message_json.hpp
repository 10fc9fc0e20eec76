#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mail_content.hpp"

/// The JSON forms of mail: folders, messages, attachments. Written by hand: feeds are most of the work.
namespace m365stage::sim {

/// Which properties are told, one bit each; message_fields_default without $select.
using message_fields = std::uint64_t;
extern const message_fields message_fields_default;
/// Those of a $select; nothing when one of them is unknown: then `unknown` is its name.
std::optional<message_fields> message_fields_of(const std::vector<std::string>& names, std::string& unknown);
/// Whether only ids, times and marks are wanted, nothing that needs the message to be opened.
bool only_light(message_fields f);

struct message_style {
    message_fields fields = message_fields_default;
    bool immutable = false;
    bool annotate_type = false;  ///< @odata.type of plain messages too, as feeds have it
    bool text_body = false;
    bool expand_attachments = false;
    std::vector<std::string> extended;  ///< ids of extended properties to tell
};

void append_message(std::string& out, const mailbox& b, message_index m, const message_style& style);
/// An entry that tells a change of the read state alone (Q69).
void append_sparse(std::string& out, const mailbox& b, message_index m, bool immutable);
std::string change_key(const mailbox& b, message_index m);
/// `with_bytes`: contentBytes and the item of an item attachment.
void append_attachment(
    std::string& out, const mailbox& b, message_index m, const attachment& a, bool immutable, bool with_bytes,
    bool with_item
);
/// `names` of the properties of a folder; empty: all. `null_parents`: those at the top do not tell where.
void append_folder(
    std::string& out, const mailbox& b, folder_index f, const std::optional<std::vector<std::string>>& names,
    bool null_parents = false
);
/// A known extended property's value; empty when the message has none.
std::string extended_value(const mailbox& b, message_index m, std::string_view id);

}  // namespace m365stage::sim
