#pragma once

#include "sync/run/context.hpp"

namespace m365stage::sync {

/// Brings one container's rows up to date: follows nextLink until the deltaLink, one transaction a page.
/// Failures are recorded with the container and in the counters; the cursor stays for the next pass.
/// Errors: throws core::fatal for what ends the whole pass (index, disk, a refused credential).
task<void> enumerate(pass_context& pass, index::container_id id);

}  // namespace m365stage::sync
