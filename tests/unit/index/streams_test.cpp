#include "index/containers.hpp"
#include "index/items.hpp"
#include "index/owners.hpp"
#include "index/walks.hpp"
#include "tests/unit/tree/support.hpp"

using namespace m365stage;
using namespace m365stage::index;

namespace {

/// A mailbox with the folders a and b.
struct mailbox {
    mailbox() : db(home.path() + "/index.db", database::mode::read_write) {
        found_container f;
        f.key = "users/ann/mail";
        f.kind = "mail";
        f.owner_kind = "user";
        f.owner_id = f.owner_name = f.remote_id = "ann";
        f.name = "Mail";
        id = upsert_container(db, f);
        item_change root;
        root.remote_id = "root";
        root.root = true;
        root.type = item_type::folder;
        round("", {root, folder("a"), folder("b")});
        match_streams(db, id);
    }

    static item_change folder(const std::string& name) {
        item_change c;
        c.remote_id = c.name = name;
        c.parent_remote_id = "root";
        c.type = item_type::folder;
        return c;
    }
    static item_change message(
        const std::string& name, const std::string& where, const std::string& etag = "1"
    ) {
        item_change c;
        c.remote_id = c.name = name;
        c.parent_remote_id = where;
        c.subfolder = "2026-11";
        c.type = item_type::file;
        c.content = true;
        c.hash = "mime";
        c.etag = etag;
        c.etag_is_exact = true;
        c.etag_tells_place = true;
        return c;
    }
    static item_change left(const std::string& name) {
        item_change c;
        c.remote_id = name;
        c.removed = true;
        return c;
    }

    stream of(const std::string& folder) {
        for (auto& s : streams(db, id)) {
            if (s.remote_id == folder) {
                return s;
            }
        }
        return {};
    }
    page_outcome round(const std::string& folder, std::vector<item_change> items) {
        const auto s = of(folder);
        begin_round(db, s.id);
        delta_page p;
        p.items = std::move(items);
        p.cursor = "delta " + folder;
        p.last = true;
        p.completes = false;
        return apply_page(db, s.id, p, 100);
    }
    bool gone(const std::string& name) {
        return db.number("SELECT gone_round FROM item WHERE remote_id=?", name) != 0;
    }
    void stage_all() {
        db.run(
            "UPDATE item SET at_parent=parent, at_name=name, dirty=0, sha256=x'00', hash='mime', mtime=0 "
            "WHERE type=1"
        );
        db.run("DELETE FROM pending");
    }

    test::temp_folder home;
    database db;
    container_id id{};
};

}  // namespace

