#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "async/task.hpp"
#include "core/time.hpp"
#include "graph/client.hpp"

namespace m365stage::restore {

using async::task;

/// What the service says of an item of a drive, as far as a restore looks at it.
struct remote_item {
    remote_item() = default;
    std::string id, name;
    std::int64_t size = 0;
    std::string hash;                                     ///< quickXorHash; empty: not given
    std::optional<core::unix_seconds> created, modified;  ///< of fileSystemInfo
    bool folder = false, file = false;
    bool shared = false;
    bool ours = false;  ///< put there by this restore
};

/// Tolerates what is missing; nullopt if it has no id.
std::optional<remote_item> parse_remote_item(const nlohmann::json& item);

/// The same of a sidecar's item, which has no id: what the service announced when it was staged.
std::optional<remote_item> announced_item(const nlohmann::json& staged);

/// {"createdDateTime", "lastModifiedDateTime"} of a staged item's fileSystemInfo, whole seconds; an empty
/// object if it has none.
nlohmann::json file_system_info(const nlohmann::json& item);

/// Requests to one drive. `unit` costs are those of the contract, 3.2.
class drive_calls {
public:
    drive_calls() = default;
    explicit drive_calls(std::string drive_id) : drive_(std::move(drive_id)) {}
    const std::string& drive() const { return drive_; }

    graph::call about(std::string object) const;  ///< the drive itself, with its quota
    graph::call root(std::string object) const;
    graph::call item(const std::string& id, std::string object) const;
    graph::call child(const std::string& parent, const std::string& name, std::string object) const;
    /// By the path from the drive's root.
    graph::call path(const std::string& names, std::string object) const;
    /// `columns`: with the values of the library's columns.
    graph::call children(const std::string& parent, std::string object, bool columns = false) const;
    graph::call make_folder(
        const std::string& parent, const std::string& name, const nlohmann::json& info, std::string object
    ) const;
    /// A file without content. Sessions can't make one.
    graph::call put_empty(
        const std::string& parent, const std::string& name, bool replace, std::string object
    ) const;
    graph::call begin_upload(
        const std::string& parent, const std::string& name, bool replace, const nlohmann::json& info,
        std::string object
    ) const;
    graph::call change(const std::string& id, const nlohmann::json& body, std::string object) const;
    /// Values of the columns that its library has.
    graph::call change_fields(const std::string& id, const nlohmann::json& fields, std::string object) const;
    graph::call permissions(const std::string& id, std::string object) const;
    /// Both not idempotent: a request whose answer was lost may have given the right.
    graph::call invite(const std::string& id, const nlohmann::json& body, std::string object) const;
    graph::call create_link(const std::string& id, const nlohmann::json& body, std::string object) const;

private:
    graph::call base(std::string path, unsigned units, std::string object) const;
    std::string drive_;
};

}  // namespace m365stage::restore
