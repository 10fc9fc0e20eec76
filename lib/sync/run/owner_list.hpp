#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "sources/source.hpp"

namespace m365stage::sync {

/// What one element of a list says of an owner.
enum class telling {
    ours,
    foreign,     ///< it says that it is nobody whose data is staged
    gone,        ///< removed
    partial,     ///< not enough to tell: a feed may tell only what changed (contract Q106)
    unanswered,  ///< the same, and the service would not say more
};

struct told_owner {
    told_owner(telling w, sources::owner o) : what(w), who(std::move(o)) {}
    telling what;
    sources::owner who;
    core::error_kind why = core::error_kind::internal;  ///< of `unanswered`
};

/// A list of owners: how it is asked for, and how it is read.
struct owner_list {
    owner_list() = default;
    std::string kind;
    std::string address;                ///< of the list; below it each owner by id. Empty: not asked alone
    std::vector<std::string> members;   ///< to select, `id` besides
    std::vector<std::string> deciding;  ///< of these: whether an owner is ours, and its place in the tree
    told_owner (*read)(const nlohmann::json&) = nullptr;

    std::string select() const;
};

/// Members of the tenant: no guests, who have neither drive nor mailbox here (contract 5.1).
owner_list all_users();
/// Unified groups: others have no data.
owner_list all_groups();
/// Sites by their addresses. Personal sites belong to their users, `/search` is no site (contract 5.1, Q94).
owner_list all_sites();

}  // namespace m365stage::sync
