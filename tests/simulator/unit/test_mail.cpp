#include <map>
#include <set>

#include "../exchange/changes.hpp"
#include "../exchange/mail_content.hpp"
#include "fixture.hpp"

using namespace m365stage::sim;

namespace {

/// A client of one mailbox that keeps message -> folder, as a copy would.
struct mail_client {
    explicit mail_client(tenant_fixture& t) : tenant(t) {}
    static constexpr const char* user = "/v1.0/users/ada@contoso.example";

    response ask(const std::string& url, const std::string& prefer) {
        auto r = tenant.make("GET", url);
        r.headers.emplace_back("prefer", prefer);
        return serve(tenant.world, r);
    }
    nlohmann::json page(const std::string& url) {
        auto out = ask(url, "IdType=\"ImmutableId\", odata.maxpagesize=13");
        REQUIRE_MESSAGE(out.status == 200, out.body);
        return nlohmann::json::parse(out.body);
    }
    template <typename Each>
    void follow(std::string& link, Each each) {
        for (int pages = 0;; ++pages) {
            REQUIRE(pages < 1000);
            auto one = page(link);
            for (const auto& v : one["value"]) {
                each(v);
            }
            bool last = one.contains("@odata.deltaLink");
            link = one[last ? "@odata.deltaLink" : "@odata.nextLink"];
            if (last) {
                return;
            }
        }
    }
    void pass() {
        follow(folder_link, [&](const nlohmann::json& v) {
            std::string id = v["id"];
            if (v.contains("@removed")) {
                links.erase(id);
            } else if (v.value("@odata.type", "") != "#microsoft.graph.mailSearchFolder") {
                links.emplace(
                    id, std::string(user) + "/mailFolders/" + id + "/messages/delta?$select=subject,isRead"
                );
            }
        });
        for (auto& [folder, link] : links) {
            follow(link, [&](const nlohmann::json& v) {
                std::string id = v["id"];
                if (!v.contains("@removed")) {
                    place[id] = folder;
                } else if (place[id] == folder) {
                    place.erase(id);
                }
            });
        }
        std::erase_if(place, [&](const auto& p) { return !links.contains(p.second); });
    }

    tenant_fixture& tenant;
    std::string folder_link = std::string(user) + "/mailFolders/delta?includeHiddenFolders=true";
    std::map<std::string, std::string> links;
    std::map<std::string, std::string> place;
};

void check_same(const mail_client& c, const mailbox& b) {
    std::size_t live = 0;
    for (message_index m = 0; m < b.messages().size(); ++m) {
        const message& it = b.at(m);
        if (it.has(message_deleted) || !b.is_below(it.folder, folder_root)) {
            continue;
        }
        ++live;
        auto at = c.place.find(b.message_id(m, true));
        REQUIRE(at != c.place.end());
        CHECK(at->second == b.folder_id(it.folder));
    }
    CHECK(c.place.size() == live);
}

}  // namespace

