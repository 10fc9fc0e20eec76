#pragma once

#include "sync/run/context.hpp"

namespace m365stage::sync {

/// At the first start after a boot: what was fetched and not placed yet had not been synced, so a power cut
/// may have taken its bytes while the index kept the row. Each such file is hashed once, and what is not what
/// the index says is fetched again. Errors: throws core::fatal for index and disk.
task<void> check_spool_after_boot(pass_context& pass);

}  // namespace m365stage::sync
