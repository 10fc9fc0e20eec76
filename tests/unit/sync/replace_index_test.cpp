#include <filesystem>

#include "index/database.hpp"
#include "sync/rebuild.hpp"
#include "tests/unit/tree/support.hpp"

using namespace m365stage;
using test::temp_stage;

namespace {

bool is_there(const temp_stage& s, const std::string& name) {
    return std::filesystem::exists(s.path(name));
}

}  // namespace

TEST_SUITE("sync") {
    TEST_CASE(
        "index file: one that is gone or empty beside a tree is refused, and a tree without one begins anew"
    ) {
        const temp_stage s;
        CHECK(sync::require_index(s.root()).has_value());
        s.write("index.db", "");
        CHECK(sync::require_index(s.root()).has_value());
        REQUIRE(s.root().make_folder("tree/users").has_value());
        const auto empty = sync::require_index(s.root());
        REQUIRE(empty.has_error());
        CHECK(empty.error().kind == core::error_kind::index);
        CHECK(core::describe(empty.error()).find("m365stage index rebuild") != std::string::npos);
        REQUIRE(s.root().remove_file("index.db").has_value());
        const auto gone = sync::require_index(s.root());
        REQUIRE(gone.has_error());
        CHECK(gone.error().kind == core::error_kind::index);
        s.write("index.db", "whatever it is, it is not lost");
        CHECK(sync::require_index(s.root()).has_value());
    }

    TEST_CASE("index file: two that are replaced within a second are both kept, with their logs") {
        const temp_stage s;
        std::vector<std::string> kept;
        for (const char* old : {"first", "second", "third"}) {
            s.write("index.db", old);
            s.write("index.db-wal", std::string("log of the ") + old);
            s.write("index.db-shm", "map");
            s.write("fresh", "new");
            const auto name = sync::replace_index(s.root(), "fresh");
            REQUIRE(name.has_value());
            kept.push_back(*name);
            CHECK(s.read("index.db") == "new");
            CHECK_FALSE(is_there(s, "index.db-wal"));
            CHECK_FALSE(is_there(s, "index.db-shm"));
            CHECK_FALSE(is_there(s, "fresh"));
        }
        CHECK(s.read(kept[0]) == "first");
        CHECK(s.read(kept[1]) == "second");
        CHECK(s.read(kept[2]) == "third");
        CHECK(s.read(kept[1] + "-wal") == "log of the second");
    }

    TEST_CASE("index file: what only the log of the old index has is in the one that is kept") {
        const temp_stage s;
        std::string kept;
        {
            // Open, as after a kill: the last connection would put the log into the file as it closes.
            index::database old(s.path("index.db"), index::database::mode::foreign);
            old.script("CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (7);");
            REQUIRE(std::filesystem::file_size(s.path("index.db-wal")) > 0);
            s.write("fresh", "new");
            const auto name = sync::replace_index(s.root(), "fresh");
            REQUIRE(name.has_value());
            kept = *name;
            std::filesystem::copy_file(s.path(kept), s.path("copy"));
            std::filesystem::copy_file(s.path(kept + "-wal"), s.path("copy-wal"));
        }
        index::database again(s.path("copy"), index::database::mode::foreign);
        CHECK(again.number("SELECT n FROM t") == 7);
    }

    TEST_CASE("index file: with no old one the log of one that was lost does not stay") {
        const temp_stage s;
        s.write("index.db-wal", "log of the lost one");
        s.write("fresh", "new");
        const auto name = sync::replace_index(s.root(), "fresh");
        REQUIRE(name.has_value());
        CHECK(name->empty());
        CHECK_FALSE(is_there(s, "index.db-wal"));
    }

    TEST_CASE("index file: without a new one the old one stays where it is") {
        const temp_stage s;
        s.write("index.db", "old");
        s.write("index.db-wal", "log");
        CHECK(sync::replace_index(s.root(), "fresh").has_error());
        CHECK(s.read("index.db") == "old");
        CHECK(s.read("index.db-wal") == "log");
    }
}