TEST_SUITE("mail") {
    TEST_CASE("mail: a client that follows the feeds has every message in its folder after any changes") {
        tenant_fixture t;
        mailbox& b = *t.world.exchange.find("ada@contoso.example");
        mail_client c(t);
        c.pass();
        check_same(c, b);
        for (int seed = 1; seed <= 15; ++seed) {
            t.admin("exchange/change", {{"seed", seed}, {"count", 25}, {"mailbox", "ada"}});
            c.pass();
            check_same(c, b);
        }
    }

    TEST_CASE("mail: $top ends the feed early and loses the rest (Q68)") {
        tenant_fixture t;
        mail_client c(t);
        t.admin("exchange/bulk", {{"mailbox", "ada"}, {"messages", 30}});
        auto first = c.page(std::string(c.user) + "/mailFolders/inbox/messages/delta?$top=2");
        CHECK(first["value"].size() == 2);
        REQUIRE(first.contains("@odata.deltaLink"));
        CHECK(c.page(first["@odata.deltaLink"])["value"].empty());
        CHECK(t.world.manners.violations()["rules"]["top_on_delta"] == 1);
    }

    TEST_CASE("mail: the feed of folders may omit nested ones, tell changes in part, and no parents") {
        tenant_fixture t;
        mail_client c(t);
        const std::string feed =
            std::string(c.user) + "/mailFolders/delta?$select=displayName,parentFolderId";
        const auto made = t.admin(
            "exchange/op",
            {{"op", "new_folder"}, {"mailbox", "ada"}, {"parent", "inbox"}, {"name", "Nested here"}}
        );
        const auto tells = [&](std::string link, const std::string& id) {
            nlohmann::json out;
            c.follow(link, [&](const nlohmann::json& v) {
                if (v["id"] == id) {
                    out = v;
                }
            });
            return out;
        };
        const std::string id = made["folder"];
        CHECK(tells(feed, id)["displayName"] == "Nested here");
        t.admin("exchange/settings", {{"hide_nested_mail", true}, {"null_parents", true}});
        CHECK(tells(feed, id).is_null());
        const auto inbox = t.json(std::string(c.user) + "/mailFolders/inbox");
        CHECK(inbox["parentFolderId"].is_null());
        CHECK(tells(feed, inbox["id"])["parentFolderId"].is_null());
        t.admin("exchange/settings", {{"hide_nested_mail", false}, {"sparse_folders", true}});
        std::string link = feed;
        c.follow(link, [](const nlohmann::json&) {});
        t.admin(
            "exchange/op", {{"op", "rename_folder"}, {"mailbox", "ada"}, {"folder", id}, {"name", "Other"}}
        );
        const auto told = tells(link, id);
        REQUIRE_FALSE(told.is_null());
        CHECK_FALSE((told.contains("displayName") && told.contains("parentFolderId")));
    }

    TEST_CASE(
        "mail: a mutable id dies with a move, an immutable one stays, and reading alone is told sparsely"
    ) {
        tenant_fixture t;
        mail_client c(t);
        auto made = t.admin("exchange/op", {{"op", "new_message"}, {"mailbox", "ada"}, {"read", false}});
        std::string id = made["id"];
        std::string inbox = std::string(c.user) + "/mailFolders/inbox/messages/delta";
        c.follow(inbox, [](const nlohmann::json&) {});
        t.admin("exchange/op", {{"op", "read"}, {"mailbox", "ada"}, {"message", id}});
        int told = 0;
        c.follow(inbox, [&](const nlohmann::json& v) {
            ++told;
            CHECK(v["isRead"] == true);
            CHECK(!v.contains("sentDateTime"));
        });
        CHECK(told == 1);
        mailbox& b = *t.world.exchange.find("ada@contoso.example");
        std::string here = b.message_id(b.find_message(id), false);
        t.admin("exchange/op", {{"op", "move"}, {"mailbox", "ada"}, {"message", id}, {"to", "archive"}});
        std::string messages = std::string(c.user) + "/messages/";
        CHECK(t.get(messages + here).status == 404);
        CHECK(t.get(messages + id).status == 200);
        CHECK(t.get(messages + "nonsense").status == 400);
        c.follow(inbox, [&](const nlohmann::json& v) { CHECK(v["@removed"]["reason"] == "deleted"); });
    }

    TEST_CASE("mail: sync states can be lost and stored in full mailboxes not at all") {
        tenant_fixture t;
        mail_client c(t);
        std::string inbox = std::string(c.user) + "/mailFolders/inbox/messages/delta";
        c.follow(inbox, [](const nlohmann::json&) {});
        t.admin("exchange/op", {{"op", "forget_sync_state"}, {"mailbox", "ada"}, {"folder", "inbox"}});
        auto gone = t.get(inbox);
        CHECK(gone.status == 410);
        CHECK(gone.body.find("SyncStateNotFound") != std::string::npos);
        t.admin("exchange/op", {{"op", "over_quota"}, {"mailbox", "ada"}});
        CHECK(t.get(std::string(c.user) + "/mailFolders/delta").status == 403);
        CHECK(t.get(std::string(c.user) + "/mailFolders/inbox/messages").status == 200);
    }

    TEST_CASE("mail: MIME read in pieces is MIME read at once, and moving does not change it") {
        tenant_fixture t;
        mailbox& b = *t.world.exchange.find("ada@contoso.example");
        auto made =
            t.admin("exchange/op", {{"op", "new_message"}, {"mailbox", "ada"}, {"size", 90000}, {"seed", 4}});
        message_index m = b.find_message(made["id"].get<std::string>());
        content mime = mime_of(b, m);
        std::string whole(static_cast<std::size_t>(mime.size), '\0');
        CHECK(content_reader(mime).read(0, whole.data(), whole.size()) == whole.size());
        std::string pieces;
        char buffer[77];
        for (std::size_t n = 0; (n = content_reader(mime).read(pieces.size(), buffer, sizeof buffer)) > 0;) {
            pieces.append(buffer, n);
        }
        CHECK(pieces == whole);
        CHECK(whole.size() > 60000);
        b.move_message(m, b.find_well_known("sentitems"));
        b.set_read(m, !b.at(m).has(message_read));
        CHECK(sha256_of(mime_of(b, m)) == sha256_of(std::string_view(whole)));
    }

    TEST_CASE(
        "mail: messages made by JSON are no drafts only with their flags given; MIME always makes drafts"
    ) {
        tenant_fixture t;
        mail_client c(t);
        std::string inbox = std::string(c.user) + "/mailFolders/inbox/messages";
        auto post = [&](const std::string& url, const std::string& body,
                        const char* type = "application/json") {
            auto r = t.make("POST", url, body);
            r.headers.emplace_back("content-type", type);
            r.headers.emplace_back("prefer", "IdType=\"ImmutableId\"");
            auto out = serve(t.world, r);
            REQUIRE_MESSAGE(out.status < 300, out.body);
            return out;
        };
        auto plain = nlohmann::json::parse(
            post(inbox, R"({"subject":"a","receivedDateTime":"2020-01-01T00:00:00Z"})").body
        );
        CHECK(plain["isDraft"] == true);
        CHECK(plain["receivedDateTime"] != "2020-01-01T00:00:00Z");
        auto kept = nlohmann::json::parse(post(
                                              inbox, R"({"subject":"b","isRead":true,"categories":["x"],
            "flag":{"flagStatus":"flagged"},"internetMessageId":"<1@x>",
            "from":{"emailAddress":{"name":"F","address":"f@x.example"}},
            "singleValueExtendedProperties":[{"id":"Integer 0x0E07","value":"4"},
            {"id":"SystemTime 0x0E06","value":"2020-01-02T00:00:00Z"},{"id":"SystemTime 0x0039","value":"2020-01-01T00:00:00Z"}]})"
        )
                                              .body);
        CHECK(kept["isDraft"] == false);
        CHECK(kept["isRead"] == true);
        CHECK(kept["receivedDateTime"] == "2020-01-02T00:00:00Z");
        CHECK(kept["sentDateTime"] == "2020-01-01T00:00:00Z");
        CHECK(kept["flag"]["flagStatus"] == "flagged");
        CHECK(kept["internetMessageId"] == "<1@x>");
        std::string mime = "From: <g@x.example>\r\nSubject: by mime\r\n\r\nHello\r\n";
        auto drafted = nlohmann::json::parse(post(inbox, base64(mime), "text/plain").body);
        CHECK(drafted["isDraft"] == true);
        CHECK(drafted["subject"] == "by mime");
        std::string id = kept["id"];
        post(
            inbox + "/" + id + "/attachments",
            R"({"@odata.type":"#microsoft.graph.fileAttachment","name":"a.txt","contentBytes":"aGVsbG8="})"
        );
        auto session = nlohmann::json::parse(
            post(
                inbox + "/" + id + "/attachments/createUploadSession",
                R"({"AttachmentItem":{"attachmentType":"file","name":"b.bin","size":5000000}})"
            )
                .body
        );
        std::string data(5000000, 'z');
        auto put = [&](std::size_t from, std::size_t n) {
            auto r = t.make("PUT", session["uploadUrl"], data.substr(from, n));
            r.headers.emplace_back(
                "content-range",
                "bytes " + std::to_string(from) + "-" + std::to_string(from + n - 1) + "/5000000"
            );
            return serve(t.world, r);
        };
        auto half = put(0, 4000000);
        CHECK(nlohmann::json::parse(half.body)["nextExpectedRanges"][0] == "4000000");
        auto last = put(4000000, 1000000);
        CHECK(last.status == 201);
        CHECK(last.body.empty());
        mailbox& b = *t.world.exchange.find("ada@contoso.example");
        auto all = compose(b, b.find_message(id), compose_attachments).attachments;
        REQUIRE(all.size() == 2);
        CHECK(sha256_of(all[0].data) == sha256_of(std::string_view("hello")));
        CHECK(sha256_of(all[1].data) == sha256_of(std::string_view(data)));
        CHECK(t.world.exchange.mails_sent == 0);
        CHECK(serve(t.world, t.make("PATCH", inbox + "/" + id, R"({"subject":"c"})")).status == 403);
        CHECK(serve(t.world, t.make("DELETE", inbox + "/" + id)).status == 204);
        CHECK(b.at(b.find_message(id)).folder == b.find_well_known("deleteditems"));
    }

    TEST_CASE("mail: a fifth request at once is refused, and a page with what cannot be written down fails") {
        tenant_fixture t;
        std::string url = "/v1.0/users/ada@contoso.example/mailFolders/inbox/messages";
        std::vector<response> open;
        for (int i = 0; i < 4; ++i) {
            open.push_back(t.get(url));
            CHECK(open.back().status == 200);
        }
        auto fifth = t.get(url);
        CHECK(fifth.status == 429);
        CHECK(fifth.body.find("MailboxConcurrency") != std::string::npos);
        CHECK(t.get("/v1.0/users/bela@contoso.example/mailFolders").status == 200);
        open.clear();
        t.admin("exchange/op", {{"op", "new_message"}, {"mailbox", "ada"}, {"wrong", "unserialisable"}});
        CHECK(t.get(url).status == 500);
        CHECK(t.get(url + "?$select=id,changeKey").status == 200);
        CHECK(t.get(url + "?$top=5&$skip=1").status == 200);
        CHECK(t.get(url + "?$select=wrongName").status == 400);
    }
}
