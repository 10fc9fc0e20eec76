#include "sync/staged_folder.hpp"

#include <unordered_map>

#include "tree/names.hpp"

namespace m365stage::sync {
namespace {

void read_sidecars(
    const tree::stage_root& root, tree::verify_log& log, const std::string& folder,
    const std::unordered_map<std::string, std::size_t>& by_sidecar, staged_folder& c
) {
    auto names = root.list("tree/" + folder);
    for (const auto& name : names ? *names : std::vector<std::string>()) {
        ++log.sidecars;
        auto s = tree::read_sidecar(root, "tree/" + tree::join_path(folder, name));
        if (!s) {
            log.found(tree::problem_of(s.error(), tree::join_path(folder, name)));
            c.damaged = true;
            continue;
        }
        const auto object = by_sidecar.find(name);
        if (object != by_sidecar.end()) {
            c.objects[object->second].second = std::move(*s);
        } else {
            c.alone.emplace_back(name, std::move(*s));
        }
    }
}

}  // namespace

staged_folder read_staged_folder(
    const tree::stage_root& root, tree::verify_log& log, const std::string& path, bool inside
) {
    staged_folder c;
    auto names = root.list("tree/" + path);
    if (!names) {
        log.found(tree::problem_of(names.error(), path));
        c.damaged = true;
        return c;
    }
    ++log.folders;
    std::unordered_map<std::string, std::size_t> by_sidecar;
    bool sidecars = false;
    for (auto& name : *names) {
        if (name == tree::sidecar_folder) {
            sidecars = true;
        } else if (inside || name != tree::state_folder) {
            by_sidecar.emplace(tree::sidecar_name(name), c.objects.size());
            c.objects.emplace_back(std::move(name), std::nullopt);
        }
    }
    if (sidecars) {
        read_sidecars(root, log, tree::join_path(path, tree::sidecar_folder), by_sidecar, c);
    }
    return c;
}

}  // namespace m365stage::sync
