#include "index/history.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "index/containers.hpp"

namespace m365stage::index {
namespace {

/// An index with one file: created in generation 1, changed in 3, renamed in 5.
struct one_file {
    one_file() : folder(make()), db(folder + "/index.db", database::mode::read_write) {
        db.script(
            "INSERT INTO container (id, key, at_key, kind, owner_kind, owner_id, owner_name, remote_id, "
            "name, "
            "root_item) VALUES (1, 'users/ann/onedrive', 'users/ann/onedrive', 'drive', 'user', 'u', 'ann', "
            "'D', 'OneDrive', 1);"
            "INSERT INTO item (id, container_id, remote_id, type, parent, name, at_parent, at_name) VALUES "
            "(1, 1, 'R', 2, NULL, 'root', NULL, NULL), (2, 1, 'A', 1, 1, 'b.txt', 1, 'b.txt');"
            "INSERT INTO generation (id, started_at, finished_at) VALUES (1, 10, 11), (3, 30, 31), (5, 50, "
            "51);"
            "INSERT INTO change (generation, item_id, what, type, old_path, new_path) VALUES "
            "(1, 2, 1, 1, NULL, 'users/ann/onedrive/a.txt'),"
            "(3, 2, 2, 1, 'users/ann/onedrive/a.txt', 'users/ann/onedrive/a.txt'),"
            "(5, 2, 4, 1, 'users/ann/onedrive/a.txt', 'users/ann/onedrive/b.txt');"
        );
    }
    ~one_file() { std::filesystem::remove_all(folder); }
    one_file(const one_file&) = delete;
    one_file& operator=(const one_file&) = delete;

    void job(const std::string& id, std::int64_t generation) {
        lease_row l;
        l.job_id = id;
        l.since = 100;
        l.until = 200;
        job_row j;
        j.job_id = id;
        j.generation = generation;
        j.started_at = 100;
        add_lease(db, l, j);
    }
    void saved(const std::string& id, std::int64_t generation) {
        job(id, generation);
        record_job_read(db, id, "OK", 150);
        record_job_ended(db, id, "OK", 160);
    }

