#include "sources/drive_item.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace m365stage;
using nlohmann::json;
using sources::parse_drive_item;

namespace {

json file_item() {
    return json::parse(R"({
      "@microsoft.graph.downloadUrl": "https://files.example/secret",
      "createdDateTime": "2026-01-01T00:00:00Z", "cTag": "\"c:{A},1\"", "eTag": "\"{A},1\"",
      "id": "01FILE", "lastModifiedDateTime": "2026-01-02T00:00:00Z", "name": "a.txt", "size": 5,
      "webUrl": "https://contoso.sharepoint.com/a.txt",
      "createdBy": {"user": {"displayName": "Ann", "id": "u1"}},
      "parentReference": {"driveId": "b!d", "driveType": "business", "id": "01ROOT", "path": "/drive/root:", "siteId": "s"},
      "file": {"mimeType": "text/plain", "hashes": {"quickXorHash": "aCgDG9jwBgAAAAAABQAAAAAAAAA="}},
      "fileSystemInfo": {"createdDateTime": "2026-01-01T00:00:00Z", "lastModifiedDateTime": "2020-02-29T12:00:00Z"}
    })");
}

}  // namespace

TEST_SUITE("sources") {
    TEST_CASE("drive item: a file as the feed tells it") {
        const auto c = parse_drive_item(file_item());
        REQUIRE(c.has_value());
        CHECK(c->remote_id == "01FILE");
        CHECK(c->type == index::item_type::file);
        CHECK(c->parent_remote_id == "01ROOT");
        CHECK(c->name == "a.txt");
        CHECK(c->size == 5);
        CHECK(c->content);
        CHECK(c->mtime == 1'582'977'600);
        CHECK(c->hash == "aCgDG9jwBgAAAAAABQAAAAAAAAA=");
        CHECK(c->url == "https://files.example/secret");
        CHECK(c->refusal.empty());
        CHECK(c->meta.find("secret") == std::string::npos);
        CHECK(c->meta.find("eTag") == std::string::npos);
        CHECK(c->meta.find("webUrl") == std::string::npos);
    }

    TEST_CASE("drive item: tombstones need nothing but their id") {
        for (const char* text :
             {R"({"id":"1","deleted":{"state":"deleted"}})", R"({"id":"1","deleted":{}})",
              R"({"id":"1","@removed":{"reason":"deleted"}})",
              R"({"id":"1","deleted":{},"name":"x","parentReference":{}})"}) {
            const auto c = parse_drive_item(json::parse(text));
            REQUIRE(c.has_value());
            CHECK(c->removed);
        }
    }

    TEST_CASE("drive item: root, folders, packages and shortcuts are told apart") {
        const auto root =
            parse_drive_item(json::parse(R"({"id":"r","name":"root","root":{},"folder":{"childCount":2}})"));
        REQUIRE(root.has_value());
        CHECK(root->root);
        CHECK(root->type == index::item_type::folder);
        CHECK(root->parent_remote_id.empty());
        auto item = file_item();
        item.erase("file");
        item["folder"] = {{"childCount", 3}};
        CHECK(parse_drive_item(item)->type == index::item_type::folder);
        CHECK(parse_drive_item(item)->children == 3);
        CHECK_FALSE(parse_drive_item(item)->content);
        item["package"] = {{"type", "oneNote"}};
        CHECK(parse_drive_item(item)->type == index::item_type::package);
        item["remoteItem"] = {{"id", "x"}, {"webUrl", "w"}};
        CHECK(parse_drive_item(item)->type == index::item_type::shortcut);
        CHECK(parse_drive_item(item)->meta.find("webUrl") == std::string::npos);
    }

    TEST_CASE("drive item: a folder's modification times do not make its metadata another") {
        auto item = file_item();
        item.erase("file");
        item["folder"] = json::object();
        const auto before = parse_drive_item(item);
        item["lastModifiedDateTime"] = "2026-05-05T00:00:00Z";
        item["fileSystemInfo"]["lastModifiedDateTime"] = "2026-05-05T00:00:00Z";
        const auto after = parse_drive_item(item);
        CHECK(before->mark == after->mark);
        CHECK(before->meta != after->meta);
        CHECK(sources::drive_item_mark(json::parse(after->meta)) == after->mark);
        item["description"] = "x";
        CHECK(parse_drive_item(item)->mark != after->mark);
    }

    TEST_CASE("drive item: sizes and times that make no sense count as unknown") {
        for (const char* size : {"-1", "1.5", "\"5\"", "null", "18446744073709551615"}) {
            auto item = file_item();
            item["size"] = json::parse(size);
            CAPTURE(size);
            CHECK(parse_drive_item(item)->size == 0);
        }
        auto item = file_item();
        item["fileSystemInfo"]["lastModifiedDateTime"] = "0001-01-01T00:00:00Z";
        CHECK(parse_drive_item(item)->mtime == 0);
        item["fileSystemInfo"] = "nonsense";
        CHECK(parse_drive_item(item)->mtime == 1'767'312'000);
        item["lastModifiedDateTime"] = 7;
        CHECK(parse_drive_item(item)->mtime == 0);
    }

    TEST_CASE("drive item: the hash of nothing counts as no hash") {
        auto item = file_item();
        item["file"]["hashes"]["quickXorHash"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        CHECK(parse_drive_item(item)->hash.empty());
        item["file"].erase("hashes");
        CHECK(parse_drive_item(item)->hash.empty());
    }

    TEST_CASE("drive item: malware and what has no content are refused with a reason") {
        auto item = file_item();
        item["malware"] = {{"description", "x"}};
        CHECK(parse_drive_item(item)->refusal == "malware");
        item = file_item();
        item.erase("file");
        item.erase("@microsoft.graph.downloadUrl");
        CHECK(parse_drive_item(item)->refusal == "unsupported");
    }

    TEST_CASE("drive item: what has no id or no place is passed over") {
        for (const char* text :
             {"null", "[]", "7", "\"x\"", "{}", R"({"id":null})", R"({"id":5})", R"({"id":"x"})",
              R"({"id":"x","parentReference":{}})", R"({"id":"x","parentReference":{"id":"x"}})",
              R"({"id":"x","parentReference":[]})"}) {
            CAPTURE(text);
            CHECK_FALSE(parse_drive_item(json::parse(text)).has_value());
        }
    }

    TEST_CASE("drive item: members of any wrong type throw nothing") {
        const auto item = file_item();
        for (const auto& [key, value] : item.items()) {
            for (const char* wrong :
                 {"null", "[]", "{}", "7", "-0.5", "\"x\"", "true", "[[]]", "{\"a\":{}}"}) {
                auto broken = item;
                broken[key] = json::parse(wrong);
                CHECK_NOTHROW((void)parse_drive_item(broken));
                if (value.is_object()) {
                    for (const auto& inner : value.items()) {
                        broken = item;
                        broken[key][inner.key()] = json::parse(wrong);
                        CHECK_NOTHROW((void)parse_drive_item(broken));
                    }
                }
            }
        }
        CHECK_NOTHROW((void)sources::drive_item_mark(json::parse("[]")));
        CHECK_NOTHROW((void)sources::drive_item_mark(json::parse("null")));
    }

    TEST_CASE("drive item: permissions that are inherited are left out, an empty inheritedFrom included") {
        const auto list = json::parse(R"([{"id":"1","roles":["read"],"grantedTo":{}},
      {"id":"2","inheritedFrom":{}},{"id":"3","inheritedFrom":{"id":"x"}},{"id":"4","inheritedFrom":null},7])"
        );
        const auto own = sources::own_permissions(list);
        REQUIRE(own.size() == 2);
        CHECK(own[0]["id"] == "1");
        CHECK_FALSE(own[0].contains("grantedTo"));
        CHECK(own[1]["id"] == "4");
        CHECK(sources::own_permissions(json::parse("{}")).empty());
    }

}  // TEST_SUITE
