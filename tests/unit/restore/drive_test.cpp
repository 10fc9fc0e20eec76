#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "restore/drive_calls.hpp"
#include "restore/drive_folder.hpp"
#include "restore/drive_permissions.hpp"
#include "restore/kind.hpp"

using namespace m365stage;
using nlohmann::json;

TEST_SUITE("restore: drives") {
    TEST_CASE("targets are read as people write them and as ls prints them") {
        auto user = restore::parse_place("users/ann@contoso.com/Old/2025");
        REQUIRE(user.has_value());
        CHECK(user->owner_kind == "user");
        CHECK(user->owner == "ann@contoso.com");
        REQUIRE(restore::take_container_name(*user, "onedrive", {"user"}).has_value());
        CHECK(user->rest == std::vector<std::string>{"Old", "2025"});
        auto container = restore::parse_place("users/ann@contoso.com/onedrive/Old");
        REQUIRE(container.has_value());
        auto other = *container;
        REQUIRE(restore::take_container_name(*container, "onedrive", {"user"}).has_value());
        CHECK(container->rest == std::vector<std::string>{"Old"});
        CHECK(restore::take_container_name(other, "mail", {"user"}).has_error());
        auto site = restore::parse_place("sites/contoso.sharepoint.com/sites/ops/libraries/Plans/2025");
        REQUIRE(site.has_value());
        CHECK(site->owner == "contoso.sharepoint.com/sites/ops");
        CHECK(site->rest == std::vector<std::string>{"libraries", "Plans", "2025"});
        CHECK(restore::take_container_name(*site, "mail", {"user"}).has_error());
        auto bare = restore::parse_place("sites/contoso.sharepoint.com");
        REQUIRE(bare.has_value());
        CHECK(bare->owner == "contoso.sharepoint.com");
        CHECK(restore::parse_place("ann@contoso.com").has_error());
        CHECK(restore::parse_place("chats/x/y").has_error());
    }

    TEST_CASE("requests never let the service overwrite or rename by itself") {
        const restore::drive_calls calls("b!1,2");
        const json info{{"lastModifiedDateTime", "2026-01-01T00:00:00Z"}};
        const auto folder = json::parse(calls.make_folder("p", "a", info, "o").body);
        CHECK(folder["@microsoft.graph.conflictBehavior"] == "fail");
        CHECK(folder["fileSystemInfo"] == info);
        auto begin = calls.begin_upload("p", "50% of #1.txt", false, info, "o");
        CHECK(begin.target == "/v1.0/drives/b!1,2/items/p:/50%25%20of%20%231.txt:/createUploadSession");
        CHECK(json::parse(begin.body)["item"]["@microsoft.graph.conflictBehavior"] == "fail");
        begin = calls.begin_upload("p", "a", true, info, "o");
        CHECK(json::parse(begin.body)["item"]["@microsoft.graph.conflictBehavior"] == "replace");
        CHECK(calls.put_empty("p", "a", false, "o").target.ends_with("conflictBehavior=fail"));
        // One whose answer was lost would give a link twice.
        CHECK(!calls.create_link("i", json::object(), "o").idempotent);
        CHECK(!calls.invite("i", json::object(), "o").idempotent);
    }

    TEST_CASE("what a sidecar announces of a file larger than 2 GiB is not cut") {
        const json hashes{{"quickXorHash", "hash"}};
        const json staged{{"size", 5'000'000'000}, {"file", {{"hashes", hashes}}}};
        const auto announced = restore::announced_item(staged);
        REQUIRE(announced.has_value());
        CHECK(announced->size == 5'000'000'000);
        CHECK(announced->hash == "hash");
        CHECK(announced->file);
        CHECK(restore::announced_item(json()).has_value());
    }

    TEST_CASE("a folder is looked into unless it is a notebook or no folder by its sidecar") {
        restore::object o;
        o.folder = true;
        for (const auto state :
             {restore::object_state::good, restore::object_state::no_sidecar,
              restore::object_state::damaged_sidecar}) {
            o.state = state;
            CHECK(restore::is_entered(o));
        }
        o.state = restore::object_state::odd;
        CHECK(!restore::is_entered(o));
        o.state = restore::object_state::good;
        o.meta.type = "package";
        CHECK(!restore::is_entered(o));
        o = restore::object();
        CHECK(!restore::is_entered(o));
    }

    TEST_CASE("a right is given without a mail, or the reason is told") {
        const auto now = *core::parse_timestamp("2026-11-23T00:00:00Z");
        const json user{
            {"roles", {"write"}}, {"grantedToV2", {{"user", {{"id", "u1"}, {"email", "b@c.d"}}}}}
        };
        const auto g = restore::grant_of(user, now);
        CHECK(g.reason.empty());
        const auto body = json::parse(g.body);
        CHECK(body["sendInvitation"] == false);
        CHECK(body["requireSignIn"] == true);
        CHECK(body["roles"] == json::array({"write"}));
        CHECK(body["recipients"] == json::array({{{"email", "b@c.d"}}}));
        const json link{{"roles", {"read"}}, {"link", {{"type", "view"}, {"scope", "organization"}}}};
        const auto l = restore::grant_of(link, now);
        CHECK(l.link);
        CHECK(json::parse(l.body)["sendNotification"] == false);
        CHECK(l.who == restore::grant_key(link));
        json over = user;
        over["expirationDateTime"] = "2026-01-01T00:00:00Z";
        CHECK(restore::grant_of(over, now).needless);
        json locked = link;
        locked["hasPassword"] = true;
        CHECK(restore::grant_of(locked, now).reason.find("password") != std::string::npos);
        const json group{{"roles", {"read"}}, {"grantedToV2", {{"siteGroup", {{"id", "5"}}}}}};
        CHECK(!restore::grant_of(group, now).reason.empty());
    }

    TEST_CASE("a link for several people becomes one for each, if one of them is gone") {
        const json people = json::array(
            {{{"user", {{"id", "u1"}, {"email", "b@c.d"}}}},
             {{"user", {{"email", "gone@c.d"}}}},
             json::object()}
        );
        json link{
            {"roles", {"write"}},
            {"link", {{"type", "edit"}, {"scope", "users"}}},
            {"grantedToIdentitiesV2", people}
        };
        const auto single = restore::links_for_one(link);
        REQUIRE(single.size() == 2);
        const auto first = restore::grant_of(single[0], 0);
        CHECK(json::parse(first.body)["recipients"] == json::array({{{"email", "b@c.d"}}}));
        CHECK(first.who == "link:edit:users,user:u1");
        CHECK(restore::grant_of(single[1], 0).whom == "a link for gone@c.d");
        CHECK(restore::grant_of(link, 0).whom == "a link for b@c.d, gone@c.d");
        link["link"]["scope"] = "organization";
        CHECK(restore::links_for_one(link).empty());
    }

    TEST_CASE("names beside others, and times in whole seconds") {
        CHECK(restore::restored_name("a.txt", 1) == "a (restored).txt");
        CHECK(restore::restored_name("a.tar.gz", 2) == "a.tar (restored 2).gz");
        CHECK(restore::restored_name(".profile", 1) == ".profile (restored)");
        const auto info = restore::file_system_info(json{
            {"fileSystemInfo", {{"createdDateTime", "2026-01-01T10:00:00.123Z"}, {"lastModifiedDateTime", 5}}}
        });
        CHECK(info == json{{"createdDateTime", "2026-01-01T10:00:00Z"}});
        CHECK(restore::file_system_info(json()).empty());
    }

    TEST_CASE("an item of a drive is read whatever it lacks") {
        CHECK(!restore::parse_remote_item(json::object()));
        CHECK(!restore::parse_remote_item(json()));
        const auto file = restore::parse_remote_item(
            json{{"id", "1"}, {"name", "a"}, {"size", 3}, {"file", {{"hashes", {{"quickXorHash", "h"}}}}}}
        );
        REQUIRE(file);
        CHECK(file->file);
        CHECK(file->hash == "h");
        CHECK(!file->modified);
    }
}
