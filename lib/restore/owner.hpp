#pragma once

#include "restore/kind.hpp"

namespace m365stage::restore {

/// A user, group or site that --to names, looked up.
struct found_owner {
    found_owner() = default;
    std::string id;       ///< remote id; of a user that a person named: the name, which Graph takes as well
    std::string address;  ///< "/v1.0/users/<id>"
    std::string label;    ///< "users/ann@contoso.com"
    std::string probed;   ///< `find_owner_of`: id of what the probe found, if it has one
};

/// Users are not looked up: restore apps need no permission to read the directory for them.
/// Errors: not_found and what the service says.
task<core::result<found_owner>> find_owner(graph::client& graph, const place& where);

/// The owner of a mailbox' container: by its id if that still leads to something, else by its name; `note`
/// then tells that it is another one. `probe` is what is asked for below its address
/// ("/mailFolders/msgfolderroot"), to see that it is there.
/// Errors: not_found, with a hint about --to, and what the service says.
task<core::result<found_owner>> find_owner_of(
    graph::client& graph, const container& from, std::string probe, std::string& note
);

/// The same for what --to names.
task<core::result<found_owner>> find_mailbox(graph::client& graph, const place& where, std::string probe);

/// The owner's mailbox as a target; what the probe found is its root.
target mailbox_target(const found_owner& owner);

/// The target of a mailbox' kind that --to names: its own name (`take_container_name`) may follow the owner,
/// and then folders. The same for `find_origin`.
task<core::result<target>> find_in_mailbox(
    graph::client& graph, place where, std::string own, std::string probe
);
task<core::result<target>> find_mailbox_origin(
    graph::client& graph, const container& from, std::string probe, std::string& note
);

/// The one element of a collection that has this text under `key`, without regard to case.
/// Errors: not_found and what the service says.
task<core::result<nlohmann::json>> find_in(
    graph::client& graph, graph::call call, std::string key, std::string wanted
);

}  // namespace m365stage::restore
