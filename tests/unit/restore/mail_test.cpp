#include <doctest/doctest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/hash.hpp"
#include "restore/mail_attachments.hpp"
#include "restore/mail_folder.hpp"
#include "restore/mail_json.hpp"
#include "restore/mail_restore.hpp"
#include "restore/mime_file.hpp"
#include "restore/part_source.hpp"

using namespace m365stage;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

/// A folder with one message in it.
class message_folder {
public:
    explicit message_folder(const std::string& text) {
        std::string pattern = (fs::temp_directory_path() / "m365unit-XXXXXX").string();
        REQUIRE(::mkdtemp(pattern.data()) != nullptr);
        path_ = fs::canonical(pattern).string();
        std::ofstream(path_ + "/m.eml", std::ios::binary) << text;
        auto root = tree::stage_root::open_copy(path_);
        REQUIRE(root.has_value());
        root_ = std::move(*root);
    }
    ~message_folder() {
        std::error_code ec;
        fs::remove_all(path_, ec);
    }
    message_folder(const message_folder&) = delete;
    message_folder& operator=(const message_folder&) = delete;
    const tree::stage_root& root() const { return *root_; }

    std::shared_ptr<restore::mime_file> open() const {
        auto m = restore::mime_file::open(*root_, "m.eml");
        REQUIRE(m.has_value());
        return *m;
    }

private:
    std::string path_;
    std::unique_ptr<tree::stage_root> root_;
};

std::string lines(std::initializer_list<std::string> all) {
    std::string out;
    for (const auto& one : all) {
        out += one + "\r\n";
    }
    return out;
}

const std::string mixed = lines({
    "From: =?utf-8?Q?J=C3=B6rg?= <joerg@fabrikam.example>",
    "To: Ann <ann@contoso.example>, bob@contoso.example",
    "Subject: =?iso-8859-1?Q?Gr=FC=DFe?=",
    "Date: Thu, 01 Oct 2026 08:01:02 +0000",
    "Message-ID: <a@b>",
    "In-Reply-To: <z@b>",
    "MIME-Version: 1.0",
    "Content-Type: multipart/mixed; boundary=m",
    "",
    "--m",
    "Content-Type: multipart/related; boundary=r",
    "",
    "--r",
    "Content-Type: multipart/alternative; boundary=a",
    "",
    "--a",
    "Content-Type: text/plain; charset=utf-8",
    "",
    "plain",
    "",
    "--a",
    "Content-Type: text/html; charset=iso-8859-1",
    "Content-Transfer-Encoding: quoted-printable",
    "",
    "<p>Gr=FC=DFe</p>",
    "--a--",
    "--r",
    "Content-Type: image/png; name=i.png",
    "Content-ID: <i@1>",
    "Content-Disposition: inline",
    "Content-Transfer-Encoding: base64",
    "",
    "AAEC",
    "--r--",
    "--m",
    "Content-Type: text/plain",
    "Content-Disposition: attachment; filename=n.txt",
    "",
    "note",
    "--m",
    "Content-Type: text/calendar; method=REQUEST",
    "",
    "BEGIN:VCALENDAR",
    "END:VCALENDAR",
    "--m",
    "Content-Type: message/rfc822",
    "",
    "Subject: inside",
    "From: x@y.example",
    "Date: Fri, 02 Jan 2026 03:04:05 +0000",
    "Message-ID: <in@y>",
    "",
    "hello",
    "--m",
    "Content-Type: message/rfc822",
    "",
    "Subject: with file",
    "Content-Type: multipart/mixed; boundary=q",
    "",
    "--q",
    "",
    "text",
    "--q",
    "Content-Type: application/x-a; name=a.bin",
    "",
    "xyz",
    "--q--",
    "--m--",
});

std::string value_of(const json& message, const char* id) {
    for (const auto& one : message["singleValueExtendedProperties"]) {
        if (one["id"] == id) {
            return one["value"];
        }
    }
    return "";
}

}  // namespace

