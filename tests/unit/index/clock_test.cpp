#include "index/clock.hpp"

#include <doctest/doctest.h>

#include "index/containers.hpp"
#include "index/walks.hpp"
#include "tests/unit/tree/support.hpp"

using namespace m365stage;

namespace {

constexpr core::unix_seconds today = 1'795'000'000, day = 86'400, year = 365 * day;

struct waiting_item {
    waiting_item() : db(folder.path() + "/index.db", index::database::mode::read_write) {
        db.script(
            "INSERT INTO container (id, key, kind, owner_kind, owner_id, owner_name, remote_id, name, state, "
            "departed_at) VALUES (1, 'users/ann/onedrive', 'drive', 'user', 'u', 'ann', 'D', 'OneDrive', "
            "'departed', 1795000000);"
            "INSERT INTO item (id, container_id, remote_id, type, parent, name) VALUES (1, 1, 'A', 1, NULL, "
            "'a'),"
            "(2, 1, 'B', 1, NULL, 'b');"
            "INSERT INTO pending (item_id, container_id, state, version, content, permissions, cause, meta, "
            "url, "
            "url_until, owed_since, next_try) VALUES (1, 1, 0, 1, 1, 0, 3, '{}', 'u', 1795003600, "
            "1795000000, "
            "1795050000), (2, 1, 1, 1, 1, 0, 3, '{}', NULL, NULL, 1795000000, 0);"
        );
        index::note_detour(db, index::stream_id(7), today);
    }

    std::int64_t number(const char* sql) { return db.number(sql).value_or(-1); }

    test::temp_folder folder;
    index::database db;
};

}  // namespace

TEST_SUITE("index") {
    TEST_CASE("clock: a pass after another changes nothing of what waits") {
        waiting_item w;
        for (const auto now : {today, today + 1, today + 900, today + 899, today + 840}) {
            CHECK(index::note_time(w.db, now) == 0);
        }
        CHECK(w.number("SELECT next_try FROM pending WHERE item_id=1") == 1'795'050'000);
        CHECK(w.number("SELECT departed_at FROM container") == today);
    }

    TEST_CASE("clock: set a year back, nothing waits a year for it") {
        waiting_item w;
        CHECK(index::note_time(w.db, today) == 0);
        const auto now = today - year;
        CHECK(index::note_time(w.db, now) == year);
        CHECK(w.number("SELECT next_try FROM pending WHERE item_id=1") == now);
        CHECK(w.number("SELECT next_try FROM pending WHERE item_id=2") == 0);
        CHECK(w.number("SELECT count(*) FROM pending WHERE url IS NOT NULL OR url_until IS NOT NULL") == 0);
        CHECK(w.number("SELECT max(owed_since) FROM pending") == now);
        CHECK(w.number("SELECT departed_at FROM container") == now);
        CHECK(index::detour_since(w.db, index::stream_id(7)) == now);
        CHECK(index::note_time(w.db, now + 1) == 0);
        CHECK(index::note_time(w.db, today) == 0);  // and right again
        CHECK(w.number("SELECT departed_at FROM container") == now);
    }

    TEST_CASE("clock: a year ahead, times that were noted stay") {
        waiting_item w;
        CHECK(index::note_time(w.db, today) == 0);
        CHECK(index::note_time(w.db, today + year) == 0);
        CHECK(w.number("SELECT departed_at FROM container") == today);
        CHECK(w.number("SELECT next_try FROM pending WHERE item_id=1") == 1'795'050'000);
    }
}
