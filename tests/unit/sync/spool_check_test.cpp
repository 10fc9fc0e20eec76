#include "sync/run/spool_check.hpp"

#include "core/hash.hpp"
#include "index/containers.hpp"
#include "index/rows.hpp"
#include "tests/support/run_coro.hpp"
#include "tests/unit/tree/support.hpp"

using namespace m365stage;

namespace {

std::string digest(std::string_view text) {
    core::sha256 sum;
    sum.update(std::as_bytes(std::span(text)));
    const auto d = sum.finish();
    return {reinterpret_cast<const char*>(d.data()), d.size()};
}

/// A root with an index in which files wait in the spool.
struct spool {
    spool() : store(stage.path("index.db")) {
        store.direct().run(
            "INSERT INTO container (id, key, kind, owner_kind, owner_id, owner_name, remote_id, name) VALUES "
            "(1, 'users/ann/onedrive', 'drive', 'user', 'u', 'ann', 'D', 'OneDrive')"
        );
    }

    /// The row says that `said` waits in spool/; `there` is what lies on the disk, or nothing.
    void wait(std::int64_t item, const std::string& said, const std::optional<std::string>& there) {
        auto& db = store.direct();
        const auto name = std::to_string(item) + "-1";
        const auto sha = digest(said);
        db.run(
            "INSERT INTO item (id, container_id, remote_id, type, parent, name) VALUES (?, 1, ?, 1, NULL, ?)",
            item, name, name
        );
        db.run(
            "INSERT INTO pending (item_id, container_id, state, version, content, permissions, cause, meta, "
            "url, "
            "spool, spool_inode, spool_size, spool_sha256, owed_since) VALUES (?, 1, 1, 1, 1, 0, 3, '{}', "
            "'u', ?, "
            "7, ?, ?, 1)",
            item, name, said.size(), index::as_blob(sha)
        );
        if (there) {
            stage.write("spool/" + name, *there);
        }
    }

    std::size_t check(const std::string& boot) {
        std::size_t lost = 0;
        test::run_coro(io, [&]() -> boost::asio::awaitable<void> {
            lost = co_await sync::check_spool_after_boot(store, stage.root(), disk, boot);
        });
        return lost;
    }

    std::int64_t to_fetch() {
        return store.direct()
            .number("SELECT count(*) FROM pending WHERE state=0 AND spool IS NULL AND url IS NULL")
            .value_or(0);
    }
    std::int64_t waiting() {
        return store.direct()
            .number("SELECT count(*) FROM pending WHERE state=1 AND spool IS NOT NULL")
            .value_or(0);
    }

    boost::asio::io_context io;  // outlives the threads, which may still be waking it
    test::temp_stage stage;
    index::store store;
    async::worker disk{2};
};

}  // namespace

TEST_SUITE("sync") {
    TEST_CASE("spool check: after a boot what the power cut took is fetched again, what is whole is kept") {
        spool s;
        s.wait(1, "whole", "whole");
        s.wait(2, "cut off", "cut");
        s.wait(3, "zeroes", std::string(6, '\0'));
        s.wait(4, "never written", std::nullopt);
        s.wait(5, "", "");
        CHECK(s.check("boot 2") == 3);
        CHECK(s.to_fetch() == 3);
        CHECK(s.waiting() == 2);
    }

    TEST_CASE("spool check: within a boot nothing is read") {
        spool s;
        s.wait(1, "whole", "whole");
        CHECK(s.check("boot 1") == 0);
        s.wait(2, "said", "something else");
        CHECK(s.check("boot 1") == 0);
        CHECK(s.waiting() == 2);
        CHECK(s.check("boot 2") == 1);
        CHECK(s.to_fetch() == 1);
    }

    TEST_CASE("spool check: where the boot has no name, each start counts as the first one") {
        spool s;
        s.wait(1, "said", "said");
        CHECK(s.check("") == 0);
        s.wait(2, "said", "something else");
        CHECK(s.check("") == 1);
    }

    TEST_CASE("spool check: more files than one step takes are all looked at") {
        spool s;
        for (std::int64_t item = 1; item <= 1201; ++item) {
            s.wait(item, "said", item % 400 == 0 ? std::nullopt : std::optional<std::string>("said"));
        }
        CHECK(s.check("boot") == 3);
        CHECK(s.waiting() == 1198);
    }
}
