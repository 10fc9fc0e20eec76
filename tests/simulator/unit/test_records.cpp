#include <set>

#include "../exchange/record_api.hpp"
#include "fixture.hpp"

using namespace m365stage::sim;

namespace {

constexpr const char* ada = "/v1.0/users/ada@contoso.example";

/// A client of one mailbox's contacts or tasks that keeps folder -> ids, as a copy would.
struct record_client {
    record_client(tenant_fixture& t, std::string folders, std::string items, std::string first)
        : tenant(t),
          base(ada + std::move(folders)),
          items_name(std::move(items)),
          folder_link(base + "/delta") {
        if (!first.empty()) {
            links.emplace(first, items_link(first));
        }
    }
    std::string items_link(const std::string& f) const { return base + "/" + f + items_name + "/delta"; }

    response ask(const std::string& method, const std::string& url, const std::string& body = "") {
        auto r = tenant.make(method, url, body);
        r.headers.emplace_back("prefer", "IdType=\"ImmutableId\", odata.maxpagesize=3");
        return serve(tenant.world, r);
    }
    template <typename Each>
    void follow(std::string& link, Each each) {
        for (int pages = 0;; ++pages) {
            REQUIRE(pages < 1000);
            const auto out = ask("GET", link);
            REQUIRE_MESSAGE(out.status == 200, out.body);
            const auto page = nlohmann::json::parse(out.body);
            for (const auto& v : page["value"]) {
                each(v);
            }
            const bool last = page.contains("@odata.deltaLink");
            REQUIRE(last != page.contains("@odata.nextLink"));
            link = page[last ? "@odata.deltaLink" : "@odata.nextLink"];
            if (last) {
                return;
            }
        }
    }
    void pass() {
        follow(folder_link, [&](const nlohmann::json& v) {
            const std::string id = v["id"];
            if (v.contains("@removed")) {
                links.erase(id);
                held.erase(id);
            } else {
                links.emplace(id, items_link(id));
            }
        });
        for (auto& [folder, link] : links) {
            follow(link, [&, &ids = held[folder]](const nlohmann::json& v) {
                v.contains("@removed") ? void(ids.erase(v["id"])) : void(ids.insert(v["id"]));
            });
        }
    }
    void check_same(const record_store& s) const {
        for (std::uint32_t f = 0; f < s.folders().size(); ++f) {
            const auto at = held.find(s.folder_id(f));
            std::set<std::string> there;
            for (record_index i : s.listing(f)) {
                there.insert(s.id(i, true));
            }
            CHECK((at == held.end() ? std::set<std::string>() : at->second) == there);
        }
    }

    tenant_fixture& tenant;
    std::string base, items_name, folder_link;
    std::map<std::string, std::string> links;
    std::map<std::string, std::set<std::string>> held;
};

}  // namespace

