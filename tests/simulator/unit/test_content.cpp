#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "content.hpp"
#include "text.hpp"

using namespace m365stage::sim;

namespace {

std::string quick_xor_text(const std::string& bytes, std::size_t step = 1u << 30) {
    quick_xor h;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        auto n = std::min(step, bytes.size() - at);
        h.update(reinterpret_cast<const unsigned char*>(bytes.data()) + at, n);
    }
    return quick_xor::base64_of(h.digest());
}

std::string cycle(std::size_t size, unsigned modulo) {
    std::string out(size, '\0');
    for (std::size_t i = 0; i < size; ++i) {
        out[i] = static_cast<char>(i % modulo);
    }
    return out;
}

}  // namespace

TEST_SUITE("simulator") {
    TEST_CASE("quickXorHash: the published vectors hold") {
        std::vector<std::pair<std::string, std::string>> vectors = {
            {"", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="},
            {std::string(1, '\0'), "AAAAAAAAAAAAAAAAAQAAAAAAAAA="},
            {"\xff", "/wAAAAAAAAAAAAAAAQAAAAAAAAA="},
            {"a", "YQAAAAAAAAAAAAAAAQAAAAAAAAA="},
            {"abc", "YRDDGAAAAAAAAAAAAwAAAAAAAAA="},
            {"hello world", "aCgDG9jwBhDc4Q1yawMZAAAAAAA="},
            {"The quick brown fox jumps over the lazy dog", "bMSlbysmxJL6S75XwfMcQZOpcr4="},
            {std::string(160, '\0'), "AAAAAAAAAAAAAAAAoAAAAAAAAAA="},
            {std::string(160, '\1'), "////////////////X/////////8="},
            {std::string(320, '\1'), "AAAAAAAAAAAAAAAAQAEAAAAAAAA="},
            {cycle(161, 256), "X+EGLlnQi0dVs5OErHWhEnz5wg4="},
            {cycle(256, 256), "QkGEfSisZcA7k+FCh71r2dbCayY="},
            {cycle(1024, 256), "h7xr2dbCayZCQYR9KKhlwDuT4UI="},
            {cycle(65535, 251), "QXB5kWN93cxdszFmNjf1AHeT63Q="},
            {cycle(65536, 251), "QXB5kWN93cxdszFlycj0AHeT63Q="},
            {cycle(65537, 251), "QXB5kWN93cxdszFl0cj0AHeT63Q="},
            {cycle(327680, 251), "dVxjLVlWbbPTEZb19aiSkx+BLpI="},
            {cycle(1000000, 251), "HdE6CZEtWr3VHJPlFJtbLXBwV0c="},
            {std::string(1048576, '\xaa'), "c5zjHOc4xznOcY5zNrOJzWxmM5s="},
            {"J", "SgAAAAAAAAAAAAAAAQAAAAAAAAA="},
        };
        for (const auto& [bytes, want] : vectors) {
            CHECK(quick_xor_text(bytes) == want);
            CHECK(quick_xor_text(bytes, 37) == want);
            CHECK(quick_xor_text(bytes, 161) == want);
        }
    }

    TEST_CASE("content: any offset gives the same bytes") {
        std::string whole(200000, '\0');
        generate(99, 0, whole.data(), whole.size());
        for (std::size_t at : {1u, 7u, 8u, 65535u, 65536u, 65537u, 131071u, 199999u}) {
            for (std::size_t n : {1u, 9u, 4096u, 70000u}) {
                n = std::min(n, whole.size() - at);
                std::string part(n, '\0');
                generate(99, at, part.data(), n);
                CHECK(part == whole.substr(at, n));
            }
        }
        std::string other(1000, '\0');
        generate(100, 0, other.data(), other.size());
        CHECK(other != whole.substr(0, 1000));
        CHECK(whole.substr(0, 1000) != whole.substr(65536, 1000));
        content c;
        c.size = 8000;
        c.seed = 1;
        const auto hash = quick_xor::base64_of(quick_xor_of(c));
        c.seed = 2;
        CHECK(quick_xor::base64_of(quick_xor_of(c)) != hash);
    }

    TEST_CASE("content: hashes of a content are those of its bytes") {
        content c;
        c.seed = 5;
        c.size = 300001;
        std::string bytes(300001, '\0');
        generate(5, 0, bytes.data(), bytes.size());
        CHECK(sha256_of(c) == sha256_of(bytes));
        CHECK(quick_xor::base64_of(quick_xor_of(c)) == quick_xor_text(bytes));
    }

    TEST_CASE("text: the encodings go both ways") {
        for (std::uint64_t v : {0ULL, 1ULL, 12345ULL, ~0ULL}) {
            CHECK(unmix(mix(v)) == v);
        }
        for (std::size_t n = 0; n < 40; ++n) {
            std::string bytes = cycle(n, 251);
            CHECK(base64_decode(base64(bytes)) == bytes);
            CHECK(base64_decode(base64url(bytes)) == bytes);
        }
        CHECK(url_decode(url_encode("a b/%41+ü")) == "a b/%41+ü");
        CHECK(iso_time(0) == "1970-01-01T00:00:00Z");
        CHECK(iso_time(1709210096) == "2024-02-29T12:34:56Z");
        CHECK(parse_iso_time("2024-02-29T12:34:56.1234567Z") == 1709210096);
        CHECK_FALSE(parse_iso_time("latest").has_value());
        CHECK(fold_name("ÄÖ Straße ABC") == fold_name("äö straße abc"));
    }
}
