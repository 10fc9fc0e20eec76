#include "tree/sidecar.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>

using namespace m365stage;
using tree::sidecar;

namespace {

sidecar file_sidecar() {
    sidecar s;
    s.kind = "drive";
    s.type = "file";
    s.id = "01ABC";
    s.parent_id = "01ROOT";
    s.name = "a \"b\" \xc3\xa9.txt";
    s.item = R"({"createdDateTime":"2026-01-01T00:00:00Z","file":{"mimeType":"text/plain"},"size":3})";
    s.permissions = R"([{"id":"p1","roles":["read"]}])";
    s.columns = R"({"Status":"Draft","Tags":["a","b"]})";
    s.size = 3;
    s.sha256 = std::string(64, 'a');
    s.verdict = "altered_by_service";
    return s;
}

sidecar folder_sidecar() {
    sidecar s;
    s.kind = "drive";
    s.type = "folder";
    s.id = "01FOLDER";
    s.parent_id = "01ROOT";
    s.name = "folder";
    s.item = "{}";
    return s;
}

sidecar container_sidecar() {
    sidecar s;
    s.kind = "drive";
    s.type = "container";
    s.id = "b!xyz";
    s.root_id = "01ROOT";
    s.name = "OneDrive";
    s.owner = R"({"id":"u1","kind":"user","name":"ann@contoso.com"})";
    s.item = "{}";
    return s;
}

}  // namespace

TEST_SUITE("tree") {
    TEST_CASE("sidecar: what was rendered is read back the same") {
        for (const auto& s : {file_sidecar(), folder_sidecar(), container_sidecar()}) {
            const auto text = tree::render(s);
            CHECK(text.ends_with("}\n"));
            const auto back = tree::parse_sidecar_strictly(text);
            REQUIRE(back.has_value());
            CHECK(tree::render(*back) == text);
            CHECK(back->kind == s.kind);
            CHECK(back->type == s.type);
            CHECK(back->id == s.id);
            CHECK(back->parent_id == s.parent_id);
            CHECK(back->root_id == s.root_id);
            CHECK(back->name == s.name);
            CHECK(back->size == s.size);
            CHECK(back->sha256 == s.sha256);
            CHECK(back->verdict == s.verdict);
            CHECK(nlohmann::json::parse(back->item) == nlohmann::json::parse(s.item));
        }
    }

    TEST_CASE("sidecar: equal metadata is equal text, in whatever order it came") {
        auto a = file_sidecar();
        auto b = a;
        b.item = *tree::canonical(
            R"({"size":3,"file":{"mimeType":"text/plain"},"createdDateTime":"2026-01-01T00:00:00Z"})"
        );
        CHECK(tree::render(a) == tree::render(b));
    }

    TEST_CASE("sidecar: the text is laid out as the JSON library lays it out") {
        auto s = file_sidecar();
        s.item = *tree::canonical(
            R"({"a":[],"b":{},"c":[1,-2.5,true,null,"x\\y\"z[{,:"],"d":{"e":{"f":[{"g":"\u0001"},[[]]]}},"":"\u00e9"})"
        );
        for (const auto& each : {s, folder_sidecar(), container_sidecar()}) {
            const auto text = tree::render(each);
            CHECK(nlohmann::json::parse(text).dump(2) + "\n" == text);
        }
    }

    TEST_CASE("sidecar: names that are not UTF-8 do not throw") {
        auto s = folder_sidecar();
        s.name = "a\xff\xfe";
        const auto text = tree::render(s);
        CHECK(tree::parse_sidecar_strictly(text).has_value());
    }

    TEST_CASE("sidecar: every flipped bit is seen") {
        const auto text = tree::render(file_sidecar());
        for (std::size_t i = 0; i < text.size(); ++i) {
            for (int bit = 0; bit < 8; ++bit) {
                auto broken = text;
                broken[i] = static_cast<char>(broken[i] ^ (1 << bit));
                CAPTURE(i);
                CAPTURE(bit);
                REQUIRE_FALSE(tree::parse_sidecar_strictly(broken).has_value());
            }
        }
    }

    TEST_CASE("sidecar: cut off, empty and foreign files are refused") {
        const auto text = tree::render(file_sidecar());
        for (std::size_t size = 0; size + 1 < text.size(); ++size) {
            REQUIRE_FALSE(tree::parse_sidecar_strictly(text.substr(0, size)).has_value());
        }
        for (const char* other :
             {"", "null", "[]", "{}", "\"text\"",
              R"({"m365stage":2,"kind":"drive","type":"folder","id":"1"})",
              R"({"m365stage":1,"kind":"drive","type":"file","id":"1","name":"a"})",
              R"({"m365stage":1,"kind":"drive","type":"file","id":"1","staged":[]})",
              R"({"m365stage":1,"kind":"drive","type":"file","id":"1","staged":{"size":"3"}})",
              R"({"m365stage":1,"kind":"drive","type":"folder","id":7})"}) {
            CAPTURE(other);
            CHECK_FALSE(tree::parse_sidecar(other).has_value());
        }
    }

    TEST_CASE("sidecar: unknown members and a missing check sum are taken by the tolerant reader") {
        auto object = nlohmann::json::parse(tree::render(folder_sidecar()));
        object.erase("checksum");
        object["future"] = 1;
        CHECK(tree::parse_sidecar(object.dump()).has_value());
        CHECK_FALSE(tree::parse_sidecar_strictly(object.dump()).has_value());
    }

    TEST_CASE("sidecar: what is rendered keeps to schema/sidecar.schema.json") {
        std::ifstream file(M365STAGE_SOURCE_DIR "/schema/sidecar.schema.json");
        const auto document = nlohmann::json::parse(file, nullptr, false);
        REQUIRE(document.is_object());
        valijson::Schema schema;
        valijson::SchemaParser parser;
        parser.populateSchema(valijson::adapters::NlohmannJsonAdapter(document), schema);
        auto keeps = [&schema](const nlohmann::json& value) {
            valijson::Validator validator;
            const valijson::adapters::NlohmannJsonAdapter target(value);
            return validator.validate(schema, target, nullptr);
        };
        auto shortcut = folder_sidecar();
        shortcut.type = "shortcut";
        for (const auto& s : {file_sidecar(), folder_sidecar(), container_sidecar(), shortcut}) {
            CHECK(keeps(nlohmann::json::parse(tree::render(s))));
        }
        auto wrong = nlohmann::json::parse(tree::render(file_sidecar()));
        wrong.erase("staged");
        CHECK_FALSE(keeps(wrong));
        wrong = nlohmann::json::parse(tree::render(container_sidecar()));
        wrong.erase("root_id");
        CHECK_FALSE(keeps(wrong));
    }

}  // TEST_SUITE
