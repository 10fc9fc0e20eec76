#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "content.hpp"

/// One drive of the tenant: its items, their names and its change log. No I/O, no JSON.
namespace m365stage::sim {

using item_index = std::uint32_t;
inline constexpr item_index no_item = 0xffffffffU;
inline constexpr item_index root_item = 0;

enum class item_kind : std::uint8_t { folder, file, package, shortcut };

/// A right on an item: a user's (email set) or a link's (scope set).
struct permission {
    std::string id;
    std::string role = "read";
    std::string email;
    std::string user_id;
    std::string display_name;
    std::string scope;      ///< anonymous, organization or users: then it is a link
    std::string link_type;  ///< view or edit
    std::string expiration;
    std::vector<std::string> others;  ///< addresses of more people that a link is for
};

/// An older version of a file.
struct version {
    std::uint32_t number = 1;
    std::int64_t time = 0;
    content data;
};

/// A column of a library. Kinds: text, note, number, boolean, dateTime, choice, choices (several),
/// personOrGroup, hyperlinkOrPicture.
struct column {
    std::string name;
    std::string kind;
    bool read_only = false;
    bool hidden = false;
};

/// What few items have. Kept apart so that a million plain items stay small.
struct item_extra {
    std::vector<permission> permissions;
    std::vector<version> versions;
    std::map<std::string, std::string> fields;  ///< values of the library's columns, as JSON
    std::string description;
    std::string target_drive;  ///< of a shortcut
    std::string target_item;
    std::string malware;
    std::shared_ptr<const std::string> path;  ///< content is this file on disk
    std::int64_t fs_created = 0;              ///< 0: as created
    std::int64_t altered_size = -1;           ///< bytes really served when the item is `altered`
    std::uint64_t share_seq = 0;              ///< change number of the last change of permissions
    std::uint64_t other_seq = 0;              ///< change number of the last other change
};

enum item_flag : std::uint8_t {
    flag_deleted = 1,
    flag_malware = 2,
    flag_altered = 4,
    flag_no_hash = 8,
    flag_hash_known = 16,
    flag_extra = 32,
    flag_sharing_last = 64,  ///< the last change was one of permissions only
    flag_locked = 128,
};

struct item {
    std::string name;
    std::uint64_t seq = 0;   ///< number of its last change in the drive
    std::uint64_t seed = 0;  ///< of its generated content
    std::int64_t size = 0;   ///< folders: sum of what is below
    std::int64_t created = 0;
    std::int64_t modified = 0;
    std::int64_t fs_modified = 0;
    item_index parent = no_item;
    item_index first_child = no_item;
    item_index next = no_item;
    item_index previous = no_item;
    std::uint32_t child_count = 0;
    std::uint32_t etag = 1;
    std::uint32_t ctag = 1;
    item_kind kind = item_kind::file;
    std::uint8_t flags = 0;
    std::array<unsigned char, 20> hash{};

    bool has(item_flag f) const { return (flags & f) != 0; }
    bool is_folder() const { return kind == item_kind::folder || kind == item_kind::package; }
};

/// One entry of a drive's change log; stale when the item changed again.
struct change_entry {
    std::uint64_t seq = 0;
    std::uint32_t time = 0;
    item_index index = no_item;
};

/// (parent, folded name) -> item, by open addressing: 8 bytes an item.
class name_index {
public:
    item_index find(const std::vector<item>& items, item_index parent, std::string_view name) const;
    void insert(const std::vector<item>& items, item_index i);
    void erase(const std::vector<item>& items, item_index i);

private:
    void grow(const std::vector<item>& items);
    void place(const std::vector<item>& items, item_index i);
    std::vector<item_index> table_;
    std::size_t used_ = 0;
};

class drive {
public:
    drive(std::uint32_t number, std::uint64_t tenant_seed, std::int64_t now);

    // What it is. Constant but for `removed`, `locked` and the names.
    std::uint32_t number;
    std::string id;
    std::string name = "OneDrive";
    std::string type = "business";
    std::string web_url;
    std::string site_id;     ///< the site's GUID, for parentReference.siteId
    std::string owner_kind;  ///< user, site or group
    std::string owner_id;
    bool system = false;
    bool removed = false;
    bool locked = false;
    std::vector<column> columns;  ///< of the library's own

    // Items.
    const std::vector<item>& items() const { return items_; }
    const item& at(item_index i) const { return items_[i]; }
    /// Live items, the root not counted.
    std::size_t live_count() const { return live_; }
    void reserve(std::size_t items) { items_.reserve(items); }
    std::string item_id(item_index i) const;
    void append_item_id(std::string& out, item_index i) const;
    std::string item_guid(item_index i) const;
    /// The item of an id, live or deleted; no_item when the id is not of this drive.
    item_index find_id(std::string_view id) const;
    item_index find_child(item_index parent, std::string_view child) const {
        return names_.find(items_, parent, child);
    }
    item_index find_path(item_index from, const std::vector<std::string>& names) const;
    std::vector<item_index> children(item_index i) const;
    /// Real names from below the root down to the item.
    std::vector<std::string> names_of(item_index i) const;
    bool is_below(item_index i, item_index ancestor) const;
    item_extra* extra(item_index i);
    const item_extra* extra(item_index i) const;
    item_extra& make_extra(item_index i);

    // What is served: `stored` has the announced size and hash; `served` are the bytes that arrive.
    content stored(item_index i) const;
    content served(item_index i) const;
    const std::array<unsigned char, 20>& hash(item_index i);

    // Changes. Each notes the items it changed in the log.
    item_index create(item_index parent, std::string name, item_kind kind, content data, std::int64_t now);
    void edit(item_index i, content data, std::int64_t now);
    /// Renames and/or moves; `now` 0 leaves lastModifiedDateTime (a move does not change it).
    void relocate(item_index i, item_index parent, std::string name, std::int64_t now);
    void swap_names(item_index a, item_index b, std::int64_t now);
    void remove(item_index i, std::int64_t now);
    void set_times(item_index i, std::int64_t created, std::int64_t fs_modified);
    void set_flag(item_index i, item_flag f, bool on);
    /// Notes a change that did not alter content (metadata, flags).
    void touch(item_index i, std::int64_t now);
    void touch_sharing(item_index i, std::int64_t now);

    // The change log.
    std::uint64_t seq() const { return seq_; }
    /// Items changed after `since`, oldest change first, each once.
    std::vector<item_index> changed_since(std::uint64_t since) const;
    /// The last change number not after that time.
    std::uint64_t seq_at(std::int64_t time) const;
    /// When the change log began.
    std::int64_t created_at() const { return created_at_; }

private:
    void note(item_index i, std::int64_t now);
    void link(item_index i, item_index parent);
    void unlink(item_index i);
    void add_size(item_index i, std::int64_t by);
    void drop_one(item_index i, std::int64_t now);

    std::vector<item> items_;
    std::unordered_map<item_index, item_extra> extras_;
    name_index names_;
    std::vector<change_entry> log_;
    std::uint64_t seq_ = 0;
    std::uint64_t key_;
    std::int64_t created_at_;
    std::size_t live_ = 0;
    std::string id_prefix_;
};

}  // namespace m365stage::sim
