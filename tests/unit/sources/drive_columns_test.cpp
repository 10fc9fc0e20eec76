#include "sources/drive_columns.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace m365stage;
using nlohmann::json;
using sources::column_kind;

namespace {

const json& columns_of_library() {
    static const json list = json::parse(R"([
        {"name":"Title","text":{}}, {"name":"FileLeafRef","text":{}}, {"name":"_Comment","text":{}},
        {"name":"Modified","dateTime":{},"readOnly":true}, {"name":"Secret","text":{},"hidden":true},
        {"name":"Sum","calculated":{}}, {"name":"Status","choice":{}}, {"name":"Due","dateTime":{}},
        {"name":"Owner","personOrGroup":{}}, {"name":"Source","hyperlinkOrPicture":{}}, {"name":7}, 5, null])"
    );
    return list;
}

}  // namespace

TEST_SUITE("sources: columns") {
    TEST_CASE("columns are those that people write, and none if a library has the usual ones alone") {
        const auto own = sources::own_columns(columns_of_library());
        REQUIRE(own.size() == 5);
        CHECK(own[0].name == "Title");
        CHECK(own[1].name == "Status");
        CHECK(own[2].kind == column_kind::time);
        CHECK(own[3].kind == column_kind::lookup);
        CHECK(sources::field_of(own[3]) == "OwnerLookupId");
        CHECK(own[4].kind == column_kind::unwritable);
        const auto plain = json::parse(R"([{"name":"Title","text":{}},{"name":"ContentType","text":{}}])");
        CHECK(sources::own_columns(plain).empty());
        CHECK(sources::writable_columns(plain).size() == 1);
        CHECK(sources::own_columns(json::parse("{}")).empty());
    }

    TEST_CASE("values: only those of the columns, lookups by their number, nothing empty") {
        const auto own = sources::own_columns(columns_of_library());
        const auto fields = json::parse(
            R"({"id":"7","Title":"","Status":"Draft","Due":null,"OwnerLookupId":"14","Modified":"2026-01-01T00:00:00Z",
                "Tags":[],"Source":{"Url":"https://a","Description":"b"}})"
        );
        CHECK(
            sources::column_values(fields, own) ==
            json::parse(
                R"({"Status":"Draft","OwnerLookupId":"14","Source":{"Url":"https://a","Description":"b"}})"
            )
        );
        CHECK(sources::column_values(json::parse("[]"), own).empty());
    }

    TEST_CASE("an element of the list's feed counts if it says which version of which item it tells of") {
        const auto own = sources::own_columns(columns_of_library());
        const auto whole =
            json::parse(R"({"id":"1","fields":{"Status":"x"},"driveItem":{"id":"01A","eTag":"\"{G},1\""}})");
        const auto row = sources::parse_column_row(whole, own);
        REQUIRE(row.has_value());
        CHECK(row->remote_id == "01A");
        CHECK(row->etag == "\"{G},1\"");
        CHECK(row->values == R"({"Status":"x"})");
        for (const char* odd :
             {R"({"id":"1","fields":{}})", R"({"id":"1","deleted":{"state":"deleted"}})",
              R"({"fields":{},"driveItem":{"id":"01A"}})", "3", "null", "[]",
              R"({"fields":4,"driveItem":{"id":7,"eTag":[]}})"}) {
            CHECK_FALSE(sources::parse_column_row(json::parse(odd), own).has_value());
        }
    }
}
