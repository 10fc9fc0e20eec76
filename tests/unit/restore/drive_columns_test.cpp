#include "restore/drive_columns.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace m365stage;
using nlohmann::json;
using sources::column_kind;

namespace {

sources::column named(const char* name, column_kind kind) {
    sources::column c;
    c.name = name;
    c.kind = kind;
    return c;
}

}  // namespace

TEST_SUITE("restore: columns") {
    TEST_CASE("what can't be written is named with its reason, the rest is sent") {
        const std::vector<sources::column> there{
            named("Status", column_kind::plain), named("Owner", column_kind::lookup),
            named("Source", column_kind::unwritable)
        };
        const auto staged =
            json::parse(R"({"Status":"x","OwnerLookupId":"14","Source":{"Url":"u"},"Cost":3})");
        auto plan = restore::plan_columns(staged, there, true);
        CHECK(plan.body.size() == 2);
        REQUIRE(plan.left_out.size() == 2);
        CHECK(plan.left_out[0].find("'Cost' is no column") == 0);
        CHECK(plan.left_out[1].find("'Source' is of a kind") == 0);
        plan = restore::plan_columns(staged, there, false);
        REQUIRE(plan.body.size() == 1);
        CHECK(plan.body[0].first == "Status");
        CHECK(plan.body[0].second == R"({"Status":"x"})");
    }

    TEST_CASE("several values say what they are") {
        CHECK(
            restore::field_members("Tags", json::parse(R"(["a"])"), false) ==
            json::parse(R"x({"Tags":["a"],"Tags@odata.type":"Collection(Edm.String)"})x")
        );
        CHECK(
            restore::field_members("Owners", json::parse(R"([{"LookupId":4,"LookupValue":"A"}, 7])"), true) ==
            json::parse(R"x({"OwnersLookupId":[4],"OwnersLookupId@odata.type":"Collection(Edm.Int32)"})x")
        );
    }

    TEST_CASE("reading back compares by tags: numbers by value, everything else to the letter") {
        const auto values = json::parse(R"({"Cost":3,"Status":"x","Other":true})");
        const auto tags = restore::column_tags(values, {"Cost", "Status"});
        CHECK(restore::differing_columns(tags, json::parse(R"({"Cost":3.0,"Status":"x"})")).empty());
        CHECK(
            restore::differing_columns(tags, json::parse(R"({"Cost":3.5,"Status":"x"})")) ==
            std::vector<std::string>{"Cost"}
        );
        CHECK(restore::differing_columns(tags, json::parse("{}")).size() == 2);
        CHECK(restore::differing_columns("", json::parse("{}")).empty());
    }
}
