#include "index/history.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

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
