#include "sync/plan/settle.hpp"

#include "index/history.hpp"
#include "index/leases.hpp"
#include "tests/unit/sync/model.hpp"

using namespace m365stage;
using test::drive_model;
using test::staged_drive;

namespace {

void check_staged(staged_drive& s, const drive_model& m) {
    CHECK(s.tree() == m.tree(staged_drive::key));
    CHECK(s.problems() == "");
    CHECK(s.pending() == 0);
    CHECK(s.parked() == 0);
    CHECK(s.container().live_items == static_cast<std::int64_t>(m.items.size()));
    CHECK(
        s.stage.list("spool").size() == 2
    );  // parked/ and trash/ alone, the trash being emptied by the caller
}

void empty_trash(staged_drive& s) {
    auto names = s.stage.root().list("spool/trash");
    REQUIRE(names.has_value());
    for (const auto& name : *names) {
        REQUIRE(s.stage.root().remove_all("spool/trash/" + name).has_value());
    }
}

void round(staged_drive& s, drive_model& m) {
    s.incremental(m);
    s.apply(m);
    empty_trash(s);
}

/// Everything there is, staged.
void start(staged_drive& s, drive_model& m) {
    s.full(m);
    s.apply(m);
    empty_trash(s);
    check_staged(s, m);
    s.fetched = 0;
}

/// All generations are finished, and a job has saved the first.
void save_first_generation(index::database& db) {
    db.run("UPDATE generation SET finished_at=2");
    index::job_row job;
    job.job_id = "7";
    job.generation = 1;
    index::add_lease(db, index::lease_row(), job);
    index::record_job_ended(db, "7", "OK", 3);
}

}  // namespace

