#pragma once

#include <optional>
#include <string>
#include <vector>

#include "index/database.hpp"
#include "index/rows.hpp"

/// The feed of a library's list, which tells the values of its columns.
namespace m365stage::index {

/// What the feed says of one item.
struct column_row {
    column_row() = default;
    std::string remote_id;
    std::string etag;    ///< of the version that has these values; opaque
    std::string values;  ///< canonical JSON object
};

/// Where the feed's last round ended; empty: it was never followed.
std::string column_cursor(database& db, container_id c);
void drop_column_cursor(database& db, container_id c);

/// True if something is staged whose values were never asked for: it came before columns were known of.
bool columns_are_behind(database& db, container_id c);
/// From now on they are not.
void note_columns_known(database& db, container_id c);

/// Says for the reports why the columns of the library `key` are not staged; no reason: they are.
void note_columns_refused(
    database& db, const std::string& key, const std::vector<std::string>& reasons, unix_seconds now
);
/// True if the service refused them.
bool columns_are_refused(database& db, const std::string& key);
/// Libraries of which that is true. Reads all that is not covered.
std::int64_t count_refused_columns(database& db);

/// An item that lies in the tree in the very version that the feed tells of, and waits for nothing.
struct staged_columns {
    staged_columns() = default;
    item_id id{};
    std::string remote_id;
    std::string path;    ///< below tree/
    std::string values;  ///< as the service told them
};
std::vector<staged_columns> staged_columns_of(
    database& db, container_id c, const std::vector<column_row>& rows
);

/// Of all such items those that come after `after`, at most `most`, without their values.
std::vector<staged_columns> staged_after(database& db, container_id c, item_id after, int most);

/// Forgets values that nothing waits for any more.
void prune_column_values(database& db, container_id c);

/// Records a page and, in the same transaction, its cursor, which is empty but for the last page of a round.
/// Values of items that are known in this version and wait for nothing are passed over.
void take_column_page(
    database& db, container_id c, const std::vector<column_row>& rows, const std::string& cursor
);

/// What the feed told of the present version of the item.
std::optional<std::string> column_values_of(database& db, item_id item);

}  // namespace m365stage::index
