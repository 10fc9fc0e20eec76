#pragma once

#include <functional>
#include <string>

#include "api/fields.hpp"
#include "index/database.hpp"

/// What the REST server asks the index. Each is made from a request on the network thread and runs on the
/// reading thread, one after the other. ask_status, ask_containers and ask_guard read the row of every
/// container, and ask_status counts what waits and what failed as well: their time grows with the tenant.
/// ask_leases reads all leases in force. The others look at no more rows than a bound of their own.
namespace m365stage::api {

using question = std::function<core::result<std::string>(index::database&)>;

/// Errors of each: bad_request (parameters).
core::result<question> ask_status(const request& r, std::string service, bool pass_runs);
core::result<question> ask_passes(const request& r, bool pass_runs);
core::result<question> ask_containers(const request& r);
core::result<question> ask_items(const request& r);
core::result<question> ask_changes(const request& r);
core::result<question> ask_leases(const request& r);
core::result<question> ask_jobs(const request& r);
core::result<question> ask_guard(const request& r);

}  // namespace m365stage::api
