#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "../content.hpp"
#include "../text.hpp"
#include "ids.hpp"

/// One mailbox of the tenant: its mail folders, messages and change logs. No I/O, no JSON.
namespace m365stage::sim {

class record_store;

using folder_index = std::uint32_t;
using message_index = std::uint32_t;
inline constexpr std::uint32_t nowhere = 0xffffffffU;
inline constexpr folder_index store_root = 0;   ///< above what users see; never shown
inline constexpr folder_index folder_root = 1;  ///< msgfolderroot

class calendar_store;

enum class attachment_kind : std::uint8_t { file, item, reference };

/// One attachment. Its bytes are generated from a seed, of a file on disk, or `text`.
struct attachment {
    attachment_kind kind = attachment_kind::file;
    std::uint32_t number = 0;  ///< within the message, for its id
    std::string name;
    std::string content_type = "application/octet-stream";
    std::string content_id;
    bool is_inline = false;
    bool broken = false;  ///< ErrorCannotOpenFileAttachment (Q76)
    std::int64_t modified = 0;
    content data;                                ///< of a file
    std::shared_ptr<const nlohmann::json> item;  ///< of an item attachment: the message, event or contact
};

/// How reading a message goes wrong, for ever.
enum class trouble : std::uint8_t {
    none,
    corrupt,             ///< 500 ErrorCorruptData for it and its MIME (Q75)
    invalid_recipients,  ///< listed, but GET says ErrorInvalidRecipients (Q74)
    no_mime,             ///< only $value fails: ErrorMimeContentConversionFailed
    unserialisable,      ///< whatever page it is on is answered with 500, unless only ids are selected
};

/// What few messages have. Kept apart so that a million plain ones stay small.
struct message_extra {
    std::shared_ptr<nlohmann::json> set;  ///< properties that were written, in Graph's form; null: none
    bool own_attachments = false;         ///< `attachments` in place of what the seed gives
    std::vector<attachment> attachments;
    std::uint32_t next_attachment = 1;
    content mime;  ///< as it was posted; size 0: made from the properties
    trouble wrong = trouble::none;
    std::vector<std::pair<std::string, std::string>> extended;  ///< single-value extended properties
};

enum message_flag : std::uint8_t {
    message_read = 1,
    message_draft = 2,
    message_deleted = 4,
    message_own = 8,  ///< nothing is generated: all that it is was written
    message_extra_set = 16,
    message_outgoing = 32,  ///< the owner wrote it
};

enum class follow_up : std::uint8_t { none, flagged, complete };

struct message {
    std::uint64_t seed = 0;
    std::uint32_t received = 0;  ///< unix seconds
    std::uint32_t modified = 0;  ///< lastModifiedDateTime; neither reading nor flagging moves it
    std::uint32_t created = 0;
    std::uint32_t size = 0;  ///< about how large its MIME is
    folder_index folder = nowhere;
    std::uint32_t seq = 0;          ///< change number of its last change
    std::uint32_t arrived_seq = 0;  ///< when it came into its folder
    std::uint32_t other_seq = 0;    ///< of the last one that was not a change of the read state alone
    std::uint32_t version = 1;      ///< in its changeKey
    std::uint16_t moves = 0;
    std::uint8_t flags = 0;
    follow_up flag = follow_up::none;

    bool has(message_flag f) const { return (flags & f) != 0; }
};

/// A message that changed in, or came into, a folder. Stale when it changed again or left.
struct folder_change {
    std::uint32_t seq = 0;
    message_index message = nowhere;
};

/// A message that left a folder, under the mutable id it had there.
struct folder_removal {
    std::uint32_t seq = 0;
    message_index message = nowhere;
    std::uint32_t moves = 0;
};

struct mail_folder {
    std::string name;
    std::string well_known;  ///< inbox, sentitems, ...; empty for the user's own
    folder_index parent = nowhere;
    std::uint32_t seq = 0;
    bool hidden = false;
    bool search = false;  ///< a mailSearchFolder: shows what `source` holds
    bool deleted = false;
    folder_index source = nowhere;
    std::uint32_t total = 0;
    std::uint32_t unread = 0;
    std::uint32_t generation = 149;  ///< of its sync state; tokens of another are 410 SyncStateNotFound
    std::vector<folder_change> log;
    std::vector<folder_removal> removals;
};

class mailbox {
public:
    mailbox(std::uint32_t number, std::string guid, std::uint64_t seed);

