#include "daemon/hook_words.hpp"

#include <doctest/doctest.h>

#include <sstream>

using namespace m365stage;
using words = std::vector<std::string>;

namespace {

/// As the file daemon splits a line: at blanks.
words split(const std::string& line) {
    std::istringstream in(line);
    words out;
    for (std::string word; in >> word;) {
        out.push_back(word);
    }
    return out;
}

}  // namespace

TEST_SUITE("daemon") {
    TEST_CASE("hook words: the words that Bareos makes of one value are one value again") {
        struct row {
            const char* line;
            words wanted;
        };
        for (const row& r : {
                 row{"hook after-job --jobid 7 --status OK", {"hook", "after-job", "--jobid=7", "--status=OK"}
                 },
                 row{"hook after-job --jobid 7 --status OK -- with warnings",
                     {"hook", "after-job", "--jobid=7", "--status=OK -- with warnings"}},
                 row{"hook after-job --status Fatal Error --jobid 7",
                     {"hook", "after-job", "--status=Fatal Error", "--jobid=7"}},
                 row{"hook job-ended --status=OK -- with warnings --jobid=7",
                     {"hook", "job-ended", "--status=OK -- with warnings", "--jobid=7"}},
                 row{"--config c.yaml hook before-job --job Nightly of Ann --jobid 7 --level Virtual Full "
                     "--json",
                     {"--config", "c.yaml", "hook", "before-job", "--job=Nightly of Ann", "--jobid=7",
                      "--level=Virtual Full", "--json"}},
                 row{"hook --config c.yaml before-job --job a --jobid 7 --max-age 1h",
                     {"hook", "--config", "c.yaml", "before-job", "--job=a", "--jobid=7", "--max-age=1h"}},
                 row{"hook job-ended --jobid 7 8 --json=x --status OK",
                     {"hook", "job-ended", "--jobid=7", "8", "--json=x", "--status=OK"}},
                 row{"hook after-job --job Nightly of Ann --jobid 7 --level Full --timeout 10m --status OK",
                     {"hook", "after-job", "--jobid=7", "--status=OK"}},
                 row{"hook after-job --jobid 7 --status Canceled --config c.yaml",
                     {"hook", "after-job", "--jobid=7", "--status=Canceled", "--config=c.yaml"}},
             }) {
            CAPTURE(r.line);
            CHECK(daemon::join_hook_words(split(r.line)) == r.wanted);
        }
    }

    TEST_CASE("hook words: a status that is not there is unknown, and a level was not asked for") {
        const words told{"hook", "after-job", "--status=unknown", "--jobid=7"};
        CHECK(daemon::join_hook_words(split("hook after-job --status --jobid 7")) == told);
        CHECK(daemon::join_hook_words(split("hook after-job --status= --jobid 7")) == told);
        CHECK(daemon::join_hook_words({"hook", "after-job", "--status", "", "--jobid", "7"}) == told);
        CHECK(
            daemon::join_hook_words(split("hook before-job --job a --level --jobid 7")) ==
            words{"hook", "before-job", "--job=a", "--jobid=7"}
        );
    }

    TEST_CASE("hook words: after-job loses what it has no use for, other hooks and commands nothing") {
        CHECK(
            daemon::join_hook_words(split("hook after-job now --jobid 7 too --status OK")) ==
            words{"hook", "after-job", "--jobid=7", "--status=OK"}
        );
        for (const char* line :
             {"hook before-job now --jobid=7", "sync --only a b", "ls hook", "hook", "history after-job",
              "export --from hook --to after-job a", "--config hook ls after-job --what"}) {
            CAPTURE(line);
            CHECK(daemon::join_hook_words(split(line)) == split(line));
        }
    }

    TEST_CASE("hook words: a status is told as one short line") {
        CHECK(daemon::status_to_tell("OK -- with warnings") == "OK -- with warnings");
        CHECK(daemon::status_to_tell(" two\nlines ") == "two lines");
        CHECK(daemon::status_to_tell("") == "unknown");
        CHECK(daemon::status_to_tell(" \t ") == "unknown");
        const auto cut = daemon::status_to_tell(std::string(199, 'a') + "\xc3\xa4 and more");
        CHECK(cut == std::string(199, 'a'));
    }
}
