#include "core/error.hpp"

#include <doctest/doctest.h>

#include <cerrno>

using m365stage::core::describe;
using m365stage::core::disk_error;
using m365stage::core::error;
using m365stage::core::error_kind;

TEST_SUITE("core") {
    TEST_CASE("error: what a person can do is told to its end, however long the reason is") {
        error e(error_kind::server, std::string(5000, 'x'));
        e.operation = "download";
        e.hint = "see 'm365stage status'";
        const auto line = describe(e);
        CHECK(line.size() <= 1010);
        CHECK(line.starts_with("download: xxx"));
        CHECK(line.ends_with("x...; see 'm365stage status'"));
    }

    TEST_CASE("error: a line is cut between two characters") {
        for (std::size_t before = 990; before < 1005; ++before) {
            std::string text(before, 'x');
            for (int n = 0; n < 10; ++n) {
                text += "\u00fc";
            }
            auto line = describe(error(error_kind::server, text));
            REQUIRE(line.ends_with("..."));
            line.resize(line.size() - 3);
            CHECK(text.starts_with(line));
            CHECK((line.size() <= before || (line.size() - before) % 2 == 0));
        }
    }

    TEST_CASE("error: one of the disk says what errno means") {
        const auto e = disk_error(ENOSPC).during("write").on("/srv/stage/spool/1");
        CHECK(e.kind == error_kind::disk);
        CHECK(describe(e) == "write /srv/stage/spool/1: No space left on device");
    }
}
