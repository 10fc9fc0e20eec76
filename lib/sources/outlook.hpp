#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "sources/source.hpp"

/// What mail, calendars, contacts and tasks have in common.
namespace m365stage::sources {

/// A call to somebody's mailbox, in the scope of that mailbox (contract 3.3). Ids are immutable ones on every
/// call: an id that a page brought in the other form would be another item (contract 6.3).
/// `page_size`: 0 for calls without pages; never $top, which ends Outlook's delta early (contract Q68).
graph::call mailbox_call(
    std::string owner_id, std::string target, std::string object, unsigned page_size = 0
);

/// A call for a page of a folder's items. It may fail for ever because of one of them, so it is not tried for
/// long: a smaller page is asked for next.
graph::call page_of_items(graph::call call, bool usual_size);

/// The target of a listing of the items whose address is `list`, from the n-th one on; `members` empty: all.
std::string items_from(
    const std::string& list, std::string_view members, std::uint64_t position, unsigned page_size
);

/// "/v1.0/users/<id>".
std::string mailbox_address(const std::string& owner_kind, const std::string& owner_id);

/// The answers that mean that somebody has no mailbox here (contract 2.6, Q81).
bool means_no_mailbox(const core::error& e);

/// What was asked for is not there, or not offered for this mailbox.
bool is_not_offered(const core::error& e);

/// The failure is this mailbox's alone and lasting: not covered, not a failed pass.
bool is_mailboxs_state(const core::error& e);

/// What an owner has of a kind: one container if the mailbox answers `probe`.
task<core::result<owner_listing>> list_mailbox(
    graph::client& graph, owner o, std::string kind, std::string name, graph::call probe
);

/// `probe`: an address below that of the mailbox ("/contactFolders").
task<core::result<owner_listing>> list_mailbox(
    graph::client& graph, owner o, std::string kind, std::string name, std::string probe
);

/// Delta is refused where the mailbox can't keep the state of it (contract Q72), in some that moved, and in
/// clouds that have none (contract 1.7). `first`: said of a request without a token.
bool is_delta_refused(const core::error& e, bool first);

/// The container of a kind for an owner; its remote id is the owner's, so that a new mailbox of the same name
/// is another one (contract Q93).
index::found_container mailbox_container(const owner& o, std::string_view kind, std::string_view name);

/// A root folder as an element of a page: see `parse_root`.
nlohmann::json root_element(const std::string& id);
bool is_root_element(const nlohmann::json& element);

/// The change that makes the container's root.
index::item_change root_change(const nlohmann::json& element);

/// What every element says: its id, and whether it is gone. nullopt without id.
std::optional<index::item_change> change_of(const nlohmann::json& element);

/// What is known of rendered content whose metadata came with the page.
rendered_item as_listed(const source& s, const index::work_item& item);

/// A folder of contacts or tasks, an element with id and displayName; nullopt without id or `parent`.
std::optional<index::item_change> parse_record_folder(
    const nlohmann::json& element, std::string parent, const nlohmann::json& meta
);

/// What contacts and tasks have in common: all but name, parent and hash, from an element and what is kept of
/// it. Every change of the element's eTag is one of the content, since photos, checklists and the like are
/// not in it. nullopt without id.
std::optional<index::item_change> parse_record(const nlohmann::json& element, const nlohmann::json& meta);

/// Takes away what says nothing, at all depths: null, empty texts, lists and objects. Different requests show
/// these or leave them out.
void drop_empty(nlohmann::json& value);

/// "Ann Lee_k3j9d0a1pq.vcf".
std::string record_file_name(std::string_view title, std::string_view remote_id, std::string_view extension);

}  // namespace m365stage::sources