TEST_SUITE("records") {
    TEST_CASE("records: a client that follows the feeds has all contacts and tasks after any changes") {
        tenant_fixture t;
        auto& box = *t.world.exchange.find("ada@contoso.example");
        record_client contacts(t, "/contactFolders", "/contacts", contacts_of(box).folder_id(0));
        record_client tasks(t, "/todo/lists", "/tasks", "");
        for (int round = 0; round < 30; ++round) {
            contacts.pass();
            tasks.pass();
            contacts.check_same(contacts_of(box));
            tasks.check_same(tasks_of(box));
            t.admin("exchange/records/change", {{"seed", round}, {"count", 15}, {"mailbox", "ada"}});
        }
    }

    TEST_CASE("records: lists leave out the default folder and nested ones; feeds the default one alone") {
        tenant_fixture t;
        const auto names = [&](const std::string& below) {
            std::set<std::string> out;
            const auto answer = t.json(ada + below);
            for (const auto& f : answer["value"]) {
                out.insert(f["displayName"].get<std::string>());
            }
            return out;
        };
        CHECK(names("/contactFolders") == std::set<std::string>{"Friends"});
        CHECK(names("/contactFolders/delta") == std::set<std::string>{"Friends", "Chess/Club"});
        t.admin("exchange/settings", {{"hide_nested_folders", true}});
        CHECK(names("/contactFolders/delta") == std::set<std::string>{"Friends"});
        CHECK(names("/contactFolders/contacts/childFolders") == std::set<std::string>{"Friends"});
        CHECK(t.json(std::string(ada) + "/contactFolders/contacts")["displayName"] == "Contacts");
    }

    TEST_CASE("records: what Exchange would not take is refused") {
        tenant_fixture t;
        record_client c(t, "/contactFolders", "/contacts", "");
        const std::string at = std::string(ada) + "/contacts";
        CHECK(c.ask("POST", at, R"({"businessPhones":["1","2","3"]})").status == 400);
        CHECK(c.ask("POST", at, R"({"id":"x"})").status == 400);
        CHECK(c.ask("POST", at, R"({"nonsense":"x"})").status == 400);
        CHECK(c.ask("POST", at, R"({"homeAddress":{"planet":"x"}})").status == 400);
        const auto made = c.ask("POST", at, R"({"givenName":"A","surname":"B"})");
        REQUIRE(made.status == 201);
        const auto one = nlohmann::json::parse(made.body);
        CHECK(one["displayName"] == "A B");
        const std::string photo = at + "/" + one["id"].get<std::string>() + "/photo/$value";
        CHECK(c.ask("GET", photo).status == 404);
        auto put = t.make("PUT", photo, "not really an image");
        CHECK(serve(t.world, put).status == 400);
        put.headers.emplace_back("content-type", "image/png");
        CHECK(serve(t.world, put).status == 200);
        CHECK(c.ask("GET", photo).status == 200);
        const auto later = nlohmann::json::parse(c.ask("GET", at + "/" + one["id"].get<std::string>()).body);
        CHECK(later["changeKey"] != one["changeKey"]);
    }

    TEST_CASE("records: a task's parts and attachments move its eTag") {
        tenant_fixture t;
        record_client c(t, "/todo/lists", "/tasks", "");
        auto& box = *t.world.exchange.find("ada@contoso.example");
        const std::string at = c.base + "/" + tasks_of(box).folder_id(0) + "/tasks";
        CHECK(c.ask("POST", at, R"({"title":"t","createdDateTime":"2026-01-01T00:00:00Z"})").status == 400);
        const auto one = nlohmann::json::parse(c.ask("POST", at, R"({"title":"t"})").body);
        const std::string task = at + "/" + one["id"].get<std::string>();
        CHECK(c.ask("POST", task + "/checklistItems", R"({"displayName":"s"})").status == 201);
        const auto session =
            nlohmann::json::parse(c.ask(
                                       "POST", task + "/attachments/createUploadSession",
                                       R"({"attachmentInfo":{"attachmentType":"file","name":"a","size":6}})"
            )
                                      .body);
        auto part = t.make("PUT", session["uploadUrl"].get<std::string>() + "/content", "abc");
        part.headers.emplace_back("content-range", "bytes 0-2/6");
        CHECK(serve(t.world, part).status == 200);
        CHECK(serve(t.world, part).status == 416);
        part.headers.back().second = "bytes 3-5/6";
        CHECK(serve(t.world, part).status == 201);
        const auto later = nlohmann::json::parse(c.ask("GET", task).body);
        CHECK(later["hasAttachments"] == true);
        CHECK(later["@odata.etag"] != one["@odata.etag"]);
        const auto listed = nlohmann::json::parse(c.ask("GET", task + "/attachments").body);
        const auto& found = listed["value"][0];
        const auto whole = c.ask("GET", task + "/attachments/" + found["id"].get<std::string>());
        CHECK(nlohmann::json::parse(whole.body)["contentBytes"] == base64("abcabc"));
    }
}
