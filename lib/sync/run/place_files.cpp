#include "sync/run/place_files.hpp"

#include "tree/names.hpp"
#include "tree/verify.hpp"

namespace m365stage::sync {
namespace {

using core::error_kind;

std::string spooled_sidecar(const placement& p) {
    return "spool/" + std::to_string(static_cast<std::int64_t>(p.id)) + ".sidecar";
}

/// What could not be read anew is better as it was than not there at all.
tree::sidecar with_parts_of_before(const tree::stage_root& root, const placement& p) {
    auto out = p.sidecar;
    const auto before = tree::read_sidecar(root, "tree/" + tree::sidecar_path(p.path));
    if (before && before->id == out.id) {
        out.permissions = out.permissions.empty() ? before->permissions : out.permissions;
        out.columns = out.columns.empty() ? before->columns : out.columns;
    }
    return out;
}

/// False if the sidecar in the tree has this text already: then it is not touched.
core::result<bool> spool_sidecar(const tree::stage_root& root, const placement& p) {
    const bool completed = p.incomplete && !p.place;
    const auto text = tree::render(completed ? with_parts_of_before(root, p) : p.sidecar);
    if (!p.place) {
        auto present = root.read_file("tree/" + tree::sidecar_path(p.path), tree::longest_sidecar);
        if (present && *present == text) {
            return false;
        }
    }
    auto written = root.write_file(spooled_sidecar(p), text);
    if (!written) {
        return written.error();
    }
    return true;
}

core::result<void> rename_into(
    const tree::stage_root& root, const std::string& from, const std::string& to,
    tree::stage_root::open_folders& folders
) {
    auto renamed = root.rename(from, to, folders);
    if (!renamed && renamed.error().kind == error_kind::not_found) {
        // The folder for sidecars is made when the first one comes.
        const auto folder = to.substr(0, to.rfind('/'));
        if (auto made = root.make_folder(folder); !made) {
            return made.error();
        }
        return root.rename(from, to, folders);
    }
    return renamed;
}

/// The spooled file into the tree; also when a crash came between that and the index.
core::result<placed> place_content(
    const tree::stage_root& root, const placement& p, tree::stage_root::open_folders& folders
) {
    placed how;
    how.inode = p.inode;
    const auto target = "tree/" + p.path;
    auto renamed = root.rename("spool/" + p.spool, target, folders);
    if (!renamed && renamed.error().kind == error_kind::not_found) {
        const auto there = root.look(target);
        how.missing = !there || there->inode != p.inode;
        return how;
    }
    if (!renamed) {
        return renamed.error();
    }
    return how;
}

core::result<placed> place_one(
    const tree::stage_root& root, const placement& p, bool sidecar, tree::stage_root::open_folders& folders
) {
    placed how;
    if (p.content) {
        auto done = place_content(root, p, folders);
        if (!done) {
            return done.error();
        }
        how = *done;
    } else if (p.mtime) {
        auto set = root.set_mtime("tree/" + p.path, *p.mtime);
        how.missing = !set && set.error().kind == error_kind::not_found;
        if (!set && !how.missing) {
            return set.error();
        }
    }
    if (sidecar && !how.missing) {
        auto renamed = rename_into(root, spooled_sidecar(p), "tree/" + tree::sidecar_path(p.path), folders);
        if (!renamed) {
            return renamed.error();
        }
    }
    return how;
}

}  // namespace

core::result<placing_result> place_files(const tree::stage_root& root, const content_batch& batch) {
    placing_result out;
    auto made = tree::perform(root, batch.folders);
    if (!made) {
        return made.error();
    }
    out.folders = std::move(*made);
    std::vector<bool> sidecars;
    sidecars.reserve(batch.files.size());
    for (const auto& p : batch.files) {
        auto spooled = spool_sidecar(root, p);
        if (!spooled) {
            return spooled.error();
        }
        sidecars.push_back(*spooled);
    }
    if (auto synced = root.barrier(); !synced) {
        return synced.error();
    }
    tree::stage_root::open_folders folders;
    for (std::size_t i = 0; i < batch.files.size(); ++i) {
        auto how = place_one(root, batch.files[i], sidecars[i], folders);
        if (!how) {
            return how.error();
        }
        how->sidecar = sidecars[i];
        out.files.push_back(*how);
    }
    if (auto synced = root.barrier(); !synced) {
        return synced.error();
    }
    return out;
}

}  // namespace m365stage::sync
