#include "sync/run/permission.hpp"

#include <doctest/doctest.h>

using namespace m365stage;
using core::error_kind;

namespace {

core::error answer(error_kind kind, int status, std::string code) {
    core::error e(kind, "no");
    e.http_status = status;
    e.code = std::move(code);
    return e;
}

const auto denied = answer(error_kind::forbidden, 403, "accessDenied");

sources::enabled_kinds all_kinds() {
    sources::enabled_kinds k;
    k.mail = k.calendar = k.contacts = k.tasks = true;
    return k;
}

}  // namespace

TEST_SUITE("sync") {
    TEST_CASE("permission: a kind of which every container was refused ends the pass, with kinds and numbers"
    ) {
        sync::permission_tally t;
        CHECK_FALSE(t.lost());
        t.refused("onedrive", denied);
        t.refused("onedrive", denied);
        t.not_refused("mail");
        auto why = t.lost();
        REQUIRE(why);
        CHECK(core::exit_code_for(why->kind) == core::exit_code::auth);
        CHECK(
            core::describe(*why) ==
            "HTTP 403 accessDenied: all 2 containers of onedrive refused; 'm365stage "
            "check' names the permission that is missing"
        );
        t.list_refused("tasks", answer(error_kind::forbidden, 403, "ErrorAccessDenied"));
        t.list_refused("tasks", answer(error_kind::forbidden, 403, "ErrorAccessDenied"));
        CHECK(t.lost()->cause == "all 2 containers of onedrive and tasks of all 2 owners refused");
    }

    TEST_CASE("permission: the only one of its kind ends a pass if nothing else comes either") {
        sync::permission_tally t;
        t.refused("sharepoint", denied);
        CHECK(t.lost());
        t.not_refused("");  // settings are no kind
        CHECK(t.lost());
        t.not_refused("onedrive");
        CHECK_FALSE(t.lost());
        t.refused("sharepoint", denied);
        CHECK(t.lost()->cause == "all 2 containers of sharepoint refused");
    }

    TEST_CASE("permission: single containers that may not be read are nothing that ends a pass") {
        sync::permission_tally t;
        t.refused("sharepoint", denied);
        t.list_refused("mail", denied);
        t.not_refused("sharepoint");
        t.not_refused("mail");
        CHECK_FALSE(t.lost());
    }

    TEST_CASE("permission: what is disabled, and settings of mailboxes, are nothing that ends a pass") {
        auto k = all_kinds();
        CHECK(sync::permission_kind("drive", "user", k) == "onedrive");
        CHECK(sync::permission_kind("drive", "site", k) == "sharepoint");
        CHECK(sync::permission_kind("drive", "group", k) == "sharepoint");
        CHECK(sync::permission_kind("calendar", "group", k) == "calendar");
        CHECK(sync::permission_kind("settings", "user", k).empty());
        k.sites = k.mail = k.user_drives = false;
        CHECK(sync::permission_kind("drive", "group", k) == "groups");
        CHECK(sync::permission_kind("drive", "site", k).empty());
        CHECK(sync::permission_kind("drive", "user", k).empty());
        CHECK(sync::permission_kind("mail", "user", k).empty());
        sync::permission_tally t;
        t.refused("", denied);
        CHECK_FALSE(t.lost());
    }

    TEST_CASE("permission: locked, not there, over quota and without a licence are an object's own state") {
        CHECK(sync::may_lack_permission(denied));
        CHECK(sync::may_lack_permission(answer(error_kind::unauthorized, 401, "")));
        for (const auto& own :
             {answer(error_kind::locked, 423, "notAllowed"),
              answer(error_kind::not_found, 404, "itemNotFound"),
              answer(error_kind::forbidden, 403, "ErrorQuotaExceeded"),
              answer(error_kind::forbidden, 401, "AuthenticationError")}) {
            CHECK_FALSE(sync::may_lack_permission(own));
            CHECK(sync::says_nothing_of_permission(own));
        }
        CHECK_FALSE(sync::says_nothing_of_permission(answer(error_kind::server, 500, "")));
    }
}
