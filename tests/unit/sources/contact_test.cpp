#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "sources/contact_item.hpp"
#include "sources/vcard.hpp"

using namespace m365stage;
using namespace m365stage::sources;
using nlohmann::json;

namespace {

json whole() {
    return json::parse(
        R"({"id":"c-1","changeKey":"k1","@odata.etag":"W/\"k1\"","parentFolderId":"f","displayName":"Ann Lee",
      "surname":"Lee; Smith","givenName":"Ann","createdDateTime":"2026-01-01T00:00:00Z",
      "lastModifiedDateTime":"2026-01-02T00:00:00Z","emailAddresses":[{"name":"","address":"a@x.example"}],
      "nickName":null,"children":[],"homeAddress":{},"personalNotes":"one\r\ntwo, three"})"
    );
}

std::string line_of(const std::string& card, const std::string& name) {
    const auto at = card.find("\r\n" + name);
    return at == std::string::npos ? "" : card.substr(at + 2, card.find("\r\n", at + 2) - at - 2);
}

}  // namespace

TEST_SUITE("sources") {
    TEST_CASE("contacts: null, empty and missing members are the same contact") {
        auto bare = whole();
        for (const char* key : {"nickName", "children", "homeAddress"}) {
            bare.erase(key);
        }
        bare["emailAddresses"][0].erase("name");
        const auto a = parse_contact(whole(), "");
        const auto b = parse_contact(bare, "");
        REQUIRE((a && b));
        CHECK(a->meta == b->meta);
        CHECK(a->hash == b->hash);
        CHECK(a->name.starts_with("Ann Lee_"));
        CHECK(a->name.ends_with(".vcf"));
    }

    TEST_CASE(
        "contacts: a change that only the version tells, a photo's, makes another eTag of the same facts"
    ) {
        auto later = whole();
        later["changeKey"] = "k2";
        const auto a = parse_contact(whole(), "");
        const auto b = parse_contact(later, "");
        REQUIRE((a && b));
        CHECK(a->mark == b->mark);
        CHECK(a->etag != b->etag);
        CHECK(b->etag_is_exact);
    }

    TEST_CASE("contacts: without a version nothing is concluded from it") {
        auto bare = whole();
        for (const char* key : {"changeKey", "@odata.etag", "lastModifiedDateTime"}) {
            bare.erase(key);
        }
        const auto c = parse_contact(bare, "");
        REQUIRE(c);
        CHECK_FALSE(c->etag_is_exact);
        CHECK(c->parent_remote_id == "f");
    }

    TEST_CASE("contacts: an element that tells only what changed is told from a whole one") {
        CHECK_FALSE(is_sparse_contact(whole()));
        CHECK(is_sparse_contact(json{{"id", "c-1"}, {"displayName", "New"}, {"emailAddresses", json::array()}}
        ));
        CHECK_FALSE(is_sparse_contact(json{{"id", "c-1"}, {"@removed", {{"reason", "deleted"}}}}));
    }

    TEST_CASE("vcard: values are escaped, names come from what is there") {
        const auto card = vcard_without_end(whole(), "c-1");
        CHECK(card.starts_with("BEGIN:VCARD\r\nVERSION:3.0\r\n"));
        CHECK(line_of(card, "FN:") == "FN:Ann Lee");
        CHECK(line_of(card, "N:") == "N:Lee\\; Smith;Ann;;;");
        CHECK(line_of(card, "NOTE:") == "NOTE:one\\ntwo\\, three");
        CHECK(contact_name(json{{"companyName", "Fabrikam"}}) == "Fabrikam");
        CHECK(line_of(vcard_without_end(json::object(), "x"), "N:") == "N:;;;;");
    }

    TEST_CASE("vcard: no line is longer than 75 bytes, no character is cut") {
        std::string wide;
        for (int i = 0; i < 100; ++i) {
            wide += "\xF0\x9F\x93\xA7";
        }
        const auto card =
            vcard_without_end(json{{"displayName", wide}, {"personalNotes", "a\x01" + wide}}, "x");
        std::size_t longest = 0;
        for (std::size_t at = 0; at < card.size();) {
            const auto end = card.find("\r\n", at);
            longest = std::max(longest, end - at);
            CHECK(json::accept("\"" + card.substr(at, end - at) + "\""));  // whole UTF-8
            at = end + 2;
        }
        CHECK(longest <= 75);
        CHECK(card.find('\x01') == std::string::npos);
    }

    TEST_CASE("vcard: a birthday without a year says so") {
        CHECK(
            line_of(vcard_without_end(json{{"birthday", "1990-02-28T11:59:00Z"}}, "x"), "BDAY") ==
            "BDAY:1990-02-28"
        );
        CHECK(
            line_of(vcard_without_end(json{{"birthday", "1604-02-29T00:00:00Z"}}, "x"), "BDAY") ==
            "BDAY;X-APPLE-OMIT-YEAR=1604:1604-02-29"
        );
    }

    TEST_CASE("vcard: nothing that a service says can make a property of its own") {
        CHECK(vcard_photo("image/png") == "PHOTO;ENCODING=b;TYPE=PNG:\r\n ");
        CHECK(vcard_photo("image/p\r\nEND:VCARD") == "PHOTO;ENCODING=b;TYPE=P:\r\n ");
        CHECK(vcard_photo("") == "PHOTO;ENCODING=b;TYPE=JPEG:\r\n ");
    }
}
