#include "index/migrations.hpp"

#include <string>

#include "index/database.hpp"
#include "index/schema_files.hpp"

namespace m365stage::index {
namespace {

[[noreturn]] void wrong_version(std::int64_t have) {
    core::error e(
        core::error_kind::index, "the index has schema version " + std::to_string(have) +
                                     ", this program knows " + std::to_string(schema_files.size())
    );
    e.operation = "index";
    e.hint = "run the version of m365stage that wrote it, or a newer one; or rebuild it from the tree";
    throw core::fatal(std::move(e));
}

std::int64_t version(database& db) {
    return db.number("PRAGMA user_version").value_or(0);
}

}  // namespace

void migrate(database& db) {
    auto have = version(db);
    const auto known = static_cast<std::int64_t>(schema_files.size());
    if (have > known) {
        wrong_version(have);
    }
    for (; have < known; ++have) {
        database::transaction t(db);
        db.script(std::string(schema_files[static_cast<std::size_t>(have)]));
        db.script("PRAGMA user_version=" + std::to_string(have + 1));
        t.commit();
    }
}

void check_version(database& db) {
    const auto have = version(db);
    if (have != static_cast<std::int64_t>(schema_files.size())) {
        wrong_version(have);
    }
}

}  // namespace m365stage::index
