#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.hpp"
#include "sources/source.hpp"

namespace m365stage::sync {

/// The kind that a container belongs to as far as permissions go, named as in `kinds` of the configuration:
/// all libraries of sites and groups are "sharepoint" ("groups" where sites are not enabled). Empty: none
/// that is enabled, or that a pass could do without (settings of mailboxes).
std::string_view permission_kind(
    std::string_view data_kind, std::string_view owner_kind, const sources::enabled_kinds& enabled
);

/// True for a refusal that a permission may be missing for. False for what is an object's own state: locked,
/// not there, over its quota, without a licence.
bool may_lack_permission(const core::error& e);

/// True for a failure that tells neither that the kind may be read nor that it may not.
bool says_nothing_of_permission(const core::error& e);

/// Tells a permission that is missing from single objects that may not be read: then nothing of a kind comes
/// at all. It hears what every container of a pass came to, and every owner whose containers were asked for.
/// Pure.
class permission_tally {
public:
    /// A container, or the list of an owner's containers, was refused (`may_lack_permission`).
    void refused(std::string_view kind, const core::error& why);
    void list_refused(std::string_view kind, const core::error& why);

    /// Something of that kind came, or failed otherwise, or was not asked for: nothing is proven.
    void not_refused(std::string_view kind);

    /// The failure of a pass in which all of a kind was refused: kinds, numbers, the service's own code. The
    /// only one of its kind, while other kinds come, may as well be an object that may not be read: a site
    /// that is archived must not keep everybody's mail from being backed up.
    std::optional<core::error> lost() const;

private:
    struct one_kind {
        one_kind() = default;
        std::uint64_t containers = 0, owners = 0;  ///< refused
        bool other = false;
        std::optional<core::error> why;  ///< of the first
    };
    std::map<std::string, one_kind, std::less<>> kinds_;
};

}  // namespace m365stage::sync
