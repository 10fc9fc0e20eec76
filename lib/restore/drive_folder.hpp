#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "restore/context.hpp"
#include "restore/drive_calls.hpp"
#include "restore/made_folder.hpp"

namespace m365stage::restore {

/// A folder of the target, and what is in it. Made (or found) when something has to go into it.
class drive_folder final : public made_folder {
public:
    /// The folder at the top; it is there. `target`: as the journal names it. `origin`: it is the root of the
    /// drive that the tree is of, and what the restore makes goes to its old place: folders are found by the
    /// ids in their sidecars, also where they were renamed or moved.
    drive_folder(context& with, std::string target, drive_calls calls, std::string id, bool origin);
    /// A folder in `parent`. `path`: for the journal and for messages. `o` may be null: a folder that no
    /// sidecar tells of.
    drive_folder(std::shared_ptr<drive_folder> parent, std::string path, std::string name, const object* o);

    const std::string& path() const { return path_; }
    const std::string& id() const { return id_; }
    const drive_calls& calls() const { return calls_; }
    const std::string& target() const { return target_; }

    /// The item of this name, in a folder that is ensured. Lists the folder once, unless it is new.
    task<core::result<std::optional<remote_item>>> find(std::string name);
    /// Something that was put into it.
    void add(remote_item item);
    /// Gives `id`, the folder itself or a file in it, the description that its sidecar has. It is worth a try
    /// and no more: not every library has the field.
    task<void> give_description(std::string id, const nlohmann::json& staged, std::string object);
    /// The folder turned out to be gone: the next `ensure` makes it again.
    void forget_content() { listed_.reset(); }

private:
    task<core::result<void>> make() override;
    task<core::result<bool>> take_same(entry& e);
    task<core::result<bool>> take_named(entry& e, bool may_be_ours);
    task<core::result<void>> create(entry e);
    task<core::result<void>> fail(entry e, core::error why);
    task<core::result<void>> list();

    context& with_;
    std::string target_;
    drive_calls calls_;
    std::shared_ptr<drive_folder> parent_;
    std::string path_, name_, mark_, item_, old_id_;
    std::string id_;
    bool origin_ = false;
    async::once listed_;
    std::map<std::string, remote_item> content_;  ///< by folded name
};

}  // namespace m365stage::restore
