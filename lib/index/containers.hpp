#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "index/database.hpp"
#include "index/rows.hpp"

namespace m365stage::index {

/// What discovery found: one drive (mailbox, calendars, ...) of one owner.
struct found_container {
    found_container() = default;
    std::string key, kind, owner_kind, owner_id, owner_name, remote_id, name;
};

enum class which_containers {
    all,
    noteworthy,  ///< not active, failing, or with deletions held
};

/// Calls `each` for every container whose key is greater than `after`, by key; ends early if it returns
/// false. There may be hundreds of thousands. Memory: one batch of rows; no statement is open during a call.
void each_container(
    database& db, which_containers which, std::string_view after,
    const std::function<bool(const container&)>& each
);

struct container_totals {
    container_totals() = default;
    std::int64_t all = 0, noteworthy = 0;
    std::int64_t failing = 0;                      ///< of those that did not depart
    std::int64_t held = 0;                         ///< deletions that wait for a person
    std::map<std::string, std::int64_t> by_state;  ///< active, departed, unavailable: always there
};
container_totals count_containers(database& db);

/// What lies in a folder above the containers: the next part of the paths of those that are in the tree, each
/// with the container if it is one. `folder` is below tree/, empty: the top.
std::map<std::string, std::optional<container_id>> names_above_containers(
    database& db, const std::string& folder
);

std::optional<container> find_container(database& db, container_id id);
std::optional<container> find_container(database& db, std::string_view key);

/// Adds the container or brings its row up to date; one that had departed is active again.
/// One that is known keeps its key until `assign_keys`.
container_id upsert_container(database& db, const found_container& f);

/// Gives containers the keys they were found with, once everybody was listed: owners may have exchanged their
/// names. One whose key another one keeps gets a tag, so that keys stay unique and stable.
void assign_keys(database& db);

/// The container, other than `but`, whose folder is there in the tree.
std::optional<container> container_lying_at(database& db, std::string_view path, container_id but);

/// Marks a container as departed (once); its files stay until the retention is over.
void mark_departed(database& db, container_id id, unix_seconds now);
void set_unavailable(
    database& db, container_id id, std::string_view kind, std::string_view text, unix_seconds now
);
void set_container_error(
    database& db, container_id id, std::string_view kind, std::string_view text, unix_seconds now
);

/// The streams of a container, the main one first. `upsert_container` made that one.
std::vector<stream> streams(database& db, container_id id);
std::optional<stream> find_stream(database& db, stream_id id);
stream_id main_stream(database& db, container_id id);

/// Gives every live folder of the service a stream of its own, and takes away those of folders that are gone.
void match_streams(database& db, container_id id);

/// Begins a round: without a cursor a full one, which ends by sweeping what it did not see.
/// Does nothing if the stream is in the middle of one.
void begin_round(database& db, stream_id id);

/// Every stream of the container has completed its round: it can settle.
void complete_container(database& db, container_id id, unix_seconds now);

/// Throws the cursor away: the next round starts from nothing. What is in the tree stays as it is.
void drop_cursor(database& db, stream_id id);
void drop_cursors(database& db, container_id id);

/// Throws the cursor away and asks for listings or ids instead of a delta from now on, or for the delta
/// again.
void set_mode(database& db, stream_id id, stream_mode mode);

/// Gives up a round and goes back to the deltaLink that it, or the round before it, began with (contract Q3,
/// Q22). False if there is none, or none that was not tried just now.
bool restore_cursor(database& db, stream_id id);

/// True if the running round brought removals that stand until now: what moved may still show up elsewhere.
bool has_open_removals(database& db, container_id id);

void set_setting(database& db, std::string_view key, std::string_view value);
std::optional<std::string> setting(database& db, std::string_view key);

}  // namespace m365stage::index
