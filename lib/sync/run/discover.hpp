#pragma once

#include "sync/run/context.hpp"

namespace m365stage::sync {

/// Finds users, groups and sites and their containers: by delta where the directory has it, else by listing.
/// Every pass lists the containers of new owners and of the 200 that were listed longest ago, so that small
/// tenants are always fresh and the cost for large ones is bounded. Containers that vanished are marked as
/// departed. Errors: returns the first failure that left a part of the tenant unseen (nothing departs then);
/// throws core::fatal for what ends the pass.
task<std::optional<core::error>> discover(pass_context& pass);

}  // namespace m365stage::sync
