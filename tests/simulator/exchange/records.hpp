#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mailbox.hpp"

/// What a mailbox holds besides mail: contact folders with contacts, task lists with tasks. No I/O.
namespace m365stage::sim {

using record_index = std::uint32_t;

/// A checklist item or a linked resource of a task.
struct record_part {
    std::uint32_t number = 0;
    nlohmann::json value;
};

/// A contact or a task. `value` holds what was written, in Graph's form; the rest has its default.
struct record {
    std::uint32_t folder = 0;
    nlohmann::json value = nlohmann::json::object();
    std::int64_t created = 0;
    std::int64_t modified = 0;
    std::uint32_t seq = 0;                         ///< change number of its last change
    std::uint32_t arrived_seq = 0;                 ///< when it came into its folder
    std::map<std::string, std::uint32_t> touched;  ///< property -> change number
    std::uint32_t version = 1;                     ///< in its changeKey
    std::uint32_t moves = 0;
    bool deleted = false;
    bool unserialisable = false;  ///< as `trouble::unserialisable` of messages
    std::optional<content> photo;
    std::string photo_type = "image/jpeg";
    std::vector<record_part> checklist;
    std::vector<record_part> links;
    std::vector<attachment> attachments;
    std::uint32_t next_part = 1;
};

/// A record came, changed, or left.
struct record_change {
    std::uint32_t seq = 0;
    record_index item = 0;
    std::uint32_t moves = 0;
    bool left = false;
};

/// A contact folder or a task list.
struct record_folder {
    std::string name;
    std::string well_known;          ///< "contacts"; "defaultList", "flaggedEmails"
    std::uint32_t parent = nowhere;  ///< of a contact folder; nowhere: right below the mailbox
    std::uint32_t seq = 0;
    std::uint32_t generation = 149;
    bool deleted = false;
    std::vector<record_change> log;
};

/// All folders and records of one kind in one mailbox.
class record_store {
public:
    /// `number` tells the ids of several stores of one mailbox apart: a multiple of 2^24.
    record_store(std::string guid, std::uint32_t number, bool mutable_ids)
        : guid_(std::move(guid)), number_(number), mutable_ids_(mutable_ids) {}

    std::uint32_t hierarchy_generation = 149;
    const std::vector<record_folder>& folders() const { return folders_; }
    const std::vector<record>& records() const { return records_; }
    record_folder& folder(std::uint32_t f) { return folders_[f]; }
    const record_folder& folder(std::uint32_t f) const { return folders_[f]; }
    record& at(record_index i) { return records_[i]; }
    const record& at(record_index i) const { return records_[i]; }
    std::uint32_t seq() const { return seq_; }
    std::uint32_t number() const { return number_; }

    std::string folder_id(std::uint32_t f) const;
    std::string id(record_index i, bool immutable) const;
    /// The id that it had in a folder that it left.
    std::string old_id(const record_change& c, std::uint32_t folder, bool immutable) const;
    std::string part_id(record_index i, std::uint32_t part) const;
    /// Changes with every change of the record or of what belongs to it.
    std::string change_key(record_index i) const;
    /// By id or well-known name; nowhere when there is no such live folder.
    std::uint32_t find_folder(std::string_view id) const;
    std::uint32_t find_well_known(std::string_view name) const;
    record_index find(std::string_view id) const;
    /// The part's number in its id; 0 when it is no part of that record.
    std::uint32_t part_number(record_index i, std::string_view id) const;
    std::vector<std::uint32_t> children(std::uint32_t parent) const;
    std::vector<std::string> path_of(std::uint32_t f) const;
    bool is_below(std::uint32_t f, std::uint32_t ancestor) const;
    std::vector<record_index> listing(std::uint32_t folder) const;

    // Changes. Each is noted in the logs.
    std::uint32_t add_folder(std::string name, std::uint32_t parent, std::string well_known = "");
    void rename_folder(std::uint32_t f, std::string name);
    void move_folder(std::uint32_t f, std::uint32_t parent);
    /// For ever, with all that is in it.
    void remove_folder(std::uint32_t f);
    record_index add(std::uint32_t folder, nlohmann::json value, std::int64_t now);
    /// Sets the members of `patch`; null takes one away.
    void set(record_index i, const nlohmann::json& patch, std::int64_t now);
    /// Something that belongs to it changed: photo, part, attachment.
    void touch(record_index i, std::int64_t now);
    void move(record_index i, std::uint32_t folder);
    void remove(record_index i);

private:
    void note(record_index i, bool arrived);
    void leave(record_index i);

    std::string guid_;
    std::uint32_t number_;
    bool mutable_ids_;
    std::vector<record_folder> folders_;
    std::vector<record> records_;
    std::uint32_t seq_ = 0;
};

}  // namespace m365stage::sim
