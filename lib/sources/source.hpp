#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "async/task.hpp"
#include "graph/client.hpp"
#include "index/columns.hpp"
#include "index/containers.hpp"
#include "index/rows.hpp"

namespace m365stage::sources {

using async::task;

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
    std::vector<std::string> not_covered;  ///< what the service does not serve of this owner, and why
    bool complete = true;                ///< false: containers that are not listed may be there all the same
    std::optional<core::error> refused;  ///< why none could be listed, if the service refused it
};

/// "ErrorAccessDenied: the app may not read it".
std::string reason_of(const core::error& e);

/// How the content of a kind comes.
enum class content_kind {
    announced,  ///< from an address that the item names, with a size and mostly a quickXorHash to compare
                ///< with
    served,     ///< as the service streams it; nothing is known of the bytes beforehand
    rendered,   ///< made here from a few JSON answers
};

/// What is known of content that was made here, besides its bytes. As `item_change` has it, and as
/// `source::mark_of` and `hash_of` find it again in `meta`.
struct rendered_item {
    rendered_item() = default;
    std::string meta;  ///< canonical JSON for the sidecar
    std::string mark;
    std::string hash;
};

/// What can be written to a column of a document library.
enum class column_kind {
    plain,       ///< as it was read
    time,        ///< an instant; the service may write it down otherwise
    lookup,      ///< numbers of entries of another list, or of the site's people: good in the same site alone
    unwritable,  ///< links, places, terms, pictures: Graph reads them in part and writes none
};

/// One of a library's own columns.
struct column {
    column() = default;
    std::string name;  ///< the internal one, which never changes
    column_kind kind = column_kind::plain;
};

/// One kind of data: how its containers are found, how a delta page becomes changes and how content is
/// fetched. Everything else (cursors, retries, crash safety, leases, guard, limits, tree) is shared and knows
/// nothing of it. Threads: what is no task is pure and may run anywhere; the rest on the network thread.
class source {
public:
    virtual ~source() = default;

    virtual std::string_view kind() const = 0;  ///< as in table `container` and `ls`

    /// True if owners of this kind ("user", "group", "site") can have such containers, and it is enabled.
    virtual bool serves(std::string_view owner_kind) const = 0;
    virtual task<core::result<owner_listing>> list(graph::client& graph, const owner& o) = 0;

    /// True if the main stream tells of folders alone, and each folder has a stream of its own.
    virtual bool has_folder_streams() const = 0;

    /// True if the service keeps two items of one folder from having one name.
    virtual bool names_are_unique() const { return false; }

    /// The request shape; a cursor made with another shape is dropped (contract 4.6).
    virtual std::string shape(const index::stream& s) const = 0;

    /// The page behind the stream's cursor, or the first one. A page without any link is the last one of a
    /// listing. `page_size`: 0 for the usual one.
    virtual task<core::result<graph::page>> read_page(
        graph::client& graph, const index::container& c, const index::stream& s, unsigned page_size
    ) const = 0;

    /// True if the service offers no delta for this stream at all: every round lists everything.
    virtual bool lists(const index::stream& s) const { return s.listing; }

    /// True if this failure of the stream's delta means that it has to be listed instead. `first`: of the
    /// page that a round without a cursor begins with.
    virtual bool wants_listing(const core::error&, bool /*first*/) const { return false; }

    /// True if a main stream that is listed is walked: `read_page` brings what to begin with, the root, and
    /// `children_call` what is in each folder. False: its pages bring everything.
    virtual bool walks() const { return false; }

    /// The page size to try after this failure of a page, when the service could not put one of that size
    /// together; 0: it would not help.
    virtual unsigned smaller_page(unsigned page_size, const core::error& e) const;

    /// True if a cursor keeps the page size it began with: another one needs a round from the start.
    virtual bool page_size_is_in_links() const { return false; }

    /// Folder streams: a listing from the n-th item on, to get past one that can't be told; with `ids_only`
    /// of the stream nothing but ids. nullopt: not offered, nor is a delta of ids.
    virtual std::optional<graph::call> listing_call(
        const index::container&, const index::stream&, std::uint64_t /*position*/, unsigned /*page_size*/
    ) const {
        return std::nullopt;
    }

    /// True if the list of folders may be listed as well: for a listing that shows every folder.
    virtual bool may_list_folders() const { return false; }

    /// True if the element tells only what changed (contract Q69): the rest has to be asked for by
    /// `rest_call`.
    virtual bool is_sparse(const nlohmann::json&, const index::stream&) const { return false; }

    /// One element of a page; nullopt for what is to be passed over (not an object, no id).
    virtual std::optional<index::item_change> parse_item(
        const nlohmann::json& element, const index::stream& s
    ) const = 0;

