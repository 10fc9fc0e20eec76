#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Text and number helpers of the simulator: encodings, times, ids. Nothing here knows Graph.
namespace m365stage::sim {

/// An invertible 64-bit mix (splitmix64 finaliser), the simulator's only source of "randomness".
std::uint64_t mix(std::uint64_t x);
/// The inverse of mix().
std::uint64_t unmix(std::uint64_t x);
/// Hash of bytes, stable over runs and machines.
std::uint64_t hash_of(std::string_view text, std::uint64_t seed = 0);

/// A small deterministic generator.
class rng {
public:
    explicit rng(std::uint64_t seed) : state_(mix(seed + 0x9e3779b97f4a7c15ULL)) {}
    std::uint64_t next();
    /// 0 .. n-1; 0 when n is 0.
    std::uint64_t below(std::uint64_t n) { return n == 0 ? 0 : next() % n; }
    bool chance(double p) { return static_cast<double>(next() >> 11) * 0x1.0p-53 < p; }

private:
    std::uint64_t state_;
};

std::string base64(std::string_view bytes);
std::string base64url(std::string_view bytes);
/// Decodes standard or url alphabet, padding optional.
std::optional<std::string> base64_decode(std::string_view text);
std::string hex(std::string_view bytes);
/// 8 bytes as lower-case hex.
std::string hex64(std::uint64_t v);
/// A GUID made from two numbers, lower case with dashes.
std::string guid_of(std::uint64_t a, std::uint64_t b);

/// Appends `text` as a JSON string with quotes. Invalid UTF-8 is passed on as it is.
void append_json(std::string& out, std::string_view text);
void append_number(std::string& out, std::int64_t v);
/// Percent-encodes everything but unreserved characters and those in `keep`.
std::string url_encode(std::string_view text, std::string_view keep = "");
/// Percent-decodes; `plus` turns '+' into a blank (forms and queries).
std::string url_decode(std::string_view text, bool plus = false);
using pairs = std::vector<std::pair<std::string, std::string>>;
pairs parse_query(std::string_view query);

inline constexpr std::int64_t day_seconds = 86400;

/// Unix seconds as 2026-10-02T09:15:02Z.
std::string iso_time(std::int64_t unix_seconds);
void append_iso_time(std::string& out, std::int64_t unix_seconds);
/// Accepts fractions and offsets of zero; nothing when it is no time.
std::optional<std::int64_t> parse_iso_time(std::string_view text);
/// Unix seconds as an HTTP date.
std::string http_date(std::int64_t unix_seconds);
std::int64_t now_seconds();
std::int64_t now_ms();

std::string lower(std::string_view text);
/// What makes two sibling names the same for the service: case folded for ASCII and Latin-1, Greek, Cyrillic.
std::string fold_name(std::string_view name);
bool iequals(std::string_view a, std::string_view b);
std::vector<std::string> split(std::string_view text, char by);

}  // namespace m365stage::sim
