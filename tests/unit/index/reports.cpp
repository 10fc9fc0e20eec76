#include "index/reports.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "index/containers.hpp"
#include "index/leases.hpp"

namespace m365stage::index {
namespace {

/// A small index made by hand, in a folder of its own.
struct hand_made {
    hand_made() : folder(make()), db(folder + "/index.db", database::mode::read_write) {
        db.script(
            "INSERT INTO container (id, key, at_key, kind, owner_kind, owner_id, owner_name, remote_id, "
            "name, "
            "root_item, round, live_items) VALUES (1, 'users/ann/onedrive', 'users/ann/onedrive', 'drive', "
            "'user', "
            "'u', 'ann', 'D', 'OneDrive', 1, 7, 5);"
            "INSERT INTO item (id, container_id, remote_id, type, parent, name, at_parent, at_name, size, "
            "sha256) "
            "VALUES (1, 1, 'R', 2, NULL, 'root', NULL, NULL, NULL, NULL), (2, 1, 'F', 2, 1, 'folder', 1, "
            "'folder', "
            "NULL, NULL), (3, 1, 'A', 1, 2, 'a.txt', 2, 'a.txt', 3, x'00ff'), (4, 1, 'N', 1, 2, 'new.txt', "
            "NULL, NULL, "
            "NULL, NULL), (5, 1, 'M', 1, 2, 'moving.txt', 1, 'old.txt', 9, x'01'), (6, 1, 'X', 1, 1, "
            "'virus.exe', NULL, "
            "NULL, NULL, NULL);"
        );
        add_pending(4, 0, "NULL");
        add_pending(6, 0, "'malware'");
    }
    ~hand_made() { std::filesystem::remove_all(folder); }
    hand_made(const hand_made&) = delete;
    hand_made& operator=(const hand_made&) = delete;

    void add_pending(int item, int state, const std::string& reason) {
        db.script(
            "INSERT INTO pending (item_id, container_id, state, version, content, permissions, cause, meta, "
            "owed_since, "
            "attempts, next_try, reason, error) VALUES (" +
            std::to_string(item) + ", 1, " + std::to_string(state) + ", 1, 1, 0, 3, '{}', 1000, 2, 5000, " +
            reason + ", 'said no')"
        );
    }

    /// "state path" of every item, in the order of the walk.
    std::vector<std::string> listed(std::string_view pattern = "") {
        std::vector<std::string> out;
        list_items(db, pattern, as_is, [&](const container&, const listed_item& i) {
            out.push_back(std::string(i.state) + " " + i.path);
            return true;
        });
        return out;
    }

    static std::string make() {
        std::string name = (std::filesystem::temp_directory_path() / "m365-reports-XXXXXX").string();
        return ::mkdtemp(name.data());
    }
    static inline const name_rule as_is = [](const std::string& name, const std::string&) { return name; };

