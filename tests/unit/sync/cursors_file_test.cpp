#include "sync/cursors_file.hpp"

#include <sys/stat.h>

#include "index/containers.hpp"
#include "sync/state_file.hpp"
#include "tests/unit/tree/support.hpp"

namespace m365stage::sync {
namespace {

constexpr const char* file = "tree/.m365stage/cursors.json";

/// A stage whose index knows one mailbox with two folders, and a drive that nothing is staged of.
struct mailbox_stage {
    mailbox_stage() : db(stage.path("index.db"), index::database::mode::read_write) {
        db.script(
            "INSERT INTO container (id, key, at_key, kind, owner_kind, owner_id, owner_name, remote_id, "
            "name, "
            "cursor_state) VALUES (1, 'users/ann/mail', 'users/ann/mail', 'mail', 'user', 'u', 'ann', 'u', "
            "'Mail', 2), (2, 'users/ann/onedrive', NULL, 'drive', 'user', 'u', 'ann', 'd', 'OneDrive', 2);"
            "INSERT INTO stream (container_id, remote_id, cursor, shape, cursor_state) VALUES (1, '', 'c1', "
            "'s', 2), (1, 'inbox', 'c2 \"quoted\"', 's', 2), (1, 'drafts', 'c3', 's', 1);"
        );
    }

    std::vector<container_cursors> read() {
        std::vector<container_cursors> out;
        result = read_cursors(stage.root(), [&](container_cursors c) { out.push_back(std::move(c)); });
        return out;
    }
    auto inode() const { return stage.root().look(file)->inode; }

    test::temp_stage stage;
    index::database db;
    core::result<void> result;
};

TEST_SUITE("sync") {
    TEST_CASE("cursors file: what was written is read; cursors in the middle of a round are left out") {
        mailbox_stage s;
        REQUIRE(write_cursors(s.db, s.stage.root()).has_value());
        const auto found = s.read();
        REQUIRE(s.result.has_value());
        REQUIRE(found.size() == 1);
        CHECK(found[0].kind == "mail");
        CHECK(found[0].id == "u");
        CHECK(found[0].state == "active");
        REQUIRE(found[0].streams.size() == 2);
        CHECK(found[0].streams[1].folder == "inbox");
        CHECK(found[0].streams[1].cursor == "c2 \"quoted\"");
        CHECK(s.stage.list("spool") == std::map<std::string, std::string>{{"parked/", ""}, {"trash/", ""}});
    }

    TEST_CASE("cursors file: one that says the same is not touched, a longer or other one is replaced") {
        mailbox_stage s;
        REQUIRE(write_cursors(s.db, s.stage.root()).has_value());
        const auto first = s.inode();
        REQUIRE(write_cursors(s.db, s.stage.root()).has_value());
        CHECK(s.inode() == first);
        const auto text = s.stage.read(file);
        s.stage.write(file, text + " ");
        const auto longer = s.inode();
        REQUIRE(write_cursors(s.db, s.stage.root()).has_value());
        CHECK(s.inode() != longer);
        CHECK(s.stage.read(file) == text);
        s.db.run("UPDATE stream SET cursor='new' WHERE remote_id='inbox'");
        const auto before = s.inode();
        REQUIRE(write_cursors(s.db, s.stage.root()).has_value());
        CHECK(s.inode() != before);
        CHECK(s.read().at(0).streams.at(1).cursor == "new");
    }

    TEST_CASE("cursors file: the larger it is the less often it is written, and once a day at the least") {
        CHECK(rest_between_writes(0) == 0);
        CHECK(rest_between_writes(1 << 20) == 0);
        CHECK(rest_between_writes(2 << 20) == 32 * 60);
        CHECK(rest_between_writes(18 << 20) == 288 * 60);
        CHECK(rest_between_writes(std::int64_t{1} << 40) == 86'400);
        constexpr core::unix_seconds day = 86'400;
        mailbox_stage s;
        CHECK(cursors_are_old(s.stage.root(), 0));
        REQUIRE(write_cursors(s.db, s.stage.root()).has_value());
        const auto written = s.stage.root().look(file)->mtime;
        CHECK(cursors_are_old(s.stage.root(), written));
        s.stage.write(file, s.stage.read(file) + std::string(2 << 20, ' '));
        const auto large = s.stage.root().look(file)->mtime;
        CHECK_FALSE(cursors_are_old(s.stage.root(), large + 32 * 60 - 1));
        CHECK(cursors_are_old(s.stage.root(), large + 32 * 60));
        CHECK(cursors_are_old(s.stage.root(), large - day));
    }

    TEST_CASE("cursors file: a damaged one is an error, and gives what came before the damage") {
        mailbox_stage s;
        CHECK(s.read().empty());
        CHECK(s.result.error().kind == core::error_kind::not_found);
        REQUIRE(write_cursors(s.db, s.stage.root()).has_value());
        const auto text = s.stage.read(file);
        s.stage.write(file, text.substr(0, text.size() - 5));
        CHECK(s.read().size() == 1);
        CHECK(s.result.error().kind == core::error_kind::protocol);
        s.stage.write(file, text.substr(0, text.size() / 2));
        CHECK(s.read().empty());
        CHECK_FALSE(s.result.has_value());
        for (const char* other : {"", "[]", "{}", "{\"containers\": 1", "null"}) {
            s.stage.write(file, other);
            CHECK(s.read().empty());
            CHECK_FALSE(s.result.has_value());
        }
    }

    TEST_CASE("cursors file: pieces are compared as they come, in files of several pieces") {
        test::temp_stage s;
        const std::string part(100'000, 'x');
        const auto write = [&](char last) {
            state_writer out(s.root(), "cursors.json");
            for (int i = 0; i < 9; ++i) {
                REQUIRE(out.put(part).has_value());
            }
            REQUIRE(out.put(std::string(1, last)).has_value());
            REQUIRE(out.finish().has_value());
            return s.root().look(file)->inode;
        };
        const auto first = write('a');
        CHECK(s.root().look(file)->size == 900'001);
        CHECK(write('a') == first);
        CHECK(write('b') != first);
    }
}

}  // namespace
}  // namespace m365stage::sync
