#include "sync/lease.hpp"

#include "index/containers.hpp"
#include "tests/unit/tree/support.hpp"

using namespace m365stage;
using core::error_kind;

namespace {

/// Two drives that are up to date since 1000 and 2000.
struct two_drives {
    two_drives() {
        for (const std::string name : {"ann", "bob"}) {
            index::found_container f;
            f.key = "users/" + name + "/onedrive";
            f.kind = "drive";
            f.owner_kind = "user";
            f.owner_id = f.owner_name = f.remote_id = name;
            const auto id = index::upsert_container(db, f);
            index::complete_container(db, id, name == "ann" ? 1000 : 2000);
            ids.push_back(id);
        }
    }
    std::optional<core::error> refused(bool fail_on_owed) {
        return sync::refusal(db, sync::facts_of_tree(db), fail_on_owed);
    }
    test::temp_folder home;
    index::database db{home.path() + "/index.db", index::database::mode::read_write};
    std::vector<index::container_id> ids;
};

}  // namespace

TEST_SUITE("sync") {
    TEST_CASE("lease: --on-owed fail refuses when a container is not up to date, since nothing of it is known"
    ) {
        two_drives d;
        CHECK_FALSE(d.refused(true));
        index::set_unavailable(d.db, d.ids[0], "forbidden", "no", 3000);
        CHECK_FALSE(d.refused(false));
        const auto why = d.refused(true);
        REQUIRE(why);
        CHECK(why->kind == error_kind::owed);
        CHECK(why->cause == "1 containers are not up to date, and --on-owed is fail");
        const auto facts = sync::facts_of_tree(d.db);
        REQUIRE(facts.stale_containers.size() == 1);
        CHECK(facts.stale_containers[0].since == 1000);
    }

    TEST_CASE("lease: a site that Microsoft 365 has locked is not covered; --on-owed fail lets it pass") {
        two_drives d;
        index::set_unavailable(d.db, d.ids[0], "locked", "no", 3000);
        CHECK_FALSE(d.refused(true));
        index::set_container_error(d.db, d.ids[1], "server", "no", 3000);
        CHECK(d.refused(true));
    }
}
