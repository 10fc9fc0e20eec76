#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "graph/client.hpp"
#include "index/containers.hpp"
#include "index/rows.hpp"

namespace m365stage::sources {

template <class T>
using task = boost::asio::awaitable<T>;

/// A user, group or site, as discovery found it.
struct owner {
    owner() = default;
    std::string kind;  ///< "user" | "group" | "site"
    std::string id;    ///< remote id
    std::string name;  ///< for people: UPN, mail nickname, or URL
    std::string path;  ///< below tree/: "users/ann@contoso.com", "sites/contoso.sharepoint.com/sites/ops"
};

/// What an owner has of one kind of data.
struct owner_listing {
    owner_listing() = default;
    std::vector<index::found_container> containers;
    std::string not_covered;  ///< why the service serves nothing of this owner; empty: it does
};

/// One kind of data: how its containers are found, how a delta page becomes changes and how content is
/// fetched. Everything else (cursors, retries, crash safety, leases, guard, limits, tree) is shared and knows
/// nothing of it. Threads: `parse_*` and `*_call` are pure and may run anywhere; the rest on the network
/// thread.
class source {
public:
    virtual ~source() = default;

    virtual std::string_view kind() const = 0;  ///< as in table `container` and `ls`

    /// True if owners of this kind ("user", "group", "site") can have such containers.
    virtual bool serves(std::string_view owner_kind) const = 0;
    virtual task<core::result<owner_listing>> list(graph::client& graph, const owner& o) = 0;

    /// The request shape; a cursor made with another shape is dropped (contract 4.6).
    virtual std::string shape() const = 0;
    virtual graph::call first_page(const index::container& c) const = 0;
    virtual graph::call next_page(const index::container& c, const std::string& link) const = 0;

    /// One element of a page; nullopt for what is to be passed over (not an object, no id).
    virtual std::optional<index::item_change> parse_item(const nlohmann::json& element) const = 0;

    /// `mark` (see item_change) of the metadata in a sidecar, for `index rebuild`.
    virtual std::string mark_of(const nlohmann::json& meta) const = 0;

    virtual graph::call item_call(const index::container& c, const std::string& remote_id) const = 0;

    /// What is directly in a folder, paged.
    virtual graph::call children_call(const index::container& c, const std::string& remote_id) const = 0;

    /// The content of an item: the pre-authenticated URL if there is one, else the service's own address.
    virtual graph::call content_call(
        const index::container& c, const std::string& remote_id, const std::string& url
    ) const = 0;

    /// Permissions of an item as canonical JSON text.
    virtual task<core::result<std::string>> read_permissions(
        graph::client& graph, const index::container& c, const std::string& remote_id
    ) = 0;

    /// How the service hashes this kind's content: true if `hash` is a quickXorHash.
    virtual bool hash_is_quick_xor() const = 0;
};

std::unique_ptr<source> make_drive_source();

}  // namespace m365stage::sources
