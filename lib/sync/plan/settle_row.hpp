#pragma once

#include <string>

#include "sync/plan/settle.hpp"

/// What the files of `settler` share; nobody else includes this.
namespace m365stage::sync {

struct settler::item_row {
    item_row() = default;
    index::item_id id{};
    index::item_type type = index::item_type::unknown;
    std::optional<std::int64_t> parent, at_parent;
    std::string remote_id, name, at_name;
    std::int64_t gone_round = 0;
    bool parked = false;
    bool made = false;  ///< a folder of our own making
    std::uint64_t inode = 0;
    bool is_placed() const { return at_parent.has_value(); }
};

inline std::string in_tree(const std::string& path) {
    return "tree/" + path;
}

inline std::int64_t number(index::item_id id) {
    return static_cast<std::int64_t>(id);
}

/// Where something waits between two renames.
inline std::string parked_path(index::item_id id) {
    return "spool/parked/" + std::to_string(number(id));
}

inline std::string folder_of(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

}  // namespace m365stage::sync