    std::string folder;
    database db;
};

using paths = std::vector<std::string>;

TEST_SUITE("index") {
    TEST_CASE("ls: items are listed where they lie, new ones where they will go, folders before their content"
    ) {
        hand_made h;
        CHECK(
            h.listed() ==
            paths{
                "staged users/ann/onedrive/folder", "staged users/ann/onedrive/folder/a.txt",
                "pending users/ann/onedrive/folder/new.txt", "staged users/ann/onedrive/old.txt",
                "failed users/ann/onedrive/virus.exe"
            }
        );
    }

    TEST_CASE("ls: a pattern is matched against whole paths, whatever the case of ASCII letters") {
        hand_made h;
        CHECK(h.listed("USERS/ann/onedrive/fold*/A.txt") == paths{"staged users/ann/onedrive/folder/a.txt"});
        CHECK(h.listed("*.exe") == paths{"failed users/ann/onedrive/virus.exe"});
        CHECK(h.listed("sites/*").empty());
    }

    TEST_CASE("ls: a folder's or a container's name selects all below it, with or without a slash at its end"
    ) {
        hand_made h;
        const paths folder{
            "staged users/ann/onedrive/folder", "staged users/ann/onedrive/folder/a.txt",
            "pending users/ann/onedrive/folder/new.txt"
        };
        CHECK(h.listed("users/ann/onedrive/folder") == folder);
        CHECK(h.listed("users/*/FOLDER/") == folder);
        for (const char* above : {"users/ann/onedrive", "users/ann/onedrive/", "users/ann", "Users"}) {
            CAPTURE(above);
            CHECK(h.listed(above) == h.listed());
        }
        CHECK(h.listed("users/an").empty());
        CHECK(h.listed("users/ann/onedrive/fold").empty());
    }

    TEST_CASE("ls: size and hash are of what is in the tree") {
        hand_made h;
        std::vector<listed_item> found;
        list_items(h.db, "*/folder*", h.as_is, [&](const container&, const listed_item& i) {
            found.push_back(i);
            return true;
        });
        REQUIRE(found.size() == 3);
        CHECK_FALSE(found[0].size.has_value());
        CHECK(found[1].size == 3);
        CHECK(found[1].sha256 == std::string("\x00\xff", 2));
        CHECK_FALSE(found[2].size.has_value());
        CHECK(found[2].sha256.empty());
    }

    TEST_CASE("ls: a folder of more rows than one batch is listed whole and once, placed or not") {
        hand_made h;
        h.db.script(
            "WITH RECURSIVE n (i) AS (SELECT 100 UNION ALL SELECT i+1 FROM n WHERE i<1099) INSERT INTO item "
            "(id, "
            "container_id, remote_id, type, parent, name, at_parent, at_name) SELECT i, 1, 'b' || i, 1, 2, "
            "'same', "
            "iif(i<600, 2, NULL), iif(i<600, 'n' || i, NULL) FROM n"
        );
        CHECK(h.listed("*/folder/n1*").size() == 100);
        CHECK(h.listed("*/folder/same").size() == 500);
        CHECK(h.listed().size() == 1005);
    }

    TEST_CASE("ls: the reader can stop") {
        hand_made h;
        int seen = 0;
        list_items(h.db, "", h.as_is, [&](const container&, const listed_item&) { return ++seen < 2; });
        CHECK(seen == 2);
    }

    TEST_CASE("guard: a held deletion is listed as held with all below it, but not what was moved out of it"
    ) {
        hand_made h;
        h.db.script(
            "UPDATE item SET gone_round=7, dirty=1 WHERE id=2; UPDATE item SET parent=1 WHERE id=3;"
            "UPDATE container SET guard_held=2, guard_round=7"
        );
        CHECK(
            h.listed("*/folder*") ==
            paths{
                "held users/ann/onedrive/folder", "staged users/ann/onedrive/folder/a.txt",
                "held users/ann/onedrive/folder/new.txt"
            }
        );
        const auto held = held_containers(h.db, 5, h.as_is);
        REQUIRE(held.size() == 1);
        CHECK(held[0].round == 7);
        CHECK_FALSE(held[0].approved);
        CHECK(held[0].examples == paths{"users/ann/onedrive/folder"});
    }

    TEST_CASE("guard: approval covers complete rounds only, and a deletion that is not held is not listed") {
        hand_made h;
        h.db.script("UPDATE item SET gone_round=7, dirty=1 WHERE id=3");
        CHECK(h.listed("*/a.txt").empty());
        CHECK(approve_guard(h.db, "users/ann/onedrive").error().kind == core::error_kind::usage);
        CHECK(approve_guard(h.db, "users/nobody").error().kind == core::error_kind::usage);
        CHECK(approve_guard(h.db, "users/nobody").error().hint == "nothing is held anywhere");
        h.db.script(
            "UPDATE container SET guard_held=1, guard_round=7, round=8, complete_round=7, cursor_state=1"
        );
        CHECK(h.listed("*/a.txt").size() == 1);
        REQUIRE(approve_guard(h.db, "users/ann/onedrive").has_value());
        CHECK(h.db.number("SELECT guard_approved FROM container") == 7);
        CHECK(h.db.number("SELECT settle FROM container") == 1);
        CHECK(held_containers(h.db, 0, h.as_is).at(0).approved);
        CHECK(h.listed("*/a.txt").empty());
    }

    TEST_CASE("status: failing items by reason, with the first examples") {
        hand_made h;
        const auto groups = failing_items(h.db, 3, h.as_is);
        REQUIRE(groups.size() == 1);
        CHECK(groups[0].reason == "malware");
        CHECK(groups[0].items == 1);
        CHECK(groups[0].oldest == 1000);
        CHECK(groups[0].next_try == 5000);
        CHECK(groups[0].examples.at(0).path == "users/ann/onedrive/virus.exe");
        CHECK(groups[0].examples.at(0).error == "said no");
    }

    TEST_CASE("departed: nothing of it is owed or held, and what did not come in time counts nowhere") {
        hand_made h;
        h.add_pending(1, 1, "NULL");
        h.add_pending(5, 0, "'disk'");
        h.db.script(
            "UPDATE item SET gone_round=7, dirty=1 WHERE id=3;"
            "UPDATE container SET guard_held=1, guard_round=7, error_kind='server'"
        );
        CHECK(count_owed(h.db) == 2);
        CHECK(count_without_room(h.db) == 1);
        CHECK(count_containers(h.db).held == 1);
        CHECK(count_containers(h.db).failing == 1);
        CHECK(find_container(h.db, "users/ann/onedrive")->held == 1);
        mark_departed(h.db, static_cast<container_id>(1), 100);
        CHECK(count_owed(h.db) == 0);
        CHECK(count_without_room(h.db) == 0);
        CHECK(failing_items(h.db, 3, h.as_is).empty());
        CHECK(count_containers(h.db).held == 0);
        CHECK(count_containers(h.db).failing == 0);
        CHECK(find_container(h.db, "users/ann/onedrive")->held == 0);
        CHECK(held_containers(h.db, 5, h.as_is).empty());
        CHECK(h.listed("*/a.txt") == paths{"held users/ann/onedrive/folder/a.txt"});
        const auto refused = approve_guard(h.db, "users/ann/onedrive").error();
        CHECK(refused.cause == "it has departed: all of it stays until sync.departed_retention is over");
        CHECK(refused.hint == "nothing is held anywhere");
        const auto work = count_backlog(h.db);
        CHECK(work.to_fetch + work.spooled + work.failed + work.roots + work.gone == 0);
        CHECK(work.departed == 3);
        const auto staged = count_staged(h.db, work);
        CHECK(staged.known == 2);
        CHECK(staged.percent() == 100);
    }

    TEST_CASE("guard: what is approved waits for nobody, wherever deletions are counted") {
        hand_made h;
        h.db.script(
            "UPDATE item SET gone_round=7, dirty=1 WHERE id=3;"
            "UPDATE container SET guard_held=1, guard_round=7, complete_round=7"
        );
        CHECK(count_containers(h.db).held == 1);
        REQUIRE(approve_guard(h.db, "users/ann/onedrive").has_value());
        CHECK(count_containers(h.db).held == 0);
        CHECK(find_container(h.db, "users/ann/onedrive")->held == 0);
        CHECK(held_containers(h.db, 0, h.as_is).at(0).held == 1);  // told until it is done
    }

    TEST_CASE("status: the backlog tells fetching from applying and leaves container roots apart") {
        hand_made h;
        h.add_pending(1, 1, "NULL");
        const auto b = count_backlog(h.db);
        CHECK(b.to_fetch == 2);
        CHECK(b.spooled == 1);
        CHECK(b.failed == 1);
        CHECK(b.roots == 1);
    }

    TEST_CASE("changes: finished generations after the given one, in order") {
        hand_made h;
        h.db.script(
            "INSERT INTO generation (id, started_at, finished_at) VALUES (1, 1, 2), (3, 3, 4), (4, 5, NULL);"
            "INSERT INTO change (generation, item_id, what, type, old_path, new_path) VALUES (1, 3, 1, 1, "
            "NULL, 'a'), "
            "(3, 3, 4, 1, 'a', 'b'), (3, 3, 6, 1, 'b', NULL), (4, 4, 1, 1, NULL, 'c')"
        );
        CHECK(last_generation(h.db) == 3);
        CHECK(generation_before(h.db, 3) == 1);
        std::vector<change_row> rows;
        list_changes(h.db, 1, 0, [&](const change_row& c) {
            rows.push_back(c);
            return true;
        });
        REQUIRE(rows.size() == 2);
        CHECK(rows[0].what == change_kind::renamed);
        CHECK(rows[0].new_path == "b");
        CHECK(rows[1].what == change_kind::deleted);
        CHECK_FALSE(rows[1].new_path.has_value());
    }
}

}  // namespace
}  // namespace m365stage::index
