#include "core/glob.hpp"

#include <doctest/doctest.h>

#include <string>

using m365stage::core::glob_match;

TEST_SUITE("core") {
    TEST_CASE("glob: the whole text must match") {
        struct row {
            const char* pattern;
            const char* text;
            bool matches;
        };
        const row rows[] = {
            {"*", "", true},
            {"*", "anything/at all", true},
            {"", "", true},
            {"", "a", false},
            {"svc-*@contoso.com", "svc-print@contoso.com", true},
            {"svc-*@contoso.com", "svc-@contoso.com", true},
            {"svc-*@contoso.com", "ann@contoso.com", false},
            {"svc-*@contoso.com", "svc-a@contoso.com.evil", false},
            {"SVC-*@Contoso.COM", "svc-a@contoso.com", true},
            {"a?c", "abc", true},
            {"a?c", "ac", false},
            {"a?c",
             "a\xc3\xa4"
             "c",
             true},
            {"a?", "a\xf0\x9f\x98\x80", true},
            {"*a*b*c*", "xxaxxbxxcxx", true},
            {"*a*b*c*", "xxcxxbxxaxx", false},
            {"*.com", "a.com.com", true},
            {"[a]", "a", false},
            {"\\*", "\\anything", true},
        };
        for (const row& r : rows) {
            CAPTURE(r.pattern);
            CAPTURE(r.text);
            CHECK(glob_match(r.pattern, r.text) == r.matches);
        }
    }

    TEST_CASE("glob: a pattern over paths selects what it matches and everything below") {
        using m365stage::core::path_pattern;
        struct row {
            const char* pattern;
            const char* path;
            bool selected;
        };
        const row rows[] = {
            {"users/ann@x", "users/ann@x", true},
            {"users/ann@x", "users/ann@x/onedrive/a.txt", true},
            {"users/ann@x/", "users/ann@x/onedrive", true},
            {"users/ann@x//", "users/ann@x", true},
            {"users/ann@x", "users/ann@x.org/onedrive", false},
            {"users/ann@x/onedrive/a", "users/ann@x/onedrive", false},
            {"Users/ANN@x", "users/ann@x/onedrive", true},
            {"users/*/mail", "users/ann@x/mail/Inbox/m.eml", true},
            {"users/*/mail", "users/ann@x/mailing", false},
            {"*.docx", "users/ann@x/onedrive/a.docx", true},
            {"", "anything", true},
            {"/", "anything", false},
        };
        for (const row& r : rows) {
            CAPTURE(r.pattern);
            CAPTURE(r.path);
            CHECK(path_pattern(r.pattern).selects(r.path) == r.selected);
        }
    }

    TEST_CASE("a pattern tells which folders need no look") {
        using m365stage::core::path_pattern;
        const std::string paths[] = {
            "users/ann@x/onedrive/Reports/a.txt", "users/Ann@x/mail/Inbox/1.eml", "users/anna@x/onedrive/a",
            "sites/h/s/libraries/Docs/q", "a"
        };
        const char* patterns[] = {"",           "users",      "users/",       "users/ann@x",  "USERS/ANN@*",
                                  "users/a?n*", "*/Reports",  "*.txt",        "sites/h",      "?",
                                  "users/ann",  "users/ann*", "sites/h/s/*q", "users/ann@x/o"};
        for (const char* pattern : patterns) {
            const path_pattern p(pattern);
            for (const auto& path : paths) {
                for (auto at = path.find('/'); p.selects(path) && at != std::string::npos;
                     at = path.find('/', at + 1)) {
                    CAPTURE(pattern);
                    CAPTURE(path.substr(0, at));
                    CHECK(p.may_select_below(path.substr(0, at)));
                }
            }
        }
        CHECK_FALSE(path_pattern("users/ann@x").may_select_below("users/anna@x"));
        CHECK_FALSE(path_pattern("users/ann@x").may_select_below("sites"));
        CHECK_FALSE(path_pattern("users/ann@x/one*").may_select_below("users/ann@x/mail"));
        CHECK(path_pattern("*.txt").may_select_below("sites/h"));
    }

    TEST_CASE("glob: many stars over a long text take no exponential time") {
        std::string pattern;
        for (int i = 0; i < 50; ++i) {
            pattern += "*a";
        }
        pattern += "b";
        CHECK_FALSE(glob_match(pattern, std::string(20'000, 'a')));
    }
}
