#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "world.hpp"

/// Filling the tenant: seeding, bulk drives, imports, random and precise changes, and what a copy should
/// hold.
namespace m365stage::sim {

void seed_tenant(world& w);
/// Adds a user with that nickname and a seeded drive.
user& add_seeded_user(world& w, const std::string& nickname, rng& r);
/// Puts `items` files into `folders` folders of a drive, quickly.
void bulk_fill(
    world& w, drive& d, std::size_t items, std::size_t folders, std::int64_t file_size, std::uint64_t seed
);
/// Copies the names of a folder on disk into a drive of a new user `label`; contents are read from disk.
std::string import_folder(world& w, const std::string& label, const std::string& folder);
/// Finds a drive by {"drive":id} or {"user":...}, {"site":...}, {"group":...}, each with optional "library".
drive* drive_of(world& w, const nlohmann::json& spec);
/// A random batch of changes; see README.md. Returns the list of what was done.
nlohmann::json random_changes(world& w, const nlohmann::json& spec);
/// One precise change. Throws std::runtime_error saying what is wrong with it.
nlohmann::json precise_change(world& w, const nlohmann::json& spec);
/// One JSON line per live item, written to a file. `hashes`: with sha256.
void write_expected(world& w, const std::string& which, bool hashes, const std::string& path);

}  // namespace m365stage::sim