TEST_SUITE("index") {
    TEST_CASE_FIXTURE(mailbox, "streams: each folder of the service has one, months have none") {
        round("a", {message("m", "a")});
        match_streams(db, id);
        CHECK(streams(db, id).size() == 3);
        CHECK(db.number("SELECT count(*) FROM item WHERE made=1") == 1);
        round("", {left("b")});
        match_streams(db, id);
        CHECK(streams(db, id).size() == 2);
    }

    TEST_CASE_FIXTURE(
        mailbox, "streams: what moved and has another etag is fetched, unless a move alone moves the etag"
    ) {
        for (const bool tells_place : {true, false}) {
            round("a", {message("m", "a")});
            stage_all();
            auto moved = message("m", "b", "2");
            moved.etag_tells_place = tells_place;
            CHECK(round("b", {moved}).to_fetch == (tells_place ? 0 : 1));
            round("a", {left("m")});
            round("b", {left("m")});
            db.run("DELETE FROM item WHERE remote_id='m'");
            db.run("DELETE FROM pending");
        }
    }

    TEST_CASE_FIXTURE(mailbox, "streams: what moved and tells of other content is moved and fetched") {
        round("a", {message("m", "a")});
        stage_all();
        auto moved = message("m", "b", "2");
        moved.hash = "mime with an attachment less";
        CHECK(round("b", {moved}).to_fetch == 1);
        round("a", {left("m")});
        CHECK_FALSE(gone("m"));
        CHECK(db.number("SELECT content FROM pending JOIN item ON id=item_id WHERE remote_id='m'") == 1);
    }

    TEST_CASE_FIXTURE(
        mailbox, "streams: a move is none of two, in whichever order the pages come, and needs no download"
    ) {
        for (const bool removal_first : {true, false}) {
            round("a", {message("m", "a")});
            stage_all();
            if (removal_first) {
                round("a", {left("m")});
                CHECK(has_open_removals(db, id));
                round("b", {message("m", "b", "2")});
            } else {
                round("b", {message("m", "b", "2")});
                round("a", {left("m")});
            }
            CHECK_FALSE(gone("m"));
            CHECK_FALSE(has_open_removals(db, id));
            CHECK(db.number("SELECT content FROM pending JOIN item ON id=item_id WHERE remote_id='m'") == 0);
            CHECK(find_container(db, id)->cursor_state == cursor_state::mid_round);
            round("b", {left("m")});
            CHECK(gone("m"));
        }
    }

    TEST_CASE_FIXTURE(
        mailbox, "streams: a folder enumerated anew loses what it did not bring, and no other folder does"
    ) {
        round("a", {message("m", "a"), message("n", "a")});
        round("b", {message("o", "b")});
        drop_cursor(db, of("a").id);
        round("a", {message("n", "a")});
        CHECK(gone("m"));
        CHECK_FALSE(gone("n"));
        CHECK_FALSE(gone("o"));
        CHECK_FALSE(gone("b"));
        CHECK(find_container(db, id)->live_items == 4);
    }

    TEST_CASE_FIXTURE(mailbox, "streams: a change key that nothing explains means other content") {
        round("a", {message("m", "a")});
        stage_all();
        round("a", {message("m", "a", "1")});
        CHECK(db.number("SELECT count(*) FROM pending") == 0);
        round("a", {message("m", "a", "2")});
        CHECK(db.number("SELECT content FROM pending JOIN item ON id=item_id WHERE remote_id='m'") == 1);
    }

    TEST_CASE_FIXTURE(mailbox, "streams: what nobody can tell of is kept where it is, and owed") {
        round("a", {message("m", "a")});
        stage_all();
        item_change dark = message("m", "a");
        dark.unreadable = true;
        dark.subfolder.clear();
        dark.name = "unreadable";
        dark.refusal = "server";
        dark.refusal_text = "it can't be read";
        item_change other = dark;
        other.remote_id = "n";
        drop_cursor(db, of("a").id);
        round("a", {dark, other});
        CHECK_FALSE(gone("m"));
        CHECK(db.text("SELECT name FROM item WHERE remote_id='m'") == "m");
        CHECK(db.text("SELECT name FROM item WHERE remote_id='n'") == "unreadable");
        CHECK(db.number("SELECT count(*) FROM owed WHERE reason='server'") == 2);
        CHECK(owes_items(db, of("a")));
        CHECK_FALSE(owes_items(db, of("b")));
        round("a", {message("m", "a", "2")});
        CHECK(db.number("SELECT count(*) FROM pending WHERE reason IS NOT NULL") == 1);
    }

    TEST_CASE_FIXTURE(mailbox, "streams: an id with the etag that is known is seen, and not asked for") {
        round("a", {message("m", "a", "1"), message("n", "a", "1")});
        const auto known =
            known_as_they_are(db, of("a"), {{"m", "1"}, {"m", "2"}, {"m", ""}, {"unknown", "1"}});
        CHECK(known == std::vector<bool>{true, false, false, false});
        CHECK(known_as_they_are(db, of("b"), {{"m", "1"}}) == std::vector<bool>{false});
        item_change same;
        same.remote_id = "m";
        same.type = item_type::file;
        same.same = true;
        drop_cursor(db, of("a").id);
        round("a", {same});
        CHECK_FALSE(gone("m"));
        CHECK(gone("n"));
    }

    TEST_CASE_FIXTURE(mailbox, "streams: a walk goes from folder to folder, and misses nothing that moved") {
        round("a", {message("m", "a")});
        set_mode(db, of("").id, stream_mode::listing);
        begin_round(db, of("").id);
        auto page = [&](std::int64_t step, std::vector<item_change> items, const std::string& next = {}) {
            delta_page p;
            p.items = std::move(items);
            p.cursor = next;
            p.walked = step;
            p.completes = false;
            apply_page(db, of("").id, p, 100);
        };
        item_change root;
        root.remote_id = "root";
        root.root = true;
        root.type = item_type::folder;
        page(0, {root});
        auto step = next_step(db, of("").id);
        REQUIRE(step);
        CHECK(step->remote_id == "root");
        page(step->id, {folder("c")}, "more");
        step = next_step(db, of("").id);
        CHECK((step->remote_id == "root" && step->link == "more"));
        page(step->id, {folder("a")});
        step = next_step(db, of("").id);
        CHECK(step->remote_id == "c");
        page(step->id, {folder("a")});  // seen already: not listed twice
        step = next_step(db, of("").id);
        CHECK(step->remote_id == "a");
        page(step->id, {});
        CHECK_FALSE(next_step(db, of("").id));
        const auto unseen = unseen_items(db, of(""), true, item_id{}, 10);
        REQUIRE(unseen.size() == 1);
        CHECK(unseen[0].remote_id == "b");
        CHECK_FALSE(gone("b"));
        mark_gone(db, id, unseen[0].id);
        CHECK(unseen_items(db, of(""), true, item_id{}, 10).empty());
        delta_page end;
        end.last = true;
        end.completes = false;
        apply_page(db, of("").id, end, 100);
        CHECK(gone("b"));
        CHECK_FALSE(gone("a"));
        CHECK_FALSE(gone("m"));
        CHECK(of("").cursor.empty());
        begin_round(db, of("").id);
        CHECK(of("").round_full);
    }

    TEST_CASE_FIXTURE(mailbox, "streams: folders to look into stay in the index until they are done") {
        const auto main = of("").id;
        delta_page p;
        p.items = {folder("a"), folder("b")};
        p.folders_to_check = {"a", "b"};
        p.cursor = "link";
        p.last = true;
        p.completes = false;
        apply_page(db, main, p, 100);
        apply_page(db, main, p, 100);  // told twice: once on the list
        const auto a = next_silent(db, id, main);
        REQUIRE(a);
        CHECK((a->remote_id == "a" && a->link.empty()));
        go_on_with(db, a->id, "page 2");
        round("a", {message("m", "a")});  // its listing was begun: that children are known says nothing
        CHECK(next_silent(db, id, main)->link == "page 2");
        CHECK(next_silent(db, id, main, a->id)->remote_id == "b");  // "a" can't be listed: the others can
        go_on_with(db, a->id, "");
        CHECK(next_silent(db, id, main)->remote_id == "b");
        round("b", {message("n", "b")});
        CHECK_FALSE(next_silent(db, id, main));
        CHECK_FALSE(next_step(db, main));
        CHECK(of("").cursor == "link");
    }

    TEST_CASE_FIXTURE(mailbox, "owners: a container departs when two lists in a row do not show it") {
        const owner_row ann("user", "ann", "ann", "users/ann");
        CHECK(kind_listed(db, ann, "mail", {"ann"}, 100));
        CHECK_FALSE(kind_listed(db, ann, "mail", {}, 100));
        CHECK(find_container(db, id)->state == "active");
        found_container f;
        f.key = "users/ann/mail";
        f.kind = "mail";
        f.owner_kind = "user";
        f.owner_id = f.owner_name = f.remote_id = "ann";
        f.name = "Mail";
        upsert_container(db, f);
        CHECK_FALSE(kind_listed(db, ann, "mail", {}, 100));
        CHECK(kind_listed(db, ann, "mail", {}, 100));
        CHECK(find_container(db, id)->state == "departed");
    }
}
