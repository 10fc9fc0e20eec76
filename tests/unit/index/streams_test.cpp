#include "index/containers.hpp"
#include "index/items.hpp"
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
}
