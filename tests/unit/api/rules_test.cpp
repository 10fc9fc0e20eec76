#include "api/rules.hpp"

#include <doctest/doctest.h>

namespace m365stage::api {
namespace {

using std::chrono::seconds;

pass_request wants(std::string only, core::unix_seconds max_age = 0) {
    pass_request r;
    r.only = std::move(only);
    r.max_age = max_age;
    return r;
}

tree_look look(bool held, bool whole, core::unix_seconds fresh_at) {
    tree_look l;
    l.held = held;
    l.whole = whole;
    l.fresh_at = fresh_at;
    return l;
}

readiness_facts healthy() {
    readiness_facts f;
    f.now = 1'000'000;
    f.last_success_at = f.now - 60;
    f.interval = seconds(900);
    f.disk_free = 10'000'000'000;
    f.least_free = 1'000'000'000;
    f.root = "/srv/stage";
    return f;
}

std::vector<core::error_kind> kinds(const readiness_facts& f) {
    std::vector<core::error_kind> out;
    for (const auto& e : reasons_against(f)) {
        out.push_back(e.kind);
        CHECK_FALSE(core::describe(e).empty());
    }
    return out;
}

using many = std::vector<core::error_kind>;
using core::error_kind;

TEST_SUITE("api rules") {
    TEST_CASE("pauses double from 5 s to five minutes, and are never longer than the interval") {
        const seconds day(86'400);
        CHECK(retry_pause(0, day) == seconds(5));
        CHECK(retry_pause(1, day) == seconds(5));
        CHECK(retry_pause(2, day) == seconds(10));
        CHECK(retry_pause(6, day) == seconds(160));
        CHECK(retry_pause(7, day) == seconds(300));
        CHECK(retry_pause(4'000'000'000U, day) == seconds(300));
        CHECK(retry_pause(5, seconds(20)) == seconds(20));
        CHECK(retry_pause(1, seconds(0)) == seconds(1));
    }

    TEST_CASE("a pass that runs serves who wants one that old, of all or of the same part") {
        CHECK(serves("", 100, wants("", 50), 150));
        CHECK_FALSE(serves("", 99, wants("", 50), 150));
        CHECK(serves("", 100, wants("users/*", 50), 150));
        CHECK(serves("users/*", 100, wants("users/*", 50), 150));
        CHECK_FALSE(serves("users/*", 100, wants("", 50), 150));
        CHECK_FALSE(serves("users/*", 100, wants("sites/*", 50), 150));
        CHECK_FALSE(serves("", 150, wants("", 0), 150));   // 0 asks for a new one
        CHECK_FALSE(serves("", 500, wants("", 50), 150));  // begun before the clock was set back
    }

    TEST_CASE("the next pass covers all if that is due or wanted, otherwise what waits longest") {
        CHECK(next_scope({}, true).empty());
        CHECK(next_scope({wants("users/*")}, true).empty());
        CHECK(next_scope({wants("users/*"), wants("")}, false).empty());
        CHECK(next_scope({wants("users/*"), wants("sites/*")}, false) == "users/*");
    }

    TEST_CASE("readiness: a service that is well has nothing to say") {
        CHECK(kinds(healthy()).empty());
        auto f = healthy();
        f.last_success_at = f.now - 3600;
        CHECK(kinds(f).empty());
        f.disk_free.reset();
        CHECK(kinds(f).empty());
    }

    TEST_CASE(
        "readiness: what failed, what is late, what is held, what is full; what is known is not told twice"
    ) {
        auto f = healthy();
        f.last_success_at = 0;
        CHECK(kinds(f) == many{error_kind::busy});
        f.trouble = core::error(error_kind::auth_refused, "no");
        CHECK(kinds(f) == many{error_kind::auth_refused});
        f.last_success_at = f.now - 3601;
        CHECK(kinds(f) == many{error_kind::auth_refused, error_kind::busy});
        CHECK(reasons_against(f)[1].cause == "the last good pass ended 1h ago");
        f.interval = seconds(7200);  // three passes that are missing, not an hour
        CHECK(kinds(f) == many{error_kind::auth_refused});
        f.held = 12;
        f.disk_free = 999'999'999;
        CHECK(kinds(f) == many{error_kind::auth_refused, error_kind::guard, error_kind::disk});
        CHECK(reasons_against(f)[2].cause == "953 MiB are free, less than stage.min_free_bytes");
        f.trouble = core::error(error_kind::disk, "full");
        CHECK(kinds(f) == many{error_kind::disk, error_kind::guard});
    }

    TEST_CASE("readiness: a disk with too little for the index, or without room for an item, is full") {
        auto f = healthy();
        f.least_free = 0;
        f.disk_free = std::uint64_t{16} << 20;
        CHECK(kinds(f).empty());
        f.disk_free = (std::uint64_t{16} << 20) - 1;
        REQUIRE(kinds(f) == many{error_kind::disk});
        CHECK(reasons_against(f)[0].cause == "15 MiB are free, too little to go on with");
        f.no_room = 3;
        CHECK(kinds(f) == many{error_kind::disk});
        f.disk_free = 10'000'000'000;
        REQUIRE(kinds(f) == many{error_kind::disk});
        CHECK(reasons_against(f)[0].cause == "the disk has no room for 3 items");
    }

    TEST_CASE("the hook refuses for whatever /readyz refuses, but for the age of the tree") {
        auto f = healthy();
        CHECK_FALSE(reason_to_refuse(reasons_against(f)));
        f.last_success_at = 0;
        CHECK_FALSE(reason_to_refuse(reasons_against(f)));
        for (const auto kind : {error_kind::transport, error_kind::throttled, error_kind::server}) {
            f.trouble = core::error(kind, "away");
            CHECK_FALSE(reason_to_refuse(reasons_against(f)));
        }
        f.held = 1;  // behind a trouble that age decides of
        CHECK(reason_to_refuse(reasons_against(f))->kind == error_kind::guard);
        for (const auto kind :
             {error_kind::auth_refused, error_kind::forbidden, error_kind::disk, error_kind::index,
              error_kind::usage}) {
            f.trouble = core::error(kind, "no");
            CHECK(reason_to_refuse(reasons_against(f))->kind == kind);
        }
        f = healthy();
        f.disk_free = f.least_free - 1;
        CHECK(reason_to_refuse(reasons_against(f))->kind == error_kind::disk);
        f = healthy();
        f.no_room = 1;
        CHECK(reason_to_refuse(reasons_against(f))->kind == error_kind::disk);
    }

    TEST_CASE("a job takes a fresh tree, shares one that is held, and waits for what is neither") {
        using enum lease_step;
        CHECK(next_step(look(false, true, 100), 50, 150) == take);
        CHECK(next_step(look(false, true, 99), 50, 150) == wait_for_pass);
        CHECK(next_step(look(false, false, 100), 50, 150) == wait_for_pass);
        CHECK(next_step(look(false, true, 150), 0, 150) == wait_for_pass);
        CHECK(next_step(look(false, true, 500), 50, 150) == wait_for_pass);  // the clock was set back
        CHECK(next_step(look(false, true, 0), 500, 150) == wait_for_pass);   // no pass has ended yet
        CHECK(next_step(look(true, true, 100), 50, 150) == share);
        CHECK(next_step(look(true, true, 1), 0, 150) == share);
        CHECK(next_step(look(true, true, 99), 50, 150) == wait_for_others);
        auto again = look(true, true, 99);
        again.mine = true;
        CHECK(next_step(again, 50, 150) == share);  // Bareos may run a script twice
    }

    TEST_CASE("the line for systemd says what matters most") {
        service_state s;
        CHECK(status_line(s) == "waiting");
        s.last.emplace();
        s.last->outcome = "degraded";
        s.last->generation = 7;
        CHECK(status_line(s) == "degraded pass, generation 7");
        s.pass_started_at = 1'700'000'000;
        CHECK(status_line(s) == "a pass runs since 2023-11-14T22:13:20Z");
        s.no_answer = core::error(error_kind::transport, "Connection refused");
        CHECK(status_line(s) == "no answer, trying again: Connection refused");
        s.not_ready.emplace_back(error_kind::disk, "full");
        CHECK(status_line(s) == "not ready: full");
    }
}

}  // namespace
}  // namespace m365stage::api
