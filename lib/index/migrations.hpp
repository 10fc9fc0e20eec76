#pragma once

namespace m365stage::index {

class database;

/// Brings the schema up to date: applies the numbered files of schema/ that `PRAGMA user_version` lacks, each
/// in one transaction. Errors: throws core::fatal(index) when the file was made by a newer version.
void migrate(database& db);

/// Throws core::fatal(index) unless the schema is exactly ours.
void check_version(database& db);

}  // namespace m365stage::index
