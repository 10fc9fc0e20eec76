#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "restore/request.hpp"
#include "tree/sidecar.hpp"
#include "tree/stage_root.hpp"

namespace m365stage::restore {

/// Files are read in pieces of this size.
constexpr std::size_t file_piece = 256u << 10;

/// One delta stream of the tree: what is put back goes into something like it.
struct container {
    container() = default;
    std::string path;  ///< below the tree: "users/ann@contoso.com/onedrive"; of a part of a tree: empty
    std::string kind;  ///< "drive", ...
    std::string id;    ///< remote id it was staged from; empty: not known
    std::string owner_kind, owner_id, owner_name;  ///< "user" | "group" | "site"; empty: not known
    std::string name;                              ///< as the service called it
};

/// Something that can't be put back, and why.
struct left_out {
    left_out() = default;
    left_out(std::string p, std::string w) : path(std::move(p)), why(std::move(w)) {}
    std::string path, why;
};

/// The containers of a tree.
struct found_containers {
    found_containers() = default;
    std::vector<container> all;  ///< sorted by path
    std::vector<left_out>
        flawed;  ///< of them: sidecars that are damaged or alone, folders that can't be read
};

enum class object_state {
    good,
    no_sidecar,       ///< nothing tells its name and its hash
    damaged_sidecar,  ///< its metadata can't be trusted
    missing,          ///< only the sidecar is there
    odd,              ///< a link, a device, or another type than the sidecar tells
};

/// What lies in a folder of the tree, with its metadata.
struct object {
    object() = default;
    object_state state = object_state::good;
    std::string path;     ///< below the tree
    std::string local;    ///< its name on disk
    bool folder = false;  ///< on disk
    std::int64_t size = 0;
    core::unix_seconds mtime = 0;  ///< of the file on disk
    tree::sidecar meta;            ///< meaningful if the state is `good` or `missing`
    std::string mark;              ///< of the sidecar's text: another mark is another version
    std::string problem;
};

/// A tree that a backup brought back, or a part of one, to be read. No path follows a symbolic link.
/// Threads: any.
class source_tree {
public:
    /// `folder` may be the tree itself, any folder in it, or one above it (a restore below another place
    /// keeps the long path). Errors: usage (nothing there that m365stage has written, or more than one tree),
    /// disk.
    static core::result<std::unique_ptr<source_tree>> find(const std::string& folder);

    const tree::stage_root& root() const { return *root_; }
    /// The folder that was named, below the tree; empty: the tree itself.
    const std::string& start() const { return start_; }
    /// True if no tree was found around the folder: paths are relative to the folder itself.
    bool is_part() const { return part_; }

    /// The containers at, above and below `start`; those alone in which something may be selected. One whose
    /// own sidecar is damaged or missing is told by what lies in it. Errors: disk (`start` can't be read).
    core::result<found_containers> containers(const request& asked) const;

    /// An object in a folder: its local name ("" if only its sidecar is there) and its sidecar's ("" if it
    /// has none).
    struct name_pair {
        std::string local, sidecar;
    };
    /// Everything in a folder, sorted by name. Errors: disk.
    core::result<std::vector<name_pair>> names(const std::string& folder) const;
    /// The same without objects at and below which nothing can be selected.
    core::result<std::vector<name_pair>> names(const std::string& folder, const request& asked) const;
    object read(const std::string& folder, const name_pair& name) const;

private:
    source_tree() = default;
    /// What one folder above or at the top of containers says of them.
    struct level;
    core::result<void> collect(const request& asked, found_containers& out) const;
    void look_at(const std::string& folder, const name_pair& name, level& here, found_containers& out) const;

    std::unique_ptr<tree::stage_root> root_;
    std::string start_;
    bool part_ = false;
};

/// The last name of a path.
std::string_view leaf_of(std::string_view path);

}  // namespace m365stage::restore