    static std::string make() {
        std::string name = (std::filesystem::temp_directory_path() / "m365-history-XXXXXX").string();
        return ::mkdtemp(name.data());
    }
    const std::string folder;
    database db;
};

TEST_SUITE("index") {
    TEST_CASE("history: a version is held by the first saved job that read the tree while it was the latest"
    ) {
        one_file f;
        f.job("1", 1);  // read, but the Director never said that it ended well
        record_job_read(f.db, "1", "OK", 150);
        f.saved("2", 2);
        f.saved("3", 2);
        f.job("4", 3);
        record_job_ended(f.db, "4", "Error", 160);
        f.saved("5", 7);
        const auto rows = versions_of(f.db, "users/ann/onedrive/a.txt");
        REQUIRE(rows.size() == 3);
        REQUIRE(rows[0].job);
        CHECK(rows[0].job->job_id == "2");
        CHECK_FALSE(rows[1].job);  // job 4 ended badly, job 5 read the file under its new name
        REQUIRE(rows[2].job);
        CHECK(rows[2].job->job_id == "5");
        CHECK(versions_of(f.db, "users/ann/onedrive/b.txt").size() == 3);
        CHECK(versions_of(f.db, "users/ann/onedrive/c.txt").empty());
    }

    TEST_CASE("leases: one that expired before the job had read makes the job hold nothing for certain") {
        one_file f;
        f.job("1", 1);
        CHECK(tree_is_held(f.db, 199));
        CHECK_FALSE(tree_is_held(f.db, 200));
        CHECK(expire_leases(f.db, 199).empty());
        CHECK(expire_leases(f.db, 200).size() == 1);
        const auto late = record_job_read(f.db, "1", "OK", 210);
        REQUIRE(late);
        CHECK_FALSE(late->read_whole());
        record_job_ended(f.db, "1", "OK", 220);
        CHECK_FALSE(versions_of(f.db, "users/ann/onedrive/a.txt")[0].job);
        CHECK_FALSE(record_job_read(f.db, "none", "OK", 210));
    }

    TEST_CASE("leases: an object between two renames makes them wait, unless its owner departed meanwhile") {
        one_file f;
        CHECK(tree_is_whole(f.db));
        f.db.script("UPDATE item SET at_parent=NULL, at_name=NULL, parked=1, dirty=1 WHERE id=2");
        CHECK_FALSE(tree_is_whole(f.db));
        mark_departed(f.db, static_cast<container_id>(1), 100);  // nothing settles it any more
        CHECK(tree_is_whole(f.db));
    }

    TEST_CASE("jobs: one whose lease ended before it had read is not saved, whatever the Director says") {
        one_file f;
        f.saved("1", 1);
        CHECK(find_job(f.db, "1")->saved());
        f.job("2", 1);
        CHECK(end_lease(f.db, "2", 150));
        CHECK_FALSE(record_job_ended(f.db, "2", "OK", 160)->saved());
        f.job("3", 1);
        expire_leases(f.db, 200);
        CHECK_FALSE(record_job_ended(f.db, "3", "T", 210)->saved());
    }

    TEST_CASE("history: a version is told with its path in the job that saved it") {
        one_file f;
        // The file came to Fold/y.txt in 7; Fold is Fold2 since 9, Fold3 since 11.
        f.db.script(
            "INSERT INTO item (id, container_id, remote_id, type, parent, name, at_parent, at_name) VALUES "
            "(3, 1, 'F', 2, 1, 'Fold3', 1, 'Fold3'), (4, 1, 'Y', 1, 3, 'y.txt', 3, 'y.txt');"
            "INSERT INTO generation (id, started_at, finished_at) VALUES (7, 70, 71), (9, 90, 91), (11, 110, "
            "111);"
            "INSERT INTO change (generation, item_id, what, type, old_path, new_path) VALUES "
            "(7, 3, 1, 2, NULL, 'users/ann/onedrive/Fold'),"
            "(7, 4, 1, 1, NULL, 'users/ann/onedrive/Fold/y.txt'),"
            "(9, 3, 4, 2, 'users/ann/onedrive/Fold', 'users/ann/onedrive/Fold2'),"
            "(11, 3, 4, 2, 'users/ann/onedrive/Fold2', 'users/ann/onedrive/Fold3');"
        );
        const auto path_of_only_version = [&f](const std::string& path) {
            const auto rows = versions_of(f.db, path);
            REQUIRE(rows.size() == 1);
            return rows[0].path;
        };
        CHECK(path_of_only_version("users/ann/onedrive/Fold/y.txt") == "users/ann/onedrive/Fold/y.txt");
        f.saved("1", 10);
        f.saved("2", 11);
        for (const std::string fold : {"Fold", "Fold2", "Fold3"}) {
            CHECK(
                path_of_only_version("users/ann/onedrive/" + fold + "/y.txt") ==
                "users/ann/onedrive/Fold2/y.txt"
            );
        }
        CHECK(versions_of(f.db, "users/ann/onedrive/Fold4/y.txt").empty());
        CHECK(versions_of(f.db, "users/ann/onedrive/Fold2/a.txt").empty());
    }

    TEST_CASE("history: two folders that exchanged their names are two folders") {
        one_file f;
        f.db.script(
            "INSERT INTO generation (id, started_at, finished_at) VALUES (7, 70, 71), (9, 90, 91);"
            "INSERT INTO change (generation, item_id, what, type, old_path, new_path) VALUES "
            "(7, 5, 1, 1, NULL, 'A/y.txt'), (7, 6, 1, 1, NULL, 'B/z.txt'), "
            "(9, 3, 4, 2, 'A', 'B'), (9, 4, 4, 2, 'B', 'A');"
        );
        f.saved("1", 9);
        REQUIRE(versions_of(f.db, "A/y.txt").size() == 1);
        CHECK(versions_of(f.db, "A/y.txt")[0].path == "B/y.txt");
        REQUIRE(versions_of(f.db, "B/z.txt").size() == 1);
        CHECK(versions_of(f.db, "B/z.txt")[0].path == "A/z.txt");
    }

    TEST_CASE("history: what had left a folder before it was renamed was never at the new path") {
        one_file f;
        f.db.script(
            "INSERT INTO generation (id, started_at, finished_at) VALUES (7, 70, 71), (9, 90, 91);"
            "INSERT INTO change (generation, item_id, what, type, old_path, new_path) VALUES "
            "(7, 5, 1, 1, NULL, 'A/y.txt'), (7, 5, 5, 1, 'A/y.txt', 'C/y.txt'), "
            "(9, 3, 4, 2, 'A', 'B'), (9, 6, 1, 1, NULL, 'A/y.txt');"
        );
        CHECK(versions_of(f.db, "B/y.txt").empty());
        CHECK(versions_of(f.db, "C/y.txt").size() == 2);
    }

    TEST_CASE("leases: they move with the clock, and none outlasts what a lease may last") {
        one_file f;
        f.job("1", 1);
        move_leases(f.db, 1000);
        CHECK(tree_is_held(f.db, 1199));
        CHECK_FALSE(tree_is_held(f.db, 1200));
        move_leases(f.db, -1000);
        CHECK(tree_is_held(f.db, 199));
        CHECK_FALSE(tree_is_held(f.db, 200));
        bound_leases(f.db, 300);
        CHECK(tree_is_held(f.db, 199));
        bound_leases(f.db, 120);
        CHECK_FALSE(tree_is_held(f.db, 120));
    }

    TEST_CASE("leases: one whose job the Director calls ended is over, though nobody said that it had read") {
        one_file f;
        f.job("1", 1);
        f.job("2", 1);
        const auto killed = record_job_ended(f.db, "1", "Error", 150);
        REQUIRE(killed);
        CHECK(killed->read_status == "Error");
        CHECK_FALSE(find_lease(f.db, "1", 150));
        CHECK(find_lease(f.db, "2", 150));
        record_job_ended(f.db, "2", "OK", 250);
        CHECK(find_job(f.db, "2")->read_status == lease_expired);
    }
}

}  // namespace
}  // namespace m365stage::index