    /// The elements of a page that `read_page` brought as `page::flat`, for sources that ask for such pages.
    virtual std::vector<index::item_change> parse_flat(const graph::flat_json&, const index::stream&) const {
        return {};
    }

    /// `mark` and `hash` (see item_change) of the metadata in a sidecar, for `index rebuild`.
    virtual std::string mark_of(const nlohmann::json& meta) const = 0;
    virtual std::string hash_of(const nlohmann::json& meta) const = 0;

    virtual graph::call item_call(const index::container& c, const std::string& remote_id) const = 0;

    /// The same for a folder, where folders have another address.
    virtual graph::call folder_call(const index::container& c, const std::string& remote_id) const {
        return item_call(c, remote_id);
    }

    /// A whole element of the stream's pages.
    virtual graph::call rest_call(
        const index::container& c, const index::stream& s, const std::string& remote_id
    ) const {
        return s.is_main() && has_folder_streams() ? folder_call(c, remote_id) : item_call(c, remote_id);
    }

    /// What is directly in a folder, paged; nullopt where folders do not say how many children they have.
    virtual std::optional<graph::call> children_call(const index::container&, const std::string&) const {
        return std::nullopt;
    }

    /// A page of that: the first one, or the one behind `link`.
    virtual task<core::result<graph::page>> read_children(
        graph::client& graph, const index::container& c, const std::string& remote_id, const std::string& link
    ) const;

    /// True if items of the container may have columns of their library's own, whose values the feed of items
    /// does not tell. The three calls below are for those alone.
    virtual bool may_have_columns(const index::container&) const { return false; }

    /// Which ones; none: nothing has to be read.
    virtual task<core::result<std::vector<column>>> read_columns(
        graph::client& graph, const index::container& c
    ) const;

    /// A page of the feed that tells their values: the one behind `link`, or the first one of all.
    virtual task<core::result<graph::page>> read_column_page(
        graph::client& graph, const index::container& c, const std::string& link
    ) const;
    virtual std::optional<index::column_row> parse_column_row(
        const nlohmann::json& element, const std::vector<column>& columns
    ) const;

    /// The values of one item as canonical JSON text.
    virtual task<core::result<std::string>> read_column_values(
        graph::client& graph, const index::container& c, const std::string& remote_id,
        const std::vector<column>& columns
    ) const;

    virtual content_kind content() const = 0;

    /// The content of an item: the pre-authenticated URL if there is one, else the service's own address.
    virtual graph::call content_call(
        const index::container& c, const std::string& remote_id, const std::string& url
    ) const {
        auto call = item_call(c, remote_id);
        call.target = url.empty() ? call.target : url;
        call.preauthenticated = !url.empty();
        return call;
    }

    /// Content of kind `rendered`: asks for what belongs to it and writes it to `out`, large parts as they
    /// come. Errors: not_found if the item has gone meanwhile; those of `out`; those of the calls.
    virtual task<core::result<rendered_item>> render(
        graph::client& graph, const index::container& c, const index::work_item& item, http::body_sink& out
    ) const;

    /// Permissions of an item as canonical JSON text.
    virtual task<core::result<std::string>> read_permissions(
        graph::client& graph, const index::container& c, const std::string& remote_id
    ) const;
};

/// What the configuration wants staged.
struct enabled_kinds {
    enabled_kinds() = default;
    bool user_drives = true, group_drives = true, sites = true;
    bool mail = false, calendar = false, contacts = false, tasks = false;
    bool recoverable_items = false;  ///< of mailboxes: what users deleted for good, as long as it is kept
    /// Whether a group's library is wanted, by the address of its site ("contoso.sharepoint.com/sites/hr");
    /// empty: whatever its site.
    std::function<bool(const std::string&)> takes_library_of;
};

std::unique_ptr<source> make_drive_source(const enabled_kinds& enabled);
std::unique_ptr<source> make_mail_source(const enabled_kinds& enabled);
std::unique_ptr<source> make_calendar_source(const enabled_kinds& enabled);
std::unique_ptr<source> make_contacts_source(const enabled_kinds& enabled);
std::unique_ptr<source> make_tasks_source(const enabled_kinds& enabled);
std::unique_ptr<source> make_settings_source(const enabled_kinds& enabled);

/// One of each kind, also of those that are not enabled: their containers are known, but serve nobody.
std::vector<std::unique_ptr<source>> make_sources(const enabled_kinds& enabled);

/// The one of that kind; nullptr if there is none.
source* find_source(const std::vector<std::unique_ptr<source>>& sources, std::string_view kind);

}  // namespace m365stage::sources
