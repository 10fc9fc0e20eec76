#include "tree/names.hpp"

#include <doctest/doctest.h>

#include <random>
#include <set>

using namespace m365stage::tree;

namespace {

/// What Linux and our own layout ask of one name.
bool is_valid(const std::string& name) {
    if (name.empty() || name.size() > 255 || name == "." || name == ".." || name == ".m365" ||
        name == ".m365stage") {
        return false;
    }
    for (const char c : name) {
        const auto u = static_cast<unsigned char>(c);
        if (c == '/' || u < 0x20 || u == 0x7f) {
            return false;
        }
    }
    return true;
}

bool is_utf8(std::string_view s) {
    for (std::size_t i = 0; i < s.size();) {
        const auto c = static_cast<unsigned char>(s[i]);
        const std::size_t n = c < 0x80 ? 1 : (c >> 5) == 6 ? 2 : (c >> 4) == 14 ? 3 : (c >> 3) == 30 ? 4 : 0;
        if (n == 0 || i + n > s.size()) {
            return false;
        }
        for (std::size_t k = 1; k < n; ++k) {
            if ((static_cast<unsigned char>(s[i + k]) & 0xC0) != 0x80) {
                return false;
            }
        }
        i += n;
    }
    return true;
}

std::string repeat(std::string_view part, std::size_t times) {
    std::string out;
    for (std::size_t i = 0; i < times; ++i) {
        out += part;
    }
    return out;
}

}  // namespace

TEST_SUITE("tree") {
    TEST_CASE("names: what Linux can hold is kept to the letter") {
        for (const char* name :
             {"a.txt", " leading", "trailing ", "a:b*c?\"<>|", "Ünïcode", "\xe6\x97\xa5\xe6\x9c\xac", "...",
              ".m365x", "-rf", "~$lock.docx", "a\\b", "CON", ".hidden"}) {
            CHECK(local_name(name, "id") == name);
        }
        const auto longest = std::string(255, 'x');
        CHECK(local_name(longest, "id") == longest);
    }

    TEST_CASE("names: what Linux or our layout can't hold gets a safe name with a tag") {
        for (const std::string& name :
             {std::string("."), std::string(".."), std::string(".m365"), std::string(".m365stage"),
              std::string(), std::string("a/b"), std::string("../../etc/passwd"), std::string("a\0b", 3),
              std::string("a\nb"), std::string("a\x7f"), std::string(256, 'x')}) {
            const auto local = local_name(name, "01ABC");
            CAPTURE(name);
            CHECK(is_valid(local));
            CHECK(local != name);
            CHECK(local.find('~') != std::string::npos);
            CHECK(local_name(name, "01ABC") == local);
            CHECK(local_name(name, "01ABD") != local);
        }
    }

    TEST_CASE("names: a long name keeps its extension and is cut between characters") {
        const auto local = local_name(repeat("\xe6\x97\xa5", 100) + ".docx", "id");
        CHECK(local.size() <= 255);
        CHECK(local.ends_with(".docx"));
        CHECK(is_utf8(local));
        // The cut falls into the middle of a character for at least one of these.
        for (std::size_t lead = 0; lead < 4; ++lead) {
            CHECK(is_utf8(local_name(std::string(lead, 'a') + repeat("\xf0\x9f\x98\x80", 80), "id")));
        }
    }

    TEST_CASE("names: a tagged name differs by id and by name") {
        CHECK(tagged_name("a.txt", "1") != tagged_name("a.txt", "2"));
        CHECK(tagged_name("a.txt", "1") != tagged_name("b.txt", "1"));
        CHECK(tagged_name("a.txt", "1").ends_with(".txt"));
        CHECK(tagged_name(".profile", "1").starts_with(".profile~"));
    }

    TEST_CASE("names: a sidecar has the name of its object, shortened with a tag when that is too long") {
        CHECK(sidecar_name("a.txt") == "a.txt.json");
        CHECK(sidecar_name(std::string(250, 'x')) == std::string(250, 'x') + ".json");
        const auto one = sidecar_name(std::string(251, 'x'));
        CHECK(one.size() == 255);
        CHECK(one.ends_with(".json"));
        CHECK(one != sidecar_name(std::string(252, 'x')));
        CHECK(is_utf8(sidecar_name(repeat("\xe6\x97\xa5", 84))));
        CHECK(sidecar_path("a/b.txt") == "a/.m365/b.txt.json");
        CHECK(sidecar_path("b.txt") == ".m365/b.txt.json");
    }

    TEST_CASE("names: no object's sidecar is taken for the shortened sidecar of another") {
        const std::string victim(252, 'x');
        auto trap = sidecar_name(victim);
        trap.resize(trap.size() - 5);  // an item that is called like that without ".json"
        const auto local = local_name(trap, "id");
        CHECK(sidecar_name(local) != sidecar_name(victim));
    }

    TEST_CASE("names: an owner's folder never takes the name of a folder of the layout") {
        for (const char* name : {"libraries", "lists", "onedrive", "drives", "pages"}) {
            CHECK(owner_segment(name, "id") != name);
            CHECK(is_valid(owner_segment(name, "id")));
        }
        CHECK(owner_segment("ann@contoso.com", "id") == "ann@contoso.com");
    }

    TEST_CASE("names: random names give valid, stable names that two ids never share when changed") {
        std::mt19937 random(20260901);
        constexpr char letters[] = "ab./\\~ \0\n\x01\x7f.m365\xc3\xa9\xf0\x9f\x98\x80";
        const std::string alphabet(letters, sizeof letters - 1);
        std::set<std::string> seen;
        for (int round = 0; round < 20'000; ++round) {
            std::string name;
            const auto size = random() % (round % 10 == 0 ? 400 : 12);
            while (name.size() < size) {
                name += alphabet[random() % alphabet.size()];
            }
            const auto id = std::to_string(round);
            const auto local = local_name(name, id);
            REQUIRE(is_valid(local));
            REQUIRE(local == local_name(name, id));
            REQUIRE(is_valid(tagged_name(name, id)));
            const auto sidecar = sidecar_name(local);
            REQUIRE(sidecar.size() <= 255);
            REQUIRE(sidecar.ends_with(".json"));
            if (is_utf8(name)) {
                REQUIRE(is_utf8(local));
                REQUIRE(is_utf8(sidecar));
            }
            if (local != name) {
                REQUIRE(seen.insert(local).second);
            }
        }
    }

}  // TEST_SUITE
