#include "graph/flat_json.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "graph/links.hpp"
#include "graph/page.hpp"

using namespace m365stage;
using graph::flat_json;

namespace {

std::string canonical_of(const std::string& text) {
    const auto flat = flat_json::parse(text);
    REQUIRE(flat.has_value());
    std::string out;
    flat->root().write_canonical(out);
    return out;
}

}  // namespace

TEST_SUITE("graph") {
    TEST_CASE("flat json: every question may be put to every value") {
        const auto flat =
            flat_json::parse(R"( {"a":{"b":"x\ty"},"n":null,"l":[1,"two"],"t":true,"i":-7,"r":1.5} )");
        REQUIRE(flat.has_value());
        const auto root = flat->root();
        CHECK(root.is_object());
        CHECK(root.member("a").member("b").text() == "x\ty");
        CHECK_FALSE(root.member("n"));
        CHECK_FALSE(root.member("missing").member("more"));
        CHECK_FALSE(root.member("t").member("x"));
        CHECK(root.member("t").is_true());
        CHECK(root.member("i").integer() == -7);
        CHECK_FALSE(root.member("r").integer().has_value());
        CHECK_FALSE(root.member("a").integer().has_value());
        CHECK(root.member("i").text().empty());
        REQUIRE(root.member("l").elements().size() == 2);
        CHECK(root.member("l").elements()[1].text() == "two");
        CHECK(root.member("a").elements().empty());
    }

    TEST_CASE("flat json: of two members of one name the last one counts") {
        CHECK(flat_json::parse(R"({"a":1,"a":2})")->root().member("a").integer() == 2);
        CHECK(canonical_of(R"({"b":0,"a":1,"a":[2]})") == R"({"a":[2],"b":0})");
    }

    TEST_CASE("flat json: it writes what nlohmann::json writes") {
        for (const std::string text :
             {R"({"z":1,"a":{"y":[],"x":{}}})",
              R"([0,-0,1.50,1e2,12345678901234567890,123456789012345678901])",
              R"(["\u00e9\ud83d\ude00\/\"\\\b\f\n\r\t\u0000\u001f","\u007f"])", "[\"\xC3\xA9\"]", "7",
              "null"}) {
            CAPTURE(text);
            CHECK(canonical_of(text) == nlohmann::json::parse(text).dump());
        }
    }

    TEST_CASE("flat json: what is not quite JSON is refused") {
        for (const std::string text : {"",
                                       "{",
                                       "{\"a\"}",
                                       "{\"a\":1,}",
                                       "[1,]",
                                       "[01]",
                                       "[1.]",
                                       "[-]",
                                       "[1e]",
                                       "[1e999]",
                                       "tru",
                                       "{'a':1}",
                                       "[\"\\ud83d\"]",
                                       "[\"\\udc00\"]",
                                       "[\"\\q\"]",
                                       "[\"\\u12\"]",
                                       "[\"\n\"]",
                                       "[\"\xff\"]",
                                       "[\"a",
                                       "[\"\\",
                                       "[] x",
                                       "{1:2}"}) {
            CAPTURE(text);
            CHECK_FALSE(flat_json::parse(text).has_value());
        }
        CHECK_FALSE(flat_json::parse(std::string("[\"a\0b\"]", 7)).has_value());
        CHECK_FALSE(flat_json::parse(std::string(65, '[') + std::string(65, ']')).has_value());
        CHECK(flat_json::parse(std::string(64, '[') + std::string(64, ']')).has_value());
    }

    TEST_CASE("flat page: what has to be mended is mended, what is no page is refused") {
        const graph::link_rules rules("https://graph.microsoft.com", {});
        const auto mended = graph::parse_flat_page("{\"value\":[{\"id\":\"x\ny\"}]}", rules);
        REQUIRE(mended.has_value());
        CHECK(mended->repaired);
        CHECK(mended->flat->root().member("value").elements().at(0).member("id").text() == "x\ny");
        CHECK_FALSE(graph::parse_flat_page("<html>", rules).has_value());
        CHECK_FALSE(graph::parse_flat_page(R"({"value":{}})", rules).has_value());
        CHECK_FALSE(graph::parse_flat_page(R"({"value":[],"@odata.nextLink":7})", rules).has_value());
        const auto foreign =
            graph::parse_flat_page(R"({"value":[],"@odata.nextLink":"https://evil.example/next"})", rules);
        CHECK_FALSE(foreign.has_value());
    }
}
