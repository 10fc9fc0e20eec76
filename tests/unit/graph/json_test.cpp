#include "graph/json.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace m365stage;

TEST_SUITE("graph") {
    TEST_CASE("json: what is not quite JSON is mended") {
        struct row {
            std::string body, expected;
        };
        const row rows[] = {
            {R"({"a":"x\ud83dy"})", "x\xEF\xBF\xBDy"},
            {R"({"a":"x\udc00"})", "x\xEF\xBF\xBD"},
            {R"({"a":"\ud83d\ud83d\ude00"})", "\xEF\xBF\xBD\xF0\x9F\x98\x80"},
            {"{\"a\":\"one\ntwo\tthree\x01\"}", "one\ntwo\tthree\x01"},
            {"{\"a\":\"x\xff\xfey\"}", "x\xEF\xBF\xBD\xEF\xBF\xBDy"},
            {"{\"a\":\"x\xC3\"}", "x\xEF\xBF\xBD"},
            {"{\"a\":\"\xED\xA0\x80\"}", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
            {"{\"a\":\"q\\\"\n\"}", "q\"\n"},
        };
        for (const row& r : rows) {
            CAPTURE(r.body);
            auto got = graph::parse_object(r.body);
            REQUIRE(got.has_value());
            CHECK(got->repaired);
            CHECK((*got->value)["a"].get<std::string>() == r.expected);
        }
    }

    TEST_CASE("json: good JSON stays as it is") {
        auto got = graph::parse_object(R"({"a":"\ud83d\ude00\u0000\\","b":[1,2.5,null]})");
        REQUIRE(got.has_value());
        CHECK_FALSE(got->repaired);
        CHECK((*got->value)["a"].get<std::string>() == std::string("\xF0\x9F\x98\x80\0\\", 6));
    }

    TEST_CASE("json: anything else is a protocol error that names its nature") {
        struct row {
            std::string body, nature;
        };
        const row rows[] = {
            {"", "nothing"},           {"  \r\n", "nothing"},
            {"<html><body>", "HTML"},  {"<?xml ?>", "XML"},
            {"[1]", "JSON array"},     {"\"x\"", "JSON string"},
            {"hello", "text"},         {std::string("\x1f\x8b\x08", 3), "binary"},
            {R"({"a":)", "broken"},    {R"({"a":"\q"})", "broken"},
            {"{\"a\":\"\\", "broken"}, {"null", "text"},
        };
        for (const row& r : rows) {
            CAPTURE(r.body);
            auto got = graph::parse_object(r.body);
            REQUIRE(got.has_error());
            CHECK(got.error().kind == core::error_kind::protocol);
            CHECK(got.error().cause.find(r.nature) != std::string::npos);
        }
    }

    TEST_CASE("json: hostile nesting is refused before it is parsed") {
        auto nested = [](int depth) {
            return "{\"a\":" + std::string(static_cast<std::size_t>(depth), '[') +
                   std::string(static_cast<std::size_t>(depth), ']') + "}";
        };
        CHECK(graph::parse_object(nested(60)).has_value());
        CHECK(graph::parse_object(nested(64)).has_error());
        CHECK(graph::parse_object(nested(1'000'000)).has_error());
        CHECK(graph::parse_object("{\"a\":\"" + std::string(1000, '[') + "\"}").has_value());
    }
}
