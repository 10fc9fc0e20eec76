#include "index/items.hpp"

#include "index/containers.hpp"
#include "index/reports.hpp"
#include "index/work.hpp"
#include "tests/support/anns_drive.hpp"
#include "tests/unit/tree/support.hpp"

using namespace m365stage;
using namespace m365stage::index;

namespace {

struct fixture {
    fixture() : db(home.path() + "/index.db", database::mode::read_write) {
        id = upsert_container(db, test::anns_drive());
    }

    test::temp_folder home;
    database db;
    container_id id{};

    page_outcome page(std::vector<item_change> items, bool last = true, const std::string& cursor = "c") {
        delta_page p;
        p.items = std::move(items);
        p.cursor = cursor;
        p.last = last;
        p.shape = "s";
        return apply_page(db, main_stream(db, id), p, 100);
    }
    page_outcome round(std::vector<item_change> items) {
        begin_round(db, main_stream(db, id));
        return page(std::move(items));
    }
    std::int64_t count(std::string_view sql) { return db.number(sql).value_or(-1); }
    container row() { return *find_container(db, id); }
    stream feed() { return *find_stream(db, main_stream(db, id)); }

    /// Everything that is to be fetched lies in the spool.
    void spool_all() {
        db.run(
            "UPDATE pending SET state=1, spool=item_id || '-1', spool_inode=1, spool_size=size, "
            "spool_sha256=x'00' WHERE content=1 AND state=0"
        );
    }
    std::vector<std::string> to_fetch() {
        std::vector<std::string> out;
        for (const auto& w : due_work(db, id, 100, 100)) {
            out.push_back(w.name);
        }
        return out;
    }

    /// As the apply step leaves it.
    void stage_all() {
        db.run(
            "UPDATE item SET at_parent=parent, at_name=name, dirty=0, sha256=x'00', size=(SELECT size FROM "
            "pending "
            "WHERE item_id=item.id), mtime=(SELECT mtime FROM pending WHERE item_id=item.id), ctag=(SELECT "
            "ctag "
            "FROM pending WHERE item_id=item.id), hash=(SELECT hash FROM pending WHERE item_id=item.id) "
            "WHERE "
            "type<>0 AND parent IS NOT NULL"
        );
        db.run("UPDATE item SET dirty=0 WHERE parent IS NULL");
        db.run("DELETE FROM pending");
        db.run("UPDATE container SET settle=0");
    }
};

item_change root() {
    item_change c;
    c.remote_id = "root";
    c.root = true;
    c.type = item_type::folder;
    c.name = "root";
    c.meta = c.mark = "{}";
    return c;
}

item_change folder(const std::string& id, const std::string& parent, const std::string& name) {
    item_change c = root();
    c.root = false;
    c.remote_id = id;
    c.parent_remote_id = parent;
    c.name = name;
    return c;
}

item_change file(const std::string& id, const std::string& parent, const std::string& name, int version = 1) {
    auto c = folder(id, parent, name);
    c.type = item_type::file;
    c.content = true;
    c.size = 10 * version;
    c.mtime = 1000 + version;
    c.hash = "hash" + std::to_string(version);
    c.etag = c.ctag = std::to_string(version);
    c.meta = c.mark = "{\"v\":" + std::to_string(version) + "}";
    return c;
}

item_change gone(const std::string& id) {
    item_change c;
    c.remote_id = id;
    c.removed = true;
    return c;
}

}  // namespace

