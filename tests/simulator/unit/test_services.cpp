#include <fstream>
#include <set>
#include <sstream>

#include "fixture.hpp"

using namespace m365stage::sim;

TEST_SUITE("simulator") {
    TEST_CASE("faults: matched by service, place, count and chance, and listed") {
        tenant_fixture t;
        std::string users = "/v1.0/users";
        t.admin("faults", {{"type", "throttle"}, {"service", "directory"}, {"nth", 2}, {"seconds", 7}});
        CHECK(t.get(users).status == 200);
        auto refused = t.get(users);
        CHECK(refused.status == 429);
        CHECK(refused.headers[0] == std::pair<std::string, std::string>("Retry-After", "7"));
        CHECK(t.get(users).status == 200);
        CHECK(t.world.faults.list()[0]["struck"] == 1);
        t.world.faults.clear();
        t.admin("faults", {{"type", "throttle"}, {"service", "outlook"}, {"retry_after", 3}});
        refused = t.get(users + "/ada@contoso.example/mailFolders");
        CHECK(refused.status == 429);
        CHECK(refused.headers[0] == std::pair<std::string, std::string>("Retry-After", "3"));
        auto no_form =
            serve(t.world, t.make("POST", "/_sim/faults", R"({"type":"throttle","retry_after":"soon"})"));
        CHECK(no_form.status == 400);
        CHECK(no_form.body.find("a number of seconds") != std::string::npos);
        t.world.faults.clear();

        t.admin("faults", {{"type", "error"}, {"path", "ada@"}, {"status", 500}, {"form", "string"}});
        CHECK(t.get(users).status == 200);
        CHECK(t.get(users + "/ada@contoso.example").status == 500);
        t.world.faults.clear();

        t.admin("faults", {{"type", "error"}, {"probability", 0.3}, {"seed", 4}});
        int struck = 0;
        for (int n = 0; n < 300; ++n) {
            struck += t.get(users).status == 500 ? 1 : 0;
        }
        CHECK(struck > 60);
        CHECK(struck < 120);
        auto wrong = serve(t.world, t.make("POST", "/_sim/faults", R"({"type":"reset","after":3})"));
        CHECK(wrong.status == 400);
        CHECK(wrong.body.find("has no parameter 'after'") != std::string::npos);
    }

    TEST_CASE("faults: users told in part, null marks, members of a token's answer") {
        tenant_fixture t;
        const std::string users = "/v1.0/users/delta";
        const auto told = [&] { return t.json(users)["value"]; };
        const auto whole = told();
        t.admin("faults", {{"type", "told_in_part"}});
        CHECK(told().size() == 2 * whole.size());
        t.world.faults.clear();
        t.admin("faults", {{"type", "told_in_part"}, {"form", "alone"}});
        CHECK(told().size() == whole.size());
        CHECK_FALSE(told()[0].contains("userPrincipalName"));
        t.world.faults.clear();
        t.admin("faults", {{"type", "null_removed"}});
        CHECK(told()[0].at("@removed").is_null());
        t.world.faults.clear();
        t.admin(
            "faults", {{"type", "set_members"}, {"set", {{"value", "none"}}}, {"drop", {"@odata.context"}}}
        );
        const auto other = t.json(users);
        CHECK(other["value"] == "none");
        CHECK_FALSE(other.contains("@odata.context"));
    }

    TEST_CASE("faults: every kind of answer and body works on a feed") {
        tenant_fixture t;
        std::string url = "/v1.0/drives/" + t.world.directory.drive_at(0).id + "/root/delta";
        std::string good = t.get(url).body;
        const std::set<std::string> other_answers{"delay", "told_in_part", "set_members"};
        for (const auto& kind : fault_kinds()) {
            t.world.faults.clear();
            t.admin("faults", {{"type", kind.name}});
            auto out = t.get(url);
            if (kind.stage == fault_stage::before) {
                CHECK_MESSAGE((out.status != 200 || out.body != good), kind.name);
            } else if (kind.stage == fault_stage::after && !other_answers.contains(kind.name)) {
                CHECK_MESSAGE((out.damage != nullptr || out.body.size() != good.size()), kind.name);
            } else {
                CHECK(out.status > 0);
            }
        }
    }

    TEST_CASE("faults: resync answers 410 with a link that starts afresh, or a broken one") {
        tenant_fixture t;
        drive& d = t.world.directory.drive_at(0);
        feed_client c(t, d);
        c.round();
        t.admin("faults", {{"type", "resync"}, {"count", 1}});
        auto gone = t.get(c.link);
        REQUIRE(gone.status == 410);
        CHECK(gone.body.find("resyncRequired") != std::string::npos);
        c.items.clear();
        c.link = gone.headers[0].second;
        c.round();
        c.check_complete();
        t.admin(
            "faults", {{"type", "resync"},
                       {"count", 1},
                       {"location", "broken"},
                       {"code", "resyncChangesApplyDifferences"}}
        );
        gone = t.get(c.link);
        CHECK(t.get(gone.headers[0].second).status == 500);
    }

    TEST_CASE("faults: the odd feed still adds up") {
        tenant_fixture t;
        drive& d = t.world.directory.drive_at(0);
        t.admin("faults", {{"preset", "odd_feed"}, {"seed", 3}});
        feed_client c(t, d, "$top=6");
        c.round();
        c.check_complete();
    }

    TEST_CASE("limits: a window allows its units, refuses the rest and says until when") {
        limit_engine fixed;
        CHECK(fixed.configure({{"per_minute", 10}}).empty());
        std::int64_t start = 1'800'000'000'000 - 1'800'000'000'000 % 60000;
        CHECK(fixed.charge(5, start + 1000) == 0);
        CHECK(fixed.charge(5, start + 2000) == 0);
        CHECK(fixed.charge(1, start + 3000) == 57000);
        CHECK(fixed.charge(1, start + 60000) == 0);
        auto report = fixed.report(start + 60001);
        CHECK(report["windows"][0]["used"] == 11);  // what was refused counts
        CHECK(report["windows"][0]["refused"] == 1);

        limit_engine sliding;
        CHECK(sliding.configure({{"per_minute", 10}, {"window", "sliding"}}).empty());
        CHECK(sliding.charge(10, start + 50000) == 0);
        CHECK(sliding.charge(1, start + 61000) == 49000);
        CHECK(sliding.charge(1, start + 110001) == 0);

        limit_engine daily;
        CHECK(daily.configure({{"per_day", 3}}).empty());
        CHECK(daily.charge(3, start) == 0);
        CHECK(daily.charge(1, start + 120000) > 0);
        CHECK_FALSE(daily.configure({{"per_hour", 1}}).empty());
    }

    TEST_CASE("limits: a request costs what the service charges, and refusals are watched") {
        tenant_fixture t;
        drive& d = t.world.directory.drive_at(0);
        t.admin("limits", {{"per_minute", 8}, {"window", "sliding"}});
        std::string item = "/v1.0/drives/" + d.id + "/items/" + d.item_id(1);
        CHECK(t.get(item + "/permissions").status == 200);                   // 5
        CHECK(t.get("/v1.0/drives/" + d.id + "/root/delta").status == 200);  // 2
        CHECK(t.get(item).status == 200);                                    // 1
        CHECK(t.get(item).status == 429);
    }

    TEST_CASE("login: secrets, Basic, refresh tokens and the errors of the table") {
        tenant_fixture t;
        const auto& c = t.world.auth.files();
        auto ask = [&](const std::string& form) {
            auto r = t.make("POST", "/contoso.example/oauth2/v2.0/token", form);
            r.headers.clear();
            return serve(t.world, r);
        };
        std::string scope = "&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default";
        std::string start = "grant_type=client_credentials&client_id=" + c.client_id + scope;
        auto good = ask(start + "&client_secret=" + url_encode(c.client_secret));
        REQUIRE(good.status == 200);
        auto body = nlohmann::json::parse(good.body);
        CHECK(body["expires_in"] == 3599);
        t.token = body["access_token"];
        CHECK(t.get("/v1.0/users").status == 200);
        t.world.auth.expire_all();
        CHECK(t.get("/v1.0/users").status == 401);

        auto code = [](const response& r) {
            return nlohmann::json::parse(r.body)["error_codes"][0].get<int>();
        };
        CHECK(code(ask(start + "&client_secret=wrong")) == 7000215);
        CHECK(code(ask(start)) == 7000218);
        CHECK(code(ask("grant_type=client_credentials&client_id=x&client_secret=y" + scope)) == 700016);
        CHECK(code(ask("client_id=x")) == 900144);
        CHECK(code(ask("grant_type=refresh_token&refresh_token=none")) == 70000);
        CHECK(
            ask(start +
                "&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_"
                "assertion=" +
                c.federated_token)
                .status == 200
        );
        t.admin("auth", {{"refuse", 90033}, {"count", 1}});
        CHECK(ask(start + "&client_secret=" + url_encode(c.client_secret)).status == 503);
        CHECK(ask(start + "&client_secret=" + url_encode(c.client_secret)).status == 200);
        auto refreshed =
            ask("grant_type=refresh_token&refresh_token=" +
                t.admin("token", {{"lifetime", 60}})["refresh_token"].get<std::string>());
        CHECK(refreshed.status == 200);
    }

    TEST_CASE("managed identity: numbers are strings and the header is needed") {
        tenant_fixture t;
        std::string url =
            "/metadata/identity/oauth2/"
            "token?api-version=2018-02-01&resource=https%3A%2F%2Fgraph.microsoft.com%2F";
        CHECK(t.get(url).status == 400);
        auto r = t.make("GET", url);
        r.headers.emplace_back("metadata", "true");
        auto body = nlohmann::json::parse(serve(t.world, r).body);
        CHECK(body["expires_in"] == "3599");
        CHECK(body["expires_on"].is_string());
    }

    TEST_CASE("directory: pages join up and those who leave are told") {
        auto o = tenant_fixture::small();
        o.users = 25;
        o.files_per_drive = 1;
        o.specials = true;
        tenant_fixture t(o);
        std::set<std::string> seen;
        std::string link = "/v1.0/users?$top=4&$select=id,userPrincipalName";
        while (!link.empty()) {
            auto page = t.json(link);
            for (const auto& u : page["value"]) {
                CHECK(seen.insert(u["id"]).second);
                CHECK(u.size() == 2);
            }
            link = page.value("@odata.nextLink", "");
        }
        CHECK(seen.size() == t.world.directory.users.size());
        auto first = t.json("/v1.0/users/delta?$select=userPrincipalName");
        CHECK(first["value"].size() == seen.size());
        t.admin("directory", {{"op", "remove_user"}, {"name", "bela@contoso.example"}});
        auto next = t.json(first["@odata.deltaLink"]);
        REQUIRE(next["value"].size() == 1);
        CHECK(next["value"][0]["@removed"]["reason"] == "changed");
        CHECK(t.get("/v1.0/users/bela@contoso.example").status == 404);
        CHECK(t.get("/v1.0/users/nodrive2@contoso.example/drive").status == 400);
        bool nameless = false;
        auto sites = t.json("/v1.0/sites/getAllSites");
        for (const auto& s : sites["value"]) {
            nameless = nameless || s["name"].is_null();
            CHECK(s.contains("isPersonalSite"));
        }
        CHECK(nameless);
    }

    TEST_CASE("writes: upload session keeps its rules and the file is what was sent") {
        tenant_fixture t;
        drive& d = t.world.directory.drive_at(0);
        auto made = serve(
            t.world, t.make(
                         "POST", "/v1.0/drives/" + d.id + "/root:/new.bin:/createUploadSession",
                         R"({"item":{"fileSystemInfo":{"lastModifiedDateTime":"2020-01-02T03:04:05Z"}}})"
                     )
        );
        REQUIRE(made.status == 200);
        std::string url = nlohmann::json::parse(made.body)["uploadUrl"];
        std::string data(700000, 'x');
        auto put = [&](std::size_t from, std::size_t n, std::size_t total) {
            auto r = t.make("PUT", url, data.substr(from, n));
            r.headers.emplace_back(
                "content-range", "bytes " + std::to_string(from) + "-" + std::to_string(from + n - 1) + "/" +
                                     std::to_string(total)
            );
            return serve(t.world, r);
        };
        CHECK(put(0, 1000, data.size()).status == 400);
        CHECK(put(0, 327680, data.size()).status == 202);
        CHECK(put(0, 327680, data.size()).status == 416);
        CHECK(nlohmann::json::parse(t.get(url).body)["nextExpectedRanges"][0] == "327680-699999");
        CHECK(put(327680, data.size() - 327680, data.size()).status == 201);
        CHECK(t.get(url).status == 404);
        item_index i = d.find_child(root_item, "NEW.bin");
        REQUIRE(i != no_item);
        CHECK(sha256_of(d.served(i)) == sha256_of(data));
        CHECK(d.at(i).fs_modified == 1577934245);
    }

    TEST_CASE("writes: conflicts, loops and invitations") {
        tenant_fixture t;
        drive& d = t.world.directory.drive_at(0);
        std::string root = "/v1.0/drives/" + d.id + "/root";
        auto post = [&](const std::string& url, const std::string& body) {
            return serve(t.world, t.make("POST", url, body));
        };
        CHECK(post(root + "/children", R"({"name":"A","folder":{}})").status == 201);
        CHECK(post(root + "/children", R"({"name":"a","folder":{}})").status == 409);
        CHECK(
            post(
                root + "/children",
                R"({"name":"a","folder":{},"@microsoft.graph.conflictBehavior":"replace"})"
            )
                .status == 200
        );
        auto renamed = post(
            root + "/children", R"({"name":"A","folder":{},"@microsoft.graph.conflictBehavior":"rename"})"
        );
        CHECK(nlohmann::json::parse(renamed.body)["name"] == "A 1");
        CHECK(post(root + "/children", R"({"name":"a:b","folder":{}})").status == 400);
        auto inner = post(root + ":/A:/children", R"({"name":"B","folder":{}})");
        std::string b = nlohmann::json::parse(inner.body)["id"];
        auto loop =
            serve(t.world, t.make("PATCH", root + ":/A", R"({"parentReference":{"id":")" + b + "\"}}"));
        CHECK(loop.status == 400);
        CHECK(
            post(root + ":/A:/invite", R"({"recipients":[{"email":"nobody@x"}],"roles":["read"]})").status ==
            400
        );
        CHECK(
            post(
                root + ":/A:/invite",
                R"({"recipients":[{"email":"bela@contoso.example"}],"roles":["read"],"sendInvitation":false})"
            )
                .status == 200
        );
        CHECK(t.world.invitations_sent == 0);
        CHECK(t.json(root + ":/A:/permissions")["value"].size() == 2);
        CHECK(serve(t.world, t.make("DELETE", root + ":/A")).status == 204);
        CHECK(t.get("/v1.0/drives/" + d.id + "/items/" + b).status == 404);
    }

    TEST_CASE("expected: a line per live item, with the hash of what is served") {
        tenant_fixture t;
        drive& d = t.world.directory.drive_at(0);
        t.admin(
            "op", {{"op", "create"}, {"drive", d.id}, {"names", {"..", "a/b", ".m365"}}, {"text", "hello"}}
        );
        std::string path = t.dir + "/expected";
        write_expected(t.world, d.id, true, path);
        std::ifstream in(path);
        std::string line;
        std::size_t lines = 0;
        bool found = false;
        while (std::getline(in, line)) {
            auto o = nlohmann::json::parse(line);
            ++lines;
            if (o["name"] == ".m365") {
                found = true;
                CHECK(o["names"] == nlohmann::json({"..", "a/b", ".m365"}));
                CHECK(o["sha256"] == sha256_of(std::string_view("hello")));
            }
        }
        CHECK(lines == d.live_count());
        CHECK(found);
    }
}