TEST_SUITE("sync") {
    TEST_CASE("settle: two files change names") {
        for (const bool crashes : {false, true}) {
            staged_drive s;
            drive_model m;
            const auto a = m.add(false, "root", "a");
            const auto b = m.add(false, "root", "b");
            start(s, m);
            s.crashes = crashes;
            m.move(a, "root", "b");
            m.move(b, "root", "a");
            round(s, m);
            check_staged(s, m);
            CHECK(s.fetched == 0);
        }
    }

    TEST_CASE("settle: what changes while the container settles is settled by the next one") {
        staged_drive s;
        drive_model m;
        const auto a = m.add(false, "root", "a");
        const auto b = m.add(false, "root", "b");
        const auto c = m.add(false, "root", "c");
        start(s, m);
        m.move(a, "root", "a2");
        s.incremental(m);
        const auto asked = [&s] { return s.container().settle; };
        CHECK(asked());
        {
            sync::settler plan(s.db, s.container(), s.guard, 1);
            s.perform(plan.next(s.batch));
            m.move(b, "root", "b2");
            index::apply_single(s.db, s.id, m.change(b), 1, 1);
            // The first page of the next round takes something away: nobody has judged that yet.
            index::begin_round(s.db, index::main_stream(s.db, s.id));
            s.page({drive_model::tombstone(c)}, false);
            CHECK(plan.next(s.batch).empty());
        }
        CHECK(asked());
        CHECK(s.tree().contains(std::string(staged_drive::key) + "/c"));
        s.page({}, true);
        m.remove(c);
        m.changed.clear();
        m.deleted.clear();
        s.apply(m);
        empty_trash(s);
        check_staged(s, m);
        CHECK_FALSE(asked());
    }

    TEST_CASE("settle: two folders change places, and what is in them is not fetched") {
        staged_drive s;
        drive_model m;
        const auto x = m.add(true, "root", "x");
        const auto y = m.add(true, "root", "y");
        m.add(false, x, "in x");
        m.add(false, y, "in y");
        start(s, m);
        m.move(x, "root", "y");
        m.move(y, "root", "x");
        round(s, m);
        check_staged(s, m);
        CHECK(s.fetched == 0);
    }

    TEST_CASE("settle: of a circle every rename is told with both paths, and history follows them") {
        staged_drive s;
        drive_model m;
        const auto x = m.add(true, "root", "x");
        const auto y = m.add(true, "root", "y");
        const auto in_x = m.add(true, x, "deep");
        const auto in_y = m.add(true, y, "deep");
        m.add(false, in_x, "f");
        m.add(false, in_y, "f");
        m.add(false, in_x, "of x");
        start(s, m);
        save_first_generation(s.db);
        m.move(x, "root", "y");
        m.move(y, "root", "x");
        m.move(in_x, y, "deep");
        m.move(in_y, x, "deep");
        round(s, m);
        check_staged(s, m);
        std::map<std::string, std::string> moved;  // old path and new one
        s.db.query("SELECT old_path, new_path FROM change WHERE what IN (4, 5)", [&](index::row r) {
            moved[r.text(0)] = r.text(1);
        });
        const std::string top(staged_drive::key);
        CHECK(moved.size() == 4);
        CHECK_FALSE(moved.contains(""));
        const auto rows = index::versions_of(s.db, top + "/x/deep/of x");
        REQUIRE(rows.size() == 1);
        CHECK(rows[0].job);
        CHECK(rows[0].path == top + "/x/deep/of x");
    }

    TEST_CASE("settle: in a folder that changed names with another, history tells both files of one path") {
        staged_drive s;
        drive_model m;
        const auto x = m.add(true, "root", "x");
        const auto y = m.add(true, "root", "y");
        m.add(false, x, "f");
        m.add(false, y, "f");
        m.add(false, x, "of x");
        start(s, m);
        m.move(x, "root", "y");
        m.move(y, "root", "x");
        round(s, m);
        save_first_generation(s.db);
        const std::string top(staged_drive::key);
        for (const std::string folder : {"x", "y"}) {
            std::set<std::string> paths;
            for (const auto& v : index::versions_of(s.db, top + "/" + folder + "/f")) {
                paths.insert(v.path);
            }
            CHECK(paths == std::set<std::string>{top + "/x/f", top + "/y/f"});
            const auto own = index::versions_of(s.db, top + "/" + folder + "/of x");
            REQUIRE(own.size() == 1);
            CHECK(own[0].path == top + "/y/of x");
        }
        CHECK(s.db.number("SELECT count(*) FROM change WHERE what=4 AND old_path IS NOT NULL") == 2);
    }

    TEST_CASE("settle: a folder moves into its own former child") {
        staged_drive s;
        drive_model m;
        const auto a = m.add(true, "root", "a");
        const auto b = m.add(true, a, "b");
        m.add(false, a, "fa");
        m.add(false, b, "fb");
        start(s, m);
        m.move(b, "root", "b");
        m.move(a, b, "a");
        round(s, m);
        check_staged(s, m);
        CHECK(s.fetched == 0);
    }

    TEST_CASE("settle: a file gives way to a folder of the same name, and back") {
        staged_drive s;
        drive_model m;
        const auto file = m.add(false, "root", "x");
        start(s, m);
        m.remove(file);
        const auto folder = m.add(true, "root", "x");
        m.add(false, folder, "inside");
        round(s, m);
        check_staged(s, m);
        m.remove(folder);
        m.add(false, "root", "x");
        round(s, m);
        check_staged(s, m);
    }

    TEST_CASE("settle: an item moves from one new folder to another new one") {
        staged_drive s;
        drive_model m;
        const auto f = m.add(false, "root", "f");
        start(s, m);
        const auto n1 = m.add(true, "root", "n1");
        const auto n2 = m.add(true, n1, "n2");
        m.move(f, n2, "f");
        round(s, m);
        check_staged(s, m);
        const auto n3 = m.add(true, "root", "n3");
        m.move(n2, n3, "n2");
        m.remove(n1);
        round(s, m);
        check_staged(s, m);
        CHECK(s.fetched == 0);
    }

    TEST_CASE("settle: a deleted folder takes everything with it but what moved out") {
        staged_drive s;
        drive_model m;
        const auto d = m.add(true, "root", "d");
        const auto deep = m.add(true, d, "deep");
        m.add(false, d, "goes");
        const auto stays = m.add(false, deep, "stays");
        start(s, m);
        m.move(stays, "root", "stays");
        m.remove(d);
        round(s, m);
        check_staged(s, m);
        CHECK(s.fetched == 0);
    }

    TEST_CASE("settle: which of two items of one name keeps it does not depend on the order of arrival") {
        std::set<std::map<std::string, std::string>> results;
        for (unsigned seed = 0; seed < 12; ++seed) {
            staged_drive s;
            s.random.seed(seed);
            drive_model m;
            m.add(false, "root", "same.txt");
            m.add(false, "root", "same.txt");
            m.add(true, "root", "same.txt");
            s.full(m);
            s.apply(m);
            CHECK(s.problems() == "");
            const auto tree = s.tree();
            CHECK(tree.size() == 3);
            results.insert(tree);
        }
        CHECK(results.size() == 1);
    }

    TEST_CASE("settle: too many deletions are held until a person approves them") {
        staged_drive s;
        drive_model m;
        std::vector<std::string> ids;
        for (int i = 0; i < 10; ++i) {
            ids.push_back(m.add(false, "root", "f" + std::to_string(i)));
        }
        start(s, m);
        s.guard.min_deleted_items = 5;
        const auto before = s.tree();
        for (int i = 0; i < 5; ++i) {
            m.remove(ids[static_cast<std::size_t>(i)]);
        }
        round(s, m);
        CHECK(s.tree() == before);
        CHECK(s.container().guard_held == 5);
        CHECK(s.problems() == "");
        s.db.run("UPDATE container SET guard_approved=round, settle=1 WHERE id=?", s.id);
        s.settle();
        empty_trash(s);
        CHECK(s.container().guard_held == 0);
        check_staged(s, m);
    }

    TEST_CASE("settle: an approval is good for what was held, not for what comes later") {
        staged_drive s;
        drive_model m;
        std::vector<std::string> ids;
        for (int i = 0; i < 20; ++i) {
            ids.push_back(m.add(false, "root", "f" + std::to_string(i)));
        }
        start(s, m);
        s.guard.min_deleted_items = 5;
        for (std::size_t i = 0; i < 8; ++i) {
            m.remove(ids[i]);
        }
        round(s, m);
        CHECK(s.container().guard_held == 8);
        s.db.run("UPDATE container SET guard_approved=round, settle=1 WHERE id=?", s.id);
        for (std::size_t i = 8; i < 16; ++i) {
            m.remove(ids[i]);
        }
        round(s, m);
        CHECK(s.tree().size() == 12);
        CHECK(s.container().guard_held == 8);
        CHECK(s.problems() == "");
    }

    TEST_CASE("settle: enumerating everything again changes nothing") {
        staged_drive s;
        drive_model m;
        const auto d = m.add(true, "root", "d");
        m.add(false, d, "f");
        start(s, m);
        const auto before = s.stage.root().look(std::string("tree/") + staged_drive::key + "/d/f");
        s.full(m);
        CHECK(s.pending() == 0);
        s.apply(m);
        const auto after = s.stage.root().look(std::string("tree/") + staged_drive::key + "/d/f");
        REQUIRE(before.has_value());
        REQUIRE(after.has_value());
        CHECK(before->inode == after->inode);
        CHECK(s.fetched == 0);
        CHECK(s.db.number("SELECT count(*) FROM change WHERE what<>1") == 0);
    }

}  // TEST_SUITE
