#include "sources/mail_item.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace m365stage;
using namespace m365stage::sources;
using nlohmann::json;

namespace {

json delivered() {
    return json::parse(
        R"({"id":"AAkA-1","changeKey":"CQ1","parentFolderId":"inbox","subject":"Quarterly/figures",
      "receivedDateTime":"2026-10-31T23:59:58Z","internetMessageId":"<a@b>","isRead":false,"isDraft":false,
      "categories":[],"flag":{"flagStatus":"notFlagged"},"lastModifiedDateTime":"2026-11-01T00:00:00Z",
      "createdDateTime":"2026-10-31T23:59:57Z","hasAttachments":false,"importance":"normal"})"
    );
}

}  // namespace

TEST_SUITE("sources") {
    TEST_CASE("mail: a message lies in its month, under a name of time, subject and id") {
        const auto c = parse_message(delivered(), "elsewhere");
        REQUIRE(c);
        CHECK(c->parent_remote_id == "inbox");
        CHECK(c->subfolder == "2026-10");
        CHECK(c->name.starts_with("20261031-235958_Quarterly_figures_"));
        CHECK(c->name.ends_with(".eml"));
        CHECK(c->content);
        CHECK(c->etag_is_exact);
    }

    TEST_CASE("mail: names are bounded, whole UTF-8 and different for different ids") {
        std::string subject;
        for (int i = 0; i < 300; ++i) {
            subject += "\xF0\x9F\x93\xA7";
        }
        const auto name = message_file_name(0, subject, "a");
        CHECK(name.size() < 200);
        CHECK(json(name).dump().size() > name.size());  // throws for a cut character
        CHECK(name != message_file_name(0, subject, "b"));
        CHECK(message_file_name(0, " \t", "a").find("_\t") == std::string::npos);
        CHECK(message_file_name(0, "", "a").starts_with("19700101-000000_no subject_"));
    }

    TEST_CASE("mail: read state, flag and categories are metadata, the rest is content") {
        const auto before = parse_message(delivered(), "");
        auto changed = delivered();
        changed["isRead"] = true;
        changed["categories"] = {"Red"};
        changed["flag"]["flagStatus"] = "flagged";
        changed["changeKey"] = "CQ2";
        changed["lastModifiedDateTime"] = "2026-11-02T00:00:00Z";
        const auto after = parse_message(changed, "");
        CHECK(after->hash == before->hash);
        CHECK(after->mark != before->mark);
        CHECK(after->name == before->name);
        changed["parentFolderId"] = "archive";
        CHECK(parse_message(changed, "")->hash == before->hash);
        for (const auto& [member, value] :
             {std::pair<const char*, json>{"hasAttachments", !delivered().value("hasAttachments", false)},
              {"bodyPreview", "another text"},
              {"subject", "another"},
              {"importance", "high"}}) {
            auto other = changed;
            other[member] = value;
            CAPTURE(member);
            CHECK(parse_message(other, "")->hash != before->hash);
        }
    }

    TEST_CASE("mail: every change of a draft is one of its content") {
        auto draft = delivered();
        draft["isDraft"] = true;
        const auto before = parse_message(draft, "");
        draft["changeKey"] = "CQ2";
        CHECK(parse_message(draft, "")->hash != before->hash);
    }

    TEST_CASE("mail: content key and mark of a sidecar are those of the page") {
        const auto c = parse_message(delivered(), "");
        CHECK(message_content_key(json::parse(c->meta)) == c->hash);
    }

    TEST_CASE("mail: what left the folder, whatever the reason; what tells only what changed") {
        for (const char* reason : {"deleted", "changed"}) {
            const auto c = parse_message(json{{"id", "x"}, {"@removed", {{"reason", reason}}}}, "inbox");
            REQUIRE(c);
            CHECK(c->removed);
        }
        CHECK(is_sparse_message(json::parse(R"({"id":"x","isRead":true,"parentFolderId":"inbox"})")));
        CHECK_FALSE(is_sparse_message(json::parse(R"({"id":"x","@removed":{"reason":"deleted"}})")));
        CHECK_FALSE(is_sparse_message(delivered()));
    }

    TEST_CASE("mail: an element is whole only if it tells what every message has") {
        // Whatever else is told beside it: the rest would be wiped.
        for (const char* told :
             {"subject", "receivedDateTime", "internetMessageId", "flag", "categories", "isRead", "changeKey",
              "lastModifiedDateTime"}) {
            json sparse{{"id", "x"}, {"parentFolderId", "inbox"}};
            sparse[told] = delivered()[told];
            CAPTURE(told);
            CHECK(is_sparse_message(sparse));
        }
        // A draft that was never saved properly, from a service that leaves out what is null.
        auto draft = delivered();
        for (const char* untold :
             {"receivedDateTime", "sentDateTime", "subject", "internetMessageId", "from"}) {
            draft.erase(untold);
        }
        CHECK_FALSE(is_sparse_message(draft));
    }

    TEST_CASE("mail: search folders are left out") {
        auto folder = json::parse(R"({"id":"f","parentFolderId":"root","displayName":"Eingang/Ablage"})");
        CHECK(parse_mail_folder(folder)->name == "Eingang/Ablage");
        folder["@odata.type"] = "#microsoft.graph.mailSearchFolder";
        CHECK_FALSE(parse_mail_folder(folder));
    }

    TEST_CASE("mail: anything at all can be in a page") {
        for (const char* text :
             {"null", "[]", "7", "{}", R"({"id":7})", R"({"id":"a","subject":7,"flag":[],"from":1})",
              R"({"id":"a","receivedDateTime":"yesterday","parentFolderId":null})"}) {
            const auto element = json::parse(text);
            const auto c = parse_message(element, "inbox");
            CHECK((!c || c->parent_remote_id == "inbox"));
            CHECK_FALSE(parse_mail_folder(element));
        }
    }
}
