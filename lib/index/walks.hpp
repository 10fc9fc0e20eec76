#pragma once

#include <optional>
#include <string>
#include <vector>

#include "index/items.hpp"

/// A full round without a delta: the folders are listed one after another, each brings those below it. Which
/// ones are still to be listed is in table `walk`, so that a walk goes on where it was cut off. Beside a
/// delta the table holds folders whose children may not have come.
namespace m365stage::index {

/// A folder that is to be listed.
struct walk_step {
    walk_step() = default;
    std::int64_t id = 0;
    std::string remote_id;
    std::string link;  ///< of the page to go on with; empty: the first one
};

std::optional<walk_step> next_step(database& db, stream_id id, std::int64_t after = 0);

/// The first folder on the list behind step `after` none of whose children are known, or whose listing was
/// begun. Those before it are taken off the list.
std::optional<walk_step> next_silent(
    database& db, container_id container, stream_id id, std::int64_t after = 0
);

/// The page with this link is to be asked for next; empty: the folder is done.
void go_on_with(database& db, std::int64_t step, std::string_view link);

/// Records that a page of the walk was taken: for `apply_page`, inside its transaction.
void note_step(
    database& db, const stream& s, const delta_page& page, const std::vector<std::string>& new_folders
);

/// Puts a folder back on the list, one that the walk had missed.
void add_step(database& db, stream_id id, std::string_view remote_id);

/// Items that the walk has not seen although it has seen their folder: they are gone, or moved while it ran,
/// and the service has to be asked for each. At most `limit`, behind row `after`. `folders_only`: the stream
/// tells of folders alone.
std::vector<work_item> unseen_items(
    database& db, const stream& s, bool folders_only, item_id after, int limit
);

/// Which of these items of the folder's stream are known with just this etag, live and in this folder.
std::vector<bool> known_as_they_are(
    database& db, const stream& s, const std::vector<std::pair<std::string, std::string>>& ids_and_etags
);

/// Remote id of the container's root; empty: it has none yet.
std::string root_remote_id(database& db, container_id id);

/// Notes that a stream makes a detour around something that the service can't tell, or when it last tried to
/// do without; `detour_since`: when that was, if ever.
void note_detour(database& db, stream_id id, unix_seconds now);
std::optional<unix_seconds> detour_since(database& db, stream_id id);

/// The running round saw not everything there is: it ends without a sweep.
void forgo_sweep(database& db, stream_id id);

/// True if something of that folder can't be read at present.
bool owes_items(database& db, const stream& s);

}  // namespace m365stage::index
