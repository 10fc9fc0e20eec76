#include "api/job_log.hpp"

#include <doctest/doctest.h>

#include "api/local_client.hpp"

using namespace m365stage;

TEST_SUITE("api") {
    TEST_CASE("job log: a line is short ASCII, whatever a name holds") {
        CHECK(api::job_log_line("job n\u00e4chtlich\n") == "job n?chtlich?");
        const auto line = api::job_log_line(std::string(500, 'x'));
        CHECK(line.size() == api::longest_job_log_line);
        CHECK(line.ends_with("x..."));
    }

    TEST_CASE("job log: a long text goes on in the next line, at a blank if there is one") {
        const auto lines = api::job_log_lines("> ", std::string(100, 'a') + " " + std::string(300, 'b'));
        REQUIRE(lines.size() == 4);
        CHECK(lines[0] == "> " + std::string(100, 'a'));
        CHECK(lines[1] == "> " + std::string(118, 'b'));
        CHECK(lines[3] == "> " + std::string(64, 'b'));
        CHECK(api::job_log_lines("> ", "").size() == 1);
    }

    TEST_CASE("job log: of a refusal that is too long, what was tried goes first, and advice is never cut off"
    ) {
        core::error e(core::error_kind::disk, "there is no room left");
        e.operation = "backup";
        e.hint = "make room";
        CHECK(api::refusal_lines("", e).size() == 1);
        e.object = std::string(100, 'o');
        auto lines = api::refusal_lines("backup refused: ", e);
        REQUIRE(lines.size() == 1);
        CHECK(lines[0] == "m365stage: backup refused: there is no room left; make room");
        e.hint = std::string(60, 'h') + " " + std::string(100, 'i');
        lines = api::refusal_lines("backup refused: ", e);
        REQUIRE(lines.size() == 3);
        CHECK(lines[0] == "m365stage: backup refused: there is no room left");
        CHECK(lines[2] == "m365stage: " + std::string(100, 'i'));
    }
}
