#pragma once

#include <memory>
#include <string>
#include <vector>

#include "restore/context.hpp"
#include "restore/drive_calls.hpp"

namespace m365stage::restore {

/// The place in Microsoft 365 that a container goes into.
struct drive_target {
    drive_target() = default;
    std::string drive;                 ///< remote id
    std::string root;                  ///< remote id of its root folder
    std::string label;                 ///< for people: "users/ann@contoso.com/onedrive"
    std::vector<std::string> below;    ///< folders that it goes into, made if they are not there
    std::optional<std::int64_t> room;  ///< bytes that are left; nullopt: the service does not say
};

/// Puts one container of drives back: folders before what is in them, several files at once. What it does
/// with each object is in the journal. Errors:  those that concern everything (sign-in refused, no room,
/// local disk) end it; those of one object are
///          in the journal.
/// Cancel:  at any await; the journal says how far it is.
task<core::result<void>> restore_drive(context& with, const container& from, const drive_target& to);

/// Reads what was put there, in this run or in an earlier one, again and compares it: that it is there, size,
/// hash and time. What is different is `failed` in the journal; what is missing is `open`, to be put back
/// again, or `failed` if this was the `last` look. Returns how many are open.
task<core::result<std::uint64_t>> read_back_drives(context& with, bool last);

/// True for types that SharePoint writes its own properties into, a moment after they were uploaded (contract
/// 5.8): their size and hash then differ from what was sent.
bool may_be_rewritten(const std::string& name);

/// Targets in the journal that are no drives.
inline constexpr std::string_view mailbox_prefix = "mailbox:";

}  // namespace m365stage::restore
