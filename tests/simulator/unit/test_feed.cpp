#include "fixture.hpp"

using namespace m365stage::sim;

TEST_SUITE("simulator") {
    TEST_CASE("delta: a first round has every item once, parents first") {
        tenant_fixture t;
        drive& d = t.world.directory.drive_at(0);
        feed_client c(t, d, "$top=7");
        CHECK(c.round() == static_cast<int>((d.live_count() + 1 + 6) / 7));
        c.check_complete();
        for (const auto& [id, times] : c.seen) {
            CHECK(times == 1);
        }
        auto page = t.json("/v1.0/drives/" + d.id + "/root/delta");
        std::map<std::string, bool> known;
        for (const auto& i : page["value"]) {
            bool has_parent = i["parentReference"].contains("id");
            CHECK(has_parent == !i.contains("root"));
            CHECK((!has_parent || known[i["parentReference"]["id"]]));
            known[i["id"]] = true;
        }
    }

    TEST_CASE("delta: nothing changed is one empty page") {
        tenant_fixture t;
        feed_client c(t, t.world.directory.drive_at(0));
        c.round();
        for (int n = 0; n < 3; ++n) {
            CHECK(c.round() == 1);
            CHECK(c.seen.empty());
        }
    }

    TEST_CASE("delta: after any batch of changes a client that follows the feed has the drive") {
        tenant_fixture t;
        drive& d = t.world.directory.drive_at(0);
        feed_client c(t, d, "$top=5");
        c.round();
        for (int seed = 1; seed <= 60; ++seed) {
            auto done = t.admin("change", {{"seed", seed}, {"count", 15}, {"drive", d.id}});
            CHECK(done["changes"].size() == 15);
            c.round();
            c.check_complete();
            for (const auto& [id, times] : c.seen) {
                CHECK(times == 1);
            }
        }
    }

    TEST_CASE("delta: changes during an enumeration arrive in it or in the next round") {
        tenant_fixture t;
        drive& d = t.world.directory.drive_at(0);
        t.admin("faults", {{"type", "mutate_between_pages"}});
        feed_client c(t, d, "$top=3");
        c.round();
        t.admin("change", {{"seed", 5}, {"count", 40}, {"drive", d.id}});
        c.round();
        t.world.faults.clear();
        c.round();
        c.check_complete();
    }

    TEST_CASE("delta: a renamed or moved folder comes without its children") {
        tenant_fixture t;
        drive& d = t.world.directory.drive_at(0);
        t.admin("op", {{"op", "create"}, {"drive", d.id}, {"path", "top/inner/file.txt"}});
        feed_client c(t, d);
        c.round();
        auto moved =
            t.admin("op", {{"op", "rename"}, {"drive", d.id}, {"path", "top/inner"}, {"name", "other"}});
        c.round();
        CHECK(c.seen.size() == 3);  // the root, top and the folder itself
        CHECK(c.seen.contains(moved["id"].get<std::string>()));
        c.check_complete();
    }

    TEST_CASE("delta: a deleted folder is told with all that was in it, nameless") {
        tenant_fixture t;
        drive& d = t.world.directory.drive_at(0);
        t.admin("op", {{"op", "create"}, {"drive", d.id}, {"path", "gone/a"}});
        t.admin("op", {{"op", "create"}, {"drive", d.id}, {"path", "gone/b"}});
        feed_client c(t, d);
        c.round();
        t.admin("op", {{"op", "delete"}, {"drive", d.id}, {"path", "gone"}});
        auto page = t.json(c.link);
        int tombstones = 0;
        for (const auto& i : page["value"]) {
            if (i.contains("deleted")) {
                ++tombstones;
                CHECK_FALSE(i.contains("name"));
                CHECK(i["size"] == 0);
            }
        }
        CHECK(tombstones == 3);
        c.round();
        c.check_complete();
    }

    TEST_CASE("delta tokens: latest, points in time, garbage and foreign ones") {
        tenant_fixture t;
        drive& d = t.world.directory.drive_at(0);
        std::string base = "/v1.0/drives/" + d.id + "/root/delta";
        feed_client c(t, d, "token=latest");
        CHECK(c.round() == 1);
        CHECK(c.seen.empty());
        auto made = t.admin("op", {{"op", "create"}, {"drive", d.id}, {"path", "later.txt"}});
        std::string link = c.link;
        c.round();
        CHECK(c.seen.contains(made["id"].get<std::string>()));
        CHECK(t.get(base + "?token=garbage").status == 400);
        CHECK(
            t.get(base + "?token=garbage").body.find("Provided sync token is malformed") != std::string::npos
        );
        drive& other = t.world.directory.drive_at(1);
        CHECK(
            t.get("/v1.0/drives/" + other.id + "/root/delta?" + link.substr(link.find("token="))).status ==
            400
        );
        CHECK(t.get(base + "?token=" + iso_time(t.world.now() - 61 * day_seconds)).status == 410);
        auto page = t.json(base + "?token=" + iso_time(t.world.now() - 3600));
        CHECK(page["value"].size() >= 2);
        CHECK(t.json(base + "(token='latest')")["value"].empty());
    }

    TEST_CASE("delta: $select is baked into the links, and the annotation is only had by its odd name") {
        tenant_fixture t;
        drive& d = t.world.directory.drive_at(0);
        std::string base = "/v1.0/drives/" + d.id + "/root/delta?$top=10&$select=id,";
        auto page = t.json(base + "content.downloadUrl,file");
        page = t.json(page["@odata.nextLink"]);
        bool some = false;
        for (const auto& i : page["value"]) {
            CHECK_FALSE(i.contains("name"));
            some = some || i.contains("@microsoft.graph.downloadUrl");
        }
        CHECK(some);
        page = t.json(base + "@microsoft.graph.downloadUrl");
        for (const auto& i : page["value"]) {
            CHECK_FALSE(i.contains("@microsoft.graph.downloadUrl"));
        }
    }

    TEST_CASE("delta: a library tells changes of sharing only to those who ask") {
        tenant_fixture t;
        drive* d = nullptr;
        for (std::uint32_t n = 0; n < t.world.directory.drive_count(); ++n) {
            d = t.world.directory.drive_at(n).type == "documentLibrary" ? &t.world.directory.drive_at(n) : d;
        }
        REQUIRE(d != nullptr);
        auto made = t.admin("op", {{"op", "create"}, {"drive", d->id}, {"path", "x.txt"}});
        feed_client plain(t, *d);
        plain.round();
        auto first = t.make("GET", "/v1.0/drives/" + d->id + "/root/delta?token=latest");
        first.headers.emplace_back(
            "prefer",
            "hierarchicalsharing, deltashowremovedasdeleted, deltatraversepermissiongaps, "
            "deltashowsharingchanges"
        );
        std::string asked = nlohmann::json::parse(serve(t.world, first).body)["@odata.deltaLink"];
        t.admin(
            "op", {{"op", "share"}, {"drive", d->id}, {"path", "x.txt"}, {"email", "bela@contoso.example"}}
        );
        plain.round();
        CHECK(plain.seen.empty());
        bool found = false;
        auto shared = t.json(asked);
        for (const auto& i : shared["value"]) {
            if (i["id"] == made["id"]) {
                found = i["@microsoft.graph.sharedChanged"] == "True" && i.contains("shared");
            }
        }
        CHECK(found);
    }

    TEST_CASE("downloads: ranges, expiry and no tokens") {
        tenant_fixture t;
        drive& d = t.world.directory.drive_at(0);
        t.admin("op", {{"op", "create"}, {"drive", d.id}, {"path", "data.bin"}, {"size", 1000}, {"seed", 9}});
        auto item = t.json("/v1.0/drives/" + d.id + "/root:/data.bin");
        std::string url = item["@microsoft.graph.downloadUrl"];
        auto r = t.make("GET", url);
        CHECK(serve(t.world, r).file_length == 1000);
        r.headers.emplace_back("range", "bytes=10-19");
        CHECK(serve(t.world, r).status == 416);  // no Accept header
        r.headers.emplace_back("accept", "*/*");
        auto part = serve(t.world, r);
        CHECK(part.status == 206);
        CHECK(part.file_offset == 10);
        CHECK(part.file_length == 10);
        r.headers.emplace_back("authorization", "Bearer x");
        CHECK(serve(t.world, r).status == 401);
        CHECK(t.world.manners.violations()["rules"]["authorization_on_file_host"] == 1);
        t.admin("settings", {{"advance_clock", 3601}});
        CHECK(t.get(url).status == 401);
        t.admin("settings", {{"advance_clock", -3601}});
        t.admin("op", {{"op", "delete"}, {"drive", d.id}, {"path", "data.bin"}});
        CHECK(t.get(url).status == 404);
    }
}
