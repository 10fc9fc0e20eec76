#pragma once

#include "restore/kind.hpp"

namespace m365stage::restore {

/// A user, group or site that --to names, looked up.
struct found_owner {
    found_owner() = default;
    std::string id;       ///< remote id
    std::string address;  ///< "/v1.0/users/<id>"
    std::string label;    ///< "users/ann@contoso.com"
};

/// Errors: not_found and what the service says.
task<core::result<found_owner>> find_owner(graph::client& graph, const place& where);

/// The same for the owner of a container: by its id if that is still somebody, else by its name; `note` then
/// tells that it is another one. Errors: not_found, with a hint about --to, and what the service says.
task<core::result<found_owner>> find_owner_of(graph::client& graph, const container& from, std::string& note);

/// The one element of a collection that has this text under `key`, without regard to case.
/// Errors: not_found and what the service says.
task<core::result<nlohmann::json>> find_in(
    graph::client& graph, graph::call call, std::string key, std::string wanted
);

}  // namespace m365stage::restore
