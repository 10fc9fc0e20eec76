#include "core/duration.hpp"

#include <doctest/doctest.h>

using m365stage::core::format_duration;
using m365stage::core::longest_duration;
using m365stage::core::parse_duration;
using std::chrono::seconds;

TEST_SUITE("core") {
    TEST_CASE("duration: a whole number and one unit are read") {
        CHECK(parse_duration("0s") == seconds(0));
        CHECK(parse_duration("30s") == seconds(30));
        CHECK(parse_duration("15m") == seconds(900));
        CHECK(parse_duration("4h") == seconds(14'400));
        CHECK(parse_duration("90d") == seconds(7'776'000));
        CHECK(parse_duration("36500d") == longest_duration);
    }

    TEST_CASE("duration: everything else is refused") {
        for (const char* text :
             {"", "s", "15", "m15", "-1s", "+1s", " 1s", "1 s", "1s ", "1.5h", "1h30m", "15M", "1w", "36501d",
              "99999999999999999999s", "9223372036854775807d"}) {
            CAPTURE(text);
            CHECK_FALSE(parse_duration(text).has_value());
        }
    }

    TEST_CASE("duration: what is written is the shortest form and reads back as the same value") {
        CHECK(format_duration(seconds(0)) == "0s");
        CHECK(format_duration(seconds(-5)) == "0s");
        CHECK(format_duration(seconds(900)) == "15m");
        CHECK(format_duration(seconds(86'400)) == "1d");
        CHECK(format_duration(seconds(90)) == "90s");
        for (long count : {0L, 1L, 59L, 60L, 3'600L, 86'399L, 86'400L, 1'000'000L}) {
            CAPTURE(count);
            CHECK(parse_duration(format_duration(seconds(count))) == seconds(count));
        }
    }
}
