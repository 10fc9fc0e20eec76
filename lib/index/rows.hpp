#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/error.hpp"
#include "core/time.hpp"

namespace m365stage::index {

using core::unix_seconds;

/// Row ids of our own; never shown to users, never valid in another index.
enum class container_id : std::int64_t {};
enum class item_id : std::int64_t {};
enum class stream_id : std::int64_t {};

// The numbers of these enums are stored: do not renumber.
enum class item_type { unknown = 0, file = 1, folder = 2, package = 3, shortcut = 4 };
enum class cursor_state { none = 0, mid_round = 1, complete = 2 };
enum class stream_mode { delta = 0, listing = 1, ids = 2 };
enum class work_state { to_fetch = 0, to_apply = 1 };
enum class work_cause { place = 0, metadata = 1, content = 2, created = 3 };  // the greatest one stands
enum class change_kind { created = 1, content = 2, metadata = 3, renamed = 4, moved = 5, deleted = 6 };

/// "file", "folder", "package", "shortcut", "unknown".
std::string_view to_string(item_type t);
std::string_view to_string(change_kind k);

/// True for what is a folder in the tree.
constexpr bool is_folder(item_type t) {
    return t == item_type::folder || t == item_type::package;
}

/// What settles as one unit (a drive, a mailbox's mail), as table `container` holds it.
struct container {
    container() = default;
    container_id id{};
    std::string key;     ///< path below tree/: "users/ann@contoso.com/onedrive"
    std::string at_key;  ///< where it is in the tree now; empty: nowhere yet
    std::string kind;    ///< "drive", "mail", "calendar", "contacts", "tasks", "settings"
    std::string owner_kind, owner_id, owner_name;
    std::string remote_id, name;
    std::optional<item_id> root;
    std::string state;                                             ///< active | departed | unavailable
    index::cursor_state cursor_state = index::cursor_state::none;  ///< of all streams together
    std::int64_t round = 0, complete_round = 0;
    bool settle = false;
    std::optional<unix_seconds> completed_at, departed_at;
    std::int64_t live_items = 0, live_bytes = 0;
    std::int64_t guard_held = 0;  ///< deletions that the last settled round held
    std::int64_t held = 0;        ///< of these, what waits for a person
    std::optional<std::int64_t> guard_round, guard_approved;
    std::string error_kind, error_text;
};

/// One feed of a container with its own cursor, as table `stream` holds it.
struct stream {
    stream() = default;
    stream_id id{};
    container_id container{};
    std::string remote_id;  ///< of the folder it tells about; empty: the main stream
    std::string cursor, shape, spare_cursor;
    index::cursor_state cursor_state = index::cursor_state::none;
    std::int64_t round = 0;
    bool round_full = false;
    bool listing = false;   ///< the service has no delta here: every round lists everything
    bool ids_only = false;  ///< the delta tells ids alone, since one of the items can't be told in full
    bool is_main() const { return remote_id.empty(); }
};

/// What a delta page says of one object; made by a source, taken by `apply_page`.
/// An object that is gone has only `remote_id` and `removed`; in a folder's own stream that means that it has
/// left this folder.
struct item_change {
    item_change() = default;
    std::string remote_id;
    bool removed = false;
    bool root = false;
    item_type type = item_type::unknown;
    std::string parent_remote_id;  ///< empty for the root
    std::string subfolder;         ///< a folder of our own making below the parent ("2026-11"); empty: none
    std::string name;
    std::int64_t size = 0;   ///< bytes as announced; never negative
    unix_seconds mtime = 0;  ///< of the file in the tree
    std::string etag, ctag;  ///< opaque; may be empty
    std::string hash;        ///< as the service gives it, or what stands for the content; may be empty
    bool etag_is_exact =
        false;  ///< an etag that moves while nothing else does means that the content changed
    bool etag_tells_place = false;   ///< a move alone moves the etag too: then it says nothing of the content
    std::string meta;                ///< canonical JSON for the sidecar
    bool meta_with_content = false;  ///< `meta` is not all: the rest comes when the content is fetched
    std::string mark;      ///< what decides whether metadata changed: `meta` without what changes by itself
    std::string url;       ///< pre-authenticated download; secret; may be empty
    bool content = false;  ///< has content to be fetched
    bool permissions = false;          ///< has permissions of its own
    bool permissions_changed = false;  ///< the service said so
    bool columns = false;              ///< the values of its library's own columns belong to its metadata
    std::int64_t children = 0;         ///< folders: how many children the service says it has; a hint only
    bool same = false;                 ///< nothing is known but that it is as it was and where it was
    bool unreadable = false;  ///< nothing is known but that it is there: the service can't tell of it
    std::string refusal;      ///< the service will not serve it: a core::error_kind's name; empty otherwise
    std::string refusal_text;
};

/// What one page did to the index.
struct page_outcome {
    page_outcome() = default;
    std::int64_t items = 0, created = 0, changed = 0, unchanged = 0, removed = 0;
    std::int64_t repeated = 0;  ///< items that the same round had brought before
    std::int64_t to_fetch = 0;  ///< items that got content to be fetched
    bool any_new() const { return created + changed + removed > 0; }
};

/// One item to be fetched.
struct work_item {
    work_item() = default;
    item_id id{};
    container_id container{};
    std::string remote_id, parent_remote_id, name;
    std::int64_t version = 0;
    bool content = false, permissions = false, columns = false;
    std::int64_t size = 0;  ///< as announced
    std::string hash;
    unix_seconds mtime = 0;
    std::int64_t etag = 0, ctag = 0;  ///< fingerprints; 0: not told
    std::string url;
    unix_seconds url_until = 0;
    int attempts = 0;
    std::string first_bytes;  ///< sha256 of an earlier download that did not match; empty: none
    std::string meta;  ///< what the sidecar will hold, canonical JSON; empty: the service has to be asked
    std::string staged_sha256;  ///< 32 bytes, of what is in the tree; empty: nothing is, or nothing whole
};

/// Permissions or columns that could not be read. The content is staged all the same, and the item is owed.
struct missing_part {
    missing_part() = default;
    core::error why;
    unix_seconds next_try = 0;
};

/// What fetching one item brought.
struct fetch_result {
    fetch_result() = default;
    item_id id{};
    std::int64_t version = 0;
    std::string spool;  ///< file name in spool/; empty: there was no content to fetch, or `same`
    bool same = false;  ///< the content is, byte for byte, what is in the tree already
    std::int64_t spool_inode = 0;
    std::int64_t size = 0;
    std::string sha256;                  ///< 32 bytes
    std::string verdict;                 ///< "", "altered_by_service"
    std::optional<std::string> access;   ///< permissions, canonical JSON; nullopt: not read
    std::optional<std::string> columns;  ///< values of columns, canonical JSON; nullopt: not read
    std::optional<missing_part> missing;
    // A fresh look at the item may have brought newer facts than the page did.
    std::optional<std::string> meta, mark;
    std::optional<std::string> hash;
    std::optional<unix_seconds> mtime;
    std::optional<std::int64_t> announced, ctag;  ///< size; fingerprint
};

}  // namespace m365stage::index
