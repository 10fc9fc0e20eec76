#include "sync/state_file.hpp"

#include "tree/names.hpp"

namespace m365stage::sync {
namespace {

const std::string& folder() {
    static const std::string path = "tree/" + std::string(tree::state_folder);
    return path;
}

}  // namespace

core::result<void> write_state_file(
    const tree::stage_root& root, const std::string& name, const std::string& text
) {
    const auto present = root.read_file(folder() + "/" + name, text.size());
    if (present && *present == text) {
        return core::result<void>();
    }
    if (auto written = root.write_file("spool/" + name, text); !written) {
        return written.error();
    }
    return place_state_file(root, name);
}

core::result<void> place_state_file(const tree::stage_root& root, const std::string& name) {
    if (auto made = root.make_folder(folder()); !made) {
        return made;
    }
    if (auto synced = root.barrier(); !synced) {
        return synced;
    }
    return root.rename("spool/" + name, folder() + "/" + name);
}

}  // namespace m365stage::sync