TEST_SUITE("index") {
    TEST_CASE("a transaction within another one is a part of it") {
        fixture f;
        const auto settings = [&] { return f.count("SELECT count(*) FROM setting WHERE key IN ('a', 'b')"); };
        const auto write = [&](bool finish) {
            database::transaction outer(f.db);
            set_setting(f.db, "a", "1");
            {
                database::transaction inner(f.db);
                set_setting(f.db, "b", "1");
                inner.commit();
            }
            if (finish) {
                outer.commit();
            }
        };
        write(false);
        CHECK(settings() == 0);
        write(true);
        CHECK(settings() == 2);
    }

    TEST_CASE_FIXTURE(fixture, "items: an item that a round tells twice counts once, as told last") {
        begin_round(db, main_stream(db, id));
        page({root(), file("f", "root", "old", 1)}, false);
        page({file("f", "root", "new", 2)});
        CHECK(count("SELECT count(*) FROM item WHERE remote_id='f'") == 1);
        CHECK(db.text("SELECT name FROM item WHERE remote_id='f'") == "new");
        CHECK(count("SELECT max(size) FROM pending") == 20);
        CHECK(row().live_items == 1);
    }

    TEST_CASE_FIXTURE(fixture, "items: a child may come before its parent, and the parent before its own") {
        begin_round(db, main_stream(db, id));
        page({file("f", "b", "f"), folder("b", "a", "b")}, false);
        CHECK(unknown_parents(db, id, 10) == std::vector<std::string>{"a"});
        page({folder("a", "root", "a"), root()});
        CHECK(unknown_parents(db, id, 10).empty());
        const auto f = static_cast<item_id>(count("SELECT id FROM item WHERE remote_id='f'"));
        CHECK(path_of_names(db, f) == "users/ann/onedrive/a/b/f");
        CHECK(row().live_items == 3);
    }

    TEST_CASE_FIXTURE(fixture, "spool: what the service removed meanwhile takes no room in it any more") {
        round(
            {root(), file("a", "root", "a"), file("b", "root", "b"), file("c", "root", "c"),
             file("d", "root", "d")}
        );
        spool_all();
        CHECK(spooled_bytes(db) == 40);
        round({gone("a")});
        CHECK(spooled_bytes(db) == 30);
        mark_gone(db, id, static_cast<item_id>(count("SELECT id FROM item WHERE remote_id='b'")));
        CHECK(spooled_bytes(db) == 20);
        drop_cursors(db, id);
        round({root(), file("d", "root", "d")});  // a full round that does not tell of c
        CHECK(spooled_bytes(db) == 10);
        CHECK(spool_files_in_use(db).size() == 1);
        CHECK(count_backlog(db).spooled_bytes == 10);
        CHECK(to_fetch().empty());
        round({file("a", "root", "a")});  // out of the recycle bin
        CHECK(to_fetch() == std::vector<std::string>{"a"});
    }

    TEST_CASE_FIXTURE(fixture, "spool: a container that departs takes no room in it any more") {
        round({root(), file("a", "root", "a")});
        spool_all();
        mark_departed(db, id, 100);
        CHECK(spooled_bytes(db) == 0);
        CHECK(spool_files_in_use(db).empty());
        upsert_container(db, test::anns_drive());  // back again
        CHECK(to_fetch() == std::vector<std::string>{"a"});
    }

    TEST_CASE_FIXTURE(
        fixture, "spool: what gives its room back is owed with a pause that grows, if it is wanted"
    ) {
        const auto pause = [&] {
            return count("SELECT next_try FROM pending WHERE reason IS NOT NULL") - 100;
        };
        round({root(), file("a", "root", "a"), file("b", "root", "b")});
        spool_all();
        db.run("UPDATE item SET gone_round=1 WHERE remote_id='b'");
        const auto first = give_back_room(db, 100);
        CHECK(first.spool.size() == 2);
        CHECK(first.owed == 1);
        CHECK(first.bytes == 10);
        CHECK(first.most_of == "users/ann/onedrive");
        CHECK(spooled_bytes(db) == 0);
        const auto short_pause = pause();
        CHECK(short_pause > 0);
        spool_all();
        CHECK(give_back_room(db, 100).owed == 1);
        CHECK(pause() == 2 * short_pause);
        spool_all();
        db.run("UPDATE container SET state='departed'");
        CHECK(give_back_room(db, 100).owed == 0);
        CHECK(spooled_bytes(db) == 0);
    }

    TEST_CASE_FIXTURE(fixture, "work: who has no room for large files gets the others") {
        round({root(), file("a", "root", "a", 1), file("b", "root", "b", 9), file("c", "root", "c", 1)});
        const auto some = due_work(db, id, 100, 2, item_id{}, 90);
        REQUIRE(some.size() == 2);
        CHECK(some[0].name == "a");
        CHECK(some[1].name == "c");
        CHECK(due_work(db, id, 100, 9).size() == 3);
    }

    TEST_CASE_FIXTURE(fixture, "items: a tombstone and then a live item in one round is a live item") {
        round({root(), file("f", "root", "f")});
        stage_all();
        round({gone("f"), file("f", "root", "f")});
        CHECK(count("SELECT gone_round FROM item WHERE remote_id='f'") == 0);
        CHECK(row().live_items == 1);
        round({file("f", "root", "f"), gone("f")});
        CHECK(count("SELECT gone_round<>0 FROM item WHERE remote_id='f'") == 1);
        CHECK(row().live_items == 0);
        round({gone("f"), gone("unknown")});
        CHECK(row().live_items == 0);
    }

    TEST_CASE_FIXTURE(
        fixture, "items: a full round sweeps what it did not see, an incremental one does not"
    ) {
        round({root(), folder("a", "root", "a"), file("f", "a", "f"), file("g", "root", "g")});
        stage_all();
        round({file("g", "root", "g", 2)});
        CHECK(count("SELECT count(*) FROM item WHERE gone_round<>0") == 0);
        drop_cursors(db, id);
        begin_round(db, main_stream(db, id));
        page({root()}, false);
        CHECK(count("SELECT count(*) FROM item WHERE gone_round<>0") == 0);
        page({file("g", "root", "g", 2)});
        CHECK(count("SELECT count(*) FROM item WHERE gone_round<>0") == 2);
        CHECK(row().live_items == 1);
        CHECK(row().settle);
    }

    TEST_CASE_FIXTURE(fixture, "items: enumerating again what is staged makes no work") {
        const std::vector<item_change> all{root(), folder("a", "root", "a"), file("f", "a", "f")};
        round(all);
        stage_all();
        drop_cursors(db, id);
        const auto outcome = round(all);
        CHECK(outcome.unchanged == 3);
        CHECK_FALSE(outcome.any_new());
        CHECK(count("SELECT count(*) FROM pending") == 0);
        CHECK(count("SELECT count(*) FROM item WHERE dirty<>0") == 0);
    }

    TEST_CASE_FIXTURE(fixture, "items: other content, other metadata and another place are told apart") {
        round({root(), folder("a", "root", "a"), file("f", "root", "f")});
        stage_all();
        auto renamed = file("f", "a", "g");
        round({renamed});
        CHECK(count("SELECT content FROM pending") == 0);
        CHECK(count("SELECT cause FROM pending") == 0);
        CHECK(count("SELECT dirty FROM item WHERE remote_id='f'") == 1);
        auto described = renamed;
        described.meta = described.mark = "{\"description\":\"x\"}";
        round({described});
        CHECK(count("SELECT content FROM pending") == 0);
        CHECK(count("SELECT cause FROM pending") == 1);
        auto edited = described;
        edited.hash = "other";
        round({edited});
        CHECK(count("SELECT content FROM pending") == 1);
        CHECK(count("SELECT cause FROM pending") == 2);
        CHECK(count("SELECT count(*) FROM pending") == 1);
    }

    TEST_CASE_FIXTURE(
        fixture, "items: a hash that is missing on one side decides nothing, size and time do"
    ) {
        round({root(), file("f", "root", "f")});
        stage_all();
        auto same = file("f", "root", "f");
        same.hash.clear();
        CHECK(round({same}).to_fetch == 0);
        same.size = 11;
        CHECK(round({same}).to_fetch == 1);
    }

    TEST_CASE_FIXTURE(
        fixture, "items: an announced size is compared with an announced one, not with the bytes"
    ) {
        auto lies = file("f", "root", "f");
        lies.hash.clear();
        round({root(), lies});
        stage_all();
        db.run("UPDATE item SET announced=size, size=size+7 WHERE type=1");
        CHECK(round({lies}).to_fetch == 0);
        lies.size += 7;
        CHECK(round({lies}).to_fetch == 1);
    }

    TEST_CASE_FIXTURE(fixture, "items: the first cTag stands for what is staged, the next one for an edit") {
        auto f = file("f", "root", "f");
        f.hash.clear();
        f.ctag.clear();
        round({root(), f});
        stage_all();
        f.ctag = "1";
        CHECK(round({f}).to_fetch == 0);
        f.ctag = "2";
        CHECK(round({f}).to_fetch == 1);
    }

    TEST_CASE_FIXTURE(
        fixture, "items: where hash and cTag are missing and the time is cut, the eTag decides"
    ) {
        auto f = file("f", "root", "f");
        f.hash.clear();
        f.ctag.clear();
        f.mtime = 0;
        round({root(), f});
        stage_all();
        CHECK(round({f}).to_fetch == 0);
        f.etag = "other";
        CHECK(round({f}).to_fetch == 1);
        auto dated = file("g", "root", "g");
        dated.hash.clear();
        dated.ctag.clear();
        round({root(), f, dated});
        stage_all();
        dated.etag = "other";
        CHECK(round({root(), f, dated}).to_fetch == 0);
    }

    TEST_CASE_FIXTURE(fixture, "items: an id that was a file and is a folder now is another item") {
        round({root(), file("x", "root", "x")});
        stage_all();
        round({folder("x", "root", "x"), file("f", "x", "f")});
        CHECK(count("SELECT count(*) FROM item WHERE gone_round<>0 AND type=1") == 1);
        CHECK(count("SELECT type FROM item WHERE remote_id='x'") == 2);
        CHECK(
            count("SELECT parent=(SELECT id FROM item WHERE remote_id='x') FROM item WHERE remote_id='f'") ==
            1
        );
        CHECK(row().live_items == 2);
    }

    TEST_CASE_FIXTURE(fixture, "items: rows and cursor of a page are stored together or not at all") {
        begin_round(db, main_stream(db, id));
        page({root()}, false, "first");
        // The third row of the page fails, as a full disk would make it.
        db.script(
            "CREATE TRIGGER fail BEFORE INSERT ON item WHEN NEW.name='bad' BEGIN SELECT RAISE(ABORT, "
            "'full'); END"
        );
        CHECK_THROWS_AS(
            page({file("1", "root", "1"), file("2", "root", "2"), file("3", "root", "bad")}, true, "second"),
            core::fatal
        );
        CHECK(feed().cursor == "first");
        CHECK(feed().cursor_state == cursor_state::mid_round);
        CHECK(count("SELECT count(*) FROM item") == 1);
        CHECK(count("SELECT count(*) FROM pending") == 1);
        db.script("DROP TRIGGER fail");
        page({file("1", "root", "1"), file("2", "root", "2"), file("3", "root", "bad")}, true, "second");
        CHECK(feed().cursor == "second");
        CHECK(row().live_items == 3);
    }

    TEST_CASE_FIXTURE(fixture, "items: a round that is cut off goes on where it was") {
        begin_round(db, main_stream(db, id));
        page({root()}, false, "next");
        const auto before = row().round;
        begin_round(db, main_stream(db, id));
        CHECK(row().round == before);
        CHECK(feed().cursor == "next");
        CHECK(feed().round_full);
    }

    TEST_CASE_FIXTURE(
        fixture, "items: a page that replaces a row while it is fetched makes the old result void"
    ) {
        round({root(), file("f", "root", "f")});
        const auto work = due_work(db, id, 1000, 10);
        REQUIRE(work.size() == 1);
        round({file("f", "root", "f", 2)});
        fetch_result r;
        r.id = work[0].id;
        r.version = work[0].version;
        r.spool = "1-1";
        r.sha256 = std::string(32, 'x');
        CHECK(record_fetched(db, {r}) == std::vector<bool>{false});
        const auto again = due_work(db, id, 1000, 10);
        REQUIRE(again.size() == 1);
        CHECK(again[0].version > work[0].version);
        CHECK(again[0].size == 20);
    }

    TEST_CASE_FIXTURE(
        fixture, "items: work is read on from what was taken last; what failed before comes along"
    ) {
        round({root(), file("a", "root", "a"), file("b", "root", "b"), file("c", "root", "c")});
        const auto all = due_work(db, id, 1000, 10);
        REQUIRE(all.size() == 3);
        const auto behind = due_work(db, id, 1000, 10, all[0].id);
        REQUIRE(behind.size() == 2);
        CHECK(behind[0].id == all[1].id);
        CHECK(due_work(db, id, 1000, 10, all[2].id).empty());
        const core::error why(core::error_kind::transport, "gone");
        record_failure(db, all[0].id, all[0].version, why, 1000, "");
        const auto later = due_work(db, id, 1000 + 86'400, 10, all[2].id);
        REQUIRE(later.size() == 1);
        CHECK(later[0].id == all[0].id);
    }

    TEST_CASE_FIXTURE(fixture, "items: bytes that came out the same are no content to place") {
        round({root(), file("f", "root", "f")});
        fetch_result r;
        r.id = due_work(db, id, 1000, 10).at(0).id;
        r.version = due_work(db, id, 1000, 10).at(0).version;
        r.same = true;
        r.hash = "made anew";
        CHECK(record_fetched(db, {r}) == std::vector<bool>{true});
        CHECK(
            count("SELECT content FROM pending WHERE item_id=(SELECT id FROM item WHERE remote_id='f')") == 0
        );
        CHECK(
            count("SELECT cause FROM pending ORDER BY item_id DESC") == static_cast<int>(work_cause::metadata)
        );
        CHECK(count("SELECT count(*) FROM item WHERE hash='made anew'") == 1);
    }

    TEST_CASE_FIXTURE(fixture, "items: a circle of folders ends the search for a path") {
        round({root(), folder("a", "b", "a"), folder("b", "a", "b")});
        CHECK(
            path_of_names(db, static_cast<item_id>(count("SELECT id FROM item WHERE remote_id='a'"))).empty()
        );
    }

    TEST_CASE("database: an index of a newer version is refused and left alone") {
        test::temp_folder folder;
        const auto file = folder.path() + "/index.db";
        {
            database db(file, database::mode::read_write);
            db.script("PRAGMA user_version=999");
        }
        CHECK_THROWS_AS(database(file, database::mode::read_write), core::fatal);
        CHECK_THROWS_AS(database(file, database::mode::read_only), core::fatal);
    }

}  // TEST_SUITE
