#pragma once

#include <string>

#include "restore/context.hpp"
#include "restore/drive_calls.hpp"

namespace m365stage::restore {

/// Gives the item `id` the rights that the sidecar tells: nobody gets a mail (sendInvitation and
/// sendNotification are false). Each right has an entry of its own in the journal; one that is there already
/// is not given again.
task<void> restore_permissions(context& with, const drive_calls& calls, std::string id, const object& o);

/// One right of a sidecar as a request.
struct grant {
    grant() = default;
    bool link = false;
    std::string body;  ///< of invite or createLink
    std::string
        who;  ///< whom it concerns, for messages and comparison: "user:<id>", "link:view:organization"
    std::string whom;       ///< the same for people: "ann@contoso.com", "a link"
    std::string reason;     ///< why it is not given; empty: it is
    bool needless = false;  ///< with a reason: nobody misses it
};
grant grant_of(const nlohmann::json& permission, core::unix_seconds now);

/// A link for several people as links for one each: the service refuses all of them for one that it does not
/// know any more, and does not say whom (contract Q115). Empty: it is for nobody by name.
std::vector<nlohmann::json> links_for_one(const nlohmann::json& permission);

/// What `who` would be of a right that the service lists.
std::string grant_key(const nlohmann::json& permission);

}  // namespace m365stage::restore