    // What it is.
    std::uint32_t number;
    std::string guid;
    std::uint64_t seed;
    std::string owner_id;    ///< the user's or group's directory id
    std::string owner_kind;  ///< user or group
    std::string address;
    std::string display_name;
    std::string purpose = "user";  ///< userPurpose
    std::string locale = "en-US";
    bool removed = false;
    bool over_quota = false;  ///< delta answers 403 ErrorQuotaExceeded (Q72)
    std::uint32_t hierarchy_generation = 149;
    std::shared_ptr<nlohmann::json> settings;    ///< mailboxSettings, once they were asked for
    std::shared_ptr<nlohmann::json> rules;       ///< of the inbox; null: none yet
    std::shared_ptr<nlohmann::json> categories;  ///< null: those that every mailbox begins with
    std::shared_ptr<record_store> contacts;      ///< null: not asked for yet
    std::shared_ptr<record_store> tasks;
    std::shared_ptr<calendar_store> calendars;  ///< once they were asked for

    const std::vector<mail_folder>& folders() const { return folders_; }
    const std::vector<message>& messages() const { return messages_; }
    const mail_folder& folder(folder_index f) const { return folders_[f]; }
    const message& at(message_index m) const { return messages_[m]; }
    mail_folder& folder(folder_index f) { return folders_[f]; }
    void reserve(std::size_t messages) { messages_.reserve(messages); }
    std::size_t live_count() const { return live_; }
    std::uint32_t seq() const { return seq_; }
    std::uint32_t next_seq() { return ++seq_; }

    // Ids.
    std::string folder_id(folder_index f) const { return encode_id(guid, {id_kind::folder, f, 0, 0, 0}); }
    /// The message's id of today; `moves` and `folder` for one that it had.
    std::string message_id(message_index m, bool immutable) const;
    std::string old_message_id(const folder_removal& r, folder_index f, bool immutable) const;
    std::string attachment_id(message_index m, std::uint32_t part, bool immutable) const;
    /// By id or well-known name; nowhere when there is no such live folder.
    folder_index find_folder(std::string_view id) const;
    folder_index find_well_known(std::string_view name) const;
    folder_index find_child(folder_index parent, std::string_view name) const;
    /// Nowhere for ids that do not (any more) lead to a message.
    message_index find_message(std::string_view id) const;
    std::vector<folder_index> children(folder_index f) const;
    bool is_below(folder_index f, folder_index ancestor) const;
    /// Names from below msgfolderroot down to the folder.
    std::vector<std::string> path_of(folder_index f) const;
    /// Live messages of a folder, latest received first. Kept until something changes.
    const std::vector<message_index>& listing(folder_index f) const;
    const message_extra* extra(message_index m) const;
    message_extra& make_extra(message_index m);

    // Changes. Each notes what it changed in the logs.
    folder_index add_folder(
        folder_index parent, std::string name, std::string well_known = "", bool hidden = false
    );
    void rename_folder(folder_index f, std::string name);
    void move_folder(folder_index f, folder_index parent);
    /// For ever, with all that is below.
    void purge_folder(folder_index f);
    message_index add_message(const message& m);
    /// Notes a change. `now` 0 leaves lastModifiedDateTime.
    void touch(message_index m, std::int64_t now);
    void set_read(message_index m, bool read);
    void set_flag(message_index m, follow_up flag);
    void set_draft(message_index m, bool draft);
    void set_received(message_index m, std::int64_t when);
    void move_message(message_index m, folder_index to);
    /// For ever.
    void purge_message(message_index m);

private:
    enum class change { arrived, read_state, other };
    void note(message_index m, change what);
    void leave(message_index m);

    std::vector<mail_folder> folders_;
    std::vector<message> messages_;
    std::unordered_map<message_index, message_extra> extras_;
    std::uint32_t seq_ = 0;
    std::size_t live_ = 0;
    mutable std::vector<message_index> listed_;
    mutable folder_index listed_folder_ = nowhere;
    mutable std::uint32_t listed_seq_ = 0;
};

}  // namespace m365stage::sim