TEST_SUITE("restore: mail") {
    TEST_CASE("a message is taken apart into text, pictures, files, invitations and messages") {
        const message_folder folder(mixed);
        const auto m = folder.open();
        CHECK(m->words().subject == "Grüße");
        CHECK(m->words().from.at(0).name == "Jörg");
        CHECK(m->words().to.size() == 2);
        CHECK(m->words().html);
        CHECK(m->words().body == "<p>Grüße</p>");
        CHECK(m->words().in_reply_to == "<z@b>");
        CHECK(m->head().starts_with("From: =?utf-8"));
        CHECK(m->head().find("boundary=m") != std::string::npos);
        REQUIRE(m->parts().size() == 5);
        const auto& picture = m->parts()[0];
        CHECK(picture.is_inline);
        CHECK(picture.content_id == "i@1");
        CHECK(picture.size == 3);
        CHECK(picture.sha256 == core::to_hex(core::sha256::of(std::string("\0\1\2", 3))));
        CHECK(m->parts()[1].name == "n.txt");
        CHECK(!m->parts()[1].is_inline);
        CHECK(m->parts()[2].name == "invite.ics");
        CHECK(restore::goes_as_item(m->parts()[3]));
        CHECK(!restore::goes_as_item(m->parts()[4]));
        CHECK(restore::file_name_of(m->parts()[4]) == "with file.eml");
        CHECK(m->parts()[4].size > 0);
        auto inside = m->nested(3);
        REQUIRE(inside.has_value());
        const auto item = restore::item_to_attach(*inside);
        CHECK(item["subject"] == "inside");
        CHECK(item["sentDateTime"] == "2026-01-02T03:04:05Z");
        CHECK(item["body"]["content"] == "hello");
        CHECK(!item.contains("isDraft"));
        CHECK(restore::part_as_base64(*m, 0).value() == "AAEC");
    }

    TEST_CASE("an HTML text with its pictures or files beside the plain one is the text, and no attachment") {
        const auto beside_plain = [](const std::string& type) {
            return lines({
                "Content-Type: multipart/alternative; boundary=a",
                "",
                "--a",
                "Content-Type: text/plain",
                "",
                "plain words",
                "--a",
                "Content-Type: multipart/" + type + "; boundary=b",
                "",
                "--b",
                "Content-Type: text/html",
                "",
                "<p>html</p>",
                "--b",
                "Content-Type: image/png; name=p.png",
                "Content-ID: <p@1>",
                "",
                "pixels",
                "--b",
                "Content-Type: text/html",
                "",
                "<p>below the picture</p>",
                "--b",
                "Content-Type: text/plain",
                "",
                "below that",
                "--b--",
                "--a--",
            });
        };
        for (const char* type : {"related", "mixed"}) {
            const message_folder folder(beside_plain(type));
            const auto m = folder.open();
            CHECK(m->words().html);
            CHECK(m->words().body == "<p>html</p>");
            REQUIRE(m->parts().size() == 3);
            CHECK(m->parts()[0].name == "p.png");
            CHECK(m->parts()[1].name == "ATT00002.htm");
            CHECK(m->parts()[2].name == "ATT00003.txt");
        }
        // The first text stands for all of it: what follows must not be lost as another form of it.
        const message_folder folder(lines({
            "Content-Type: multipart/alternative; boundary=a",
            "",
            "--a",
            "Content-Type: multipart/mixed; boundary=b",
            "",
            "--b",
            "Content-Type: text/html",
            "",
            "<p>html</p>",
            "--b",
            "Content-Type: text/plain",
            "",
            "a footer",
            "--b--",
            "--a--",
        }));
        const auto m = folder.open();
        CHECK(m->words().body == "<p>html</p>");
        REQUIRE(m->parts().size() == 1);
        CHECK(m->parts()[0].name == "ATT00001.txt");
    }

    TEST_CASE("what was received is made whole in one request, and as no draft") {
        const message_folder folder(mixed);
        const auto m = folder.open();
        json staged{
            {"subject", "bell\x07 rings"},
            {"isRead", true},
            {"isDraft", false},
            {"importance", "high"},
            {"internetMessageId", "<a@b>"},
            {"receivedDateTime", "2026-10-01T08:01:05Z"},
            {"sentDateTime", "2026-10-01T08:01:02Z"},
            {"categories", {"Red"}},
            {"isReadReceiptRequested", true},
            {"flag", {{"flagStatus", "flagged"}}},
            {"conversationId", "c"},
            {"hasAttachments", true},
            {"from", {{"emailAddress", {{"name", "J"}, {"address", "j@f.example"}, {"@odata.type", "x"}}}}},
            {"replyTo",
             {{{"emailAddress", {{"address", "no address"}}}}, {{"emailAddress", {{"address", "a@b.c"}}}}}}
        };
        const auto out = restore::message_to_create(staged, *m, "mark");
        CHECK(out["subject"] == "bell rings");
        CHECK(out["isRead"] == true);
        CHECK(value_of(out, "Integer 0x0E07") == "5");
        CHECK(value_of(out, "SystemTime 0x0E06") == "2026-10-01T08:01:05Z");
        CHECK(value_of(out, "SystemTime 0x0039") == "2026-10-01T08:01:02Z");
        CHECK(value_of(out, "String 0x007D") == m->head());
        CHECK(value_of(out, "String 0x1042") == "<z@b>");
        CHECK(out["from"]["emailAddress"] == json{{"name", "J"}, {"address", "j@f.example"}});
        CHECK(out["replyTo"].size() == 1);
        for (const char* refused :
             {"id", "conversationId", "hasAttachments", "isDraft", "receivedDateTime",
              "isReadReceiptRequested", "internetMessageHeaders"}) {
            CHECK_MESSAGE(!out.contains(refused), refused);
        }
        staged["isDraft"] = true;
        staged["isRead"] = false;
        const auto draft = restore::message_to_create(staged, *m, "mark");
        CHECK(value_of(draft, "Integer 0x0E07").empty());
        CHECK(value_of(draft, "String 0x007D").empty());
        CHECK(draft["isReadReceiptRequested"] == true);
    }

    TEST_CASE("what a damaged or odd message lacks is no failure") {
        for (const std::string text :
             {"", "\r\n\r\n", "no header at all", "Subject: x\r\n\r\n",
              "Content-Type: multipart/mixed\r\n\r\n--\r\n", "From: <<>>\r\n\r\nx"}) {
            const message_folder folder(text);
            auto m = restore::mime_file::open(folder.root(), "m.eml");
            if (m) {
                CHECK_NOTHROW(restore::message_to_create(json::object(), **m, "m"));
            }
        }
    }

    TEST_CASE("messages within each other end somewhere") {
        std::string text;
        for (int n = 0; n < 200; ++n) {
            text += "Content-Type: message/rfc822\r\n\r\n";
        }
        const message_folder folder(text + "Subject: deep\r\n\r\nend\r\n");
        const auto m = folder.open();
        CHECK(m->parts().size() == 1);
    }

    TEST_CASE("text in any character set comes out as UTF-8 without control characters") {
        CHECK(
            restore::clean_text(
                "Gr\xfc\xdf"
                "e",
                "iso-8859-1"
            ) == "Grüße"
        );
        CHECK(
            restore::clean_text(
                "Gr\xfc\xdf"
                "e",
                ""
            ) == "Grüße"
        );
        CHECK(
            restore::clean_text(
                "Gr\xfc\xdf"
                "e",
                "no such set"
            ) == "Grüße"
        );
        CHECK(restore::clean_text("a\x01\x0b\tb\r\n", "utf-8") == "a\tb\r\n");
    }

    TEST_CASE("a long text becomes a file") {
        const message_folder folder(
            "Content-Type: text/plain\r\n\r\n" + std::string(restore::mime_file::longest_body + 5, 'x')
        );
        const auto m = folder.open();
        CHECK(m->words().body.empty());
        REQUIRE(m->parts().size() == 1);
        CHECK(m->parts()[0].name == "message.txt");
        CHECK(m->parts()[0].size == static_cast<std::int64_t>(restore::mime_file::longest_body + 5));
    }

    TEST_CASE("the same message is told from another version of it, and from what people did with it") {
        const json staged{
            {"internetMessageId", "<a@b>"},
            {"subject", "s"},
            {"isRead", false},
            {"sentDateTime", "2026-10-01T08:01:02.5Z"},
            {"categories", json::array()}
        };
        auto other = staged;
        const auto a = restore::parse_remote_message(staged, "1");
        REQUIRE(a);
        other["isRead"] = true;
        other["sentDateTime"] = "2026-10-01T08:01:02Z";
        auto b = restore::parse_remote_message(other, "2");
        CHECK(restore::is_same_message(*a, *b));
        CHECK(restore::difference(*a, *b, true) == "read state");
        other["subject"] = "t";
        b = restore::parse_remote_message(other, "2");
        CHECK(!restore::is_same_message(*a, *b));
        CHECK(!restore::parse_remote_message(json::object()));
    }

    TEST_CASE("addresses that replyTo may hold") {
        CHECK(restore::is_reply_address("a@b.example"));
        CHECK(
            restore::is_reply_address("/o=Contoso/ou=x/cn=Recipients/cn=0123456789abcdef0123456789abcdef-ann")
        );
        for (const char* bad : {"", "a", "@b", "a@", "a b@c", "a@b@c", "a@b,c@d", "<a@b>"}) {
            CHECK_MESSAGE(!restore::is_reply_address(bad), bad);
        }
    }

    TEST_CASE("months are not mistaken for somebody's folders") {
        restore::object o;
        o.folder = true;
        o.local = "2026-10~tag";  // somebody has a folder of that name
        o.meta.name = "2026-10";
        o.meta.item = R"({"made":true})";
        CHECK(restore::is_month(o));
        o.meta.item = "{}";
        CHECK(!restore::is_month(o));
        o.local = o.meta.name = "Recoverable Items";
        o.meta.item = R"({"made":true})";
        CHECK(!restore::is_month(o));
        o.local = "2026-10";
        o.state = restore::object_state::no_sidecar;
        CHECK(restore::is_month(o));
    }

    TEST_CASE("an mbox keeps lines apart that look like the beginning of a message") {
        const std::string pattern = "Subject: a\r\n\r\nFrom here\r\n>From there\r\nno end";
        const message_folder folder(pattern);
        fs::create_directories(folder.root().path() + "/tree/users");
        fs::copy(folder.root().path() + "/m.eml", folder.root().path() + "/tree/users/m.eml");
        auto tree = restore::source_tree::find(folder.root().path());
        REQUIRE(tree.has_value());
        restore::object o;
        o.path = "users/m.eml";
        o.meta.item =
            R"({"from":{"emailAddress":{"address":"a b@c"}},"receivedDateTime":"2026-10-01T08:01:02Z"})";
        std::string out;
        auto box = restore::make_mbox();
        auto take = [&out](std::string_view bytes) {
            out += bytes;
            return core::result<void>();
        };
        REQUIRE(box->add(**tree, o, take).has_value());
        CHECK(
            out == "From a_b@c Thu Oct  1 08:01:02 2026\nSubject: a\n\n>From here\n>>From there\nno end\n\n"
        );
    }
}
