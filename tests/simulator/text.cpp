#include "text.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <ctime>

namespace m365stage::sim {

std::uint64_t mix(std::uint64_t x) {
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9ULL;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebULL;
    x ^= x >> 31;
    return x;
}

std::uint64_t unmix(std::uint64_t x) {
    x ^= (x >> 31) ^ (x >> 62);
    x *= 0x319642b2d24d8ec3ULL;
    x ^= (x >> 27) ^ (x >> 54);
    x *= 0x96de1b173f119089ULL;
    x ^= (x >> 30) ^ (x >> 60);
    return x;
}

std::uint64_t hash_of(std::string_view text, std::uint64_t seed) {
    std::uint64_t h = 0xcbf29ce484222325ULL ^ mix(seed);
    for (char raw : text) {
        auto c = static_cast<unsigned char>(raw);
        h = (h ^ c) * 0x100000001b3ULL;
    }
    return mix(h);
}

std::uint64_t rng::next() {
    state_ += 0x9e3779b97f4a7c15ULL;
    return mix(state_);
}

namespace {

std::string encode64(std::string_view bytes, const char* alphabet, bool pad) {
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    std::size_t i = 0;
    auto at = [&](std::size_t k) { return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[k])); };
    for (; i + 2 < bytes.size(); i += 3) {
        std::uint32_t v = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
        out += {alphabet[v >> 18], alphabet[v >> 12 & 63], alphabet[v >> 6 & 63], alphabet[v & 63]};
    }
    if (bytes.size() - i == 1) {
        std::uint32_t v = at(i) << 16;
        out += {alphabet[v >> 18], alphabet[v >> 12 & 63]};
        out += pad ? "==" : "";
    } else if (bytes.size() - i == 2) {
        std::uint32_t v = at(i) << 16 | at(i + 1) << 8;
        out += {alphabet[v >> 18], alphabet[v >> 12 & 63], alphabet[v >> 6 & 63]};
        out += pad ? "=" : "";
    }
    return out;
}

int digit64(char c) {
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == '+' || c == '-') {
        return 62;
    }
    return c == '/' || c == '_' ? 63 : -1;
}

int digit16(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

}  // namespace

std::string base64(std::string_view bytes) {
    return encode64(bytes, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", true);
}

std::string base64url(std::string_view bytes) {
    return encode64(bytes, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", false);
}

std::optional<std::string> base64_decode(std::string_view text) {
    while (!text.empty() && text.back() == '=') {
        text.remove_suffix(1);
    }
    std::string out;
    std::uint32_t v = 0;
    int bits = 0;
    for (char c : text) {
        int d = digit64(c);
        if (d < 0) {
            return std::nullopt;
        }
        v = v << 6 | static_cast<std::uint32_t>(d);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out += static_cast<char>(v >> bits & 0xff);
        }
    }
    return out;
}

std::string hex(std::string_view bytes) {
    static const char* digits = "0123456789abcdef";
    std::string out;
    out.reserve(bytes.size() * 2);
    for (char raw : bytes) {
        auto c = static_cast<unsigned char>(raw);
        out += digits[c >> 4];
        out += digits[c & 15];
    }
    return out;
}

std::string hex64(std::uint64_t v) {
    char raw[8];
    for (int i = 7; i >= 0; --i, v >>= 8) {
        raw[i] = static_cast<char>(v & 0xff);
    }
    return hex({raw, 8});
}

std::string guid_of(std::uint64_t a, std::uint64_t b) {
    std::string h = hex64(a) + hex64(b);
    for (std::size_t at : {20U, 16U, 12U, 8U}) {
        h.insert(at, "-");
    }
    return h;
}

void append_json(std::string& out, std::string_view text) {
    static const char* digits = "0123456789abcdef";
    out += '"';
    std::size_t from = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        auto c = static_cast<unsigned char>(text[i]);
        if (c >= 0x20 && c != '"' && c != '\\') {
            continue;
        }
        out.append(text, from, i - from);
        from = i + 1;
        if (c == '"' || c == '\\') {
            out += {'\\', static_cast<char>(c)};
        } else {
            out += {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
        }
    }
    out.append(text, from, text.size() - from);
    out += '"';
}

void append_number(std::string& out, std::int64_t v) {
    char buffer[24];
    auto end = std::to_chars(buffer, buffer + sizeof buffer, v).ptr;
    out.append(buffer, end);
}

std::string url_encode(std::string_view text, std::string_view keep) {
    static const char* digits = "0123456789ABCDEF";
    std::string out;
    for (char raw : text) {
        auto c = static_cast<unsigned char>(raw);
        bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                     c == '.' || c == '_' || c == '~' || keep.find(static_cast<char>(c)) != keep.npos;
        if (plain) {
            out += static_cast<char>(c);
        } else {
            out += {'%', digits[c >> 4], digits[c & 15]};
        }
    }
    return out;
}

std::string url_decode(std::string_view text, bool plus) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size() && digit16(text[i + 1]) >= 0 && digit16(text[i + 2]) >= 0) {
            out += static_cast<char>(digit16(text[i + 1]) * 16 + digit16(text[i + 2]));
            i += 2;
        } else {
            out += plus && text[i] == '+' ? ' ' : text[i];
        }
    }
    return out;
}

pairs parse_query(std::string_view query) {
    pairs out;
    while (!query.empty()) {
        auto amp = query.find('&');
        auto part = query.substr(0, amp);
        query = amp == query.npos ? std::string_view() : query.substr(amp + 1);
        if (part.empty()) {
            continue;
        }
        auto eq = part.find('=');
        out.emplace_back(
            url_decode(part.substr(0, eq), true),
            eq == part.npos ? std::string() : url_decode(part.substr(eq + 1), true)
        );
    }
    return out;
}

void append_iso_time(std::string& out, std::int64_t t) {
    std::int64_t days = t / day_seconds;
    std::int64_t rest = t % day_seconds;
    if (rest < 0) {
        rest += day_seconds;
        --days;
    }
    // Howard Hinnant's civil_from_days.
    days += 719468;
    std::int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    auto doe = static_cast<unsigned>(days - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153;
    unsigned d = doy - (153 * mp + 2) / 5 + 1;
    unsigned m = mp < 10 ? mp + 3 : mp - 9;
    auto y = static_cast<unsigned>(static_cast<std::int64_t>(yoe) + era * 400 + (m <= 2 ? 1 : 0));
    char b[20];
    auto put = [&](int at, unsigned v, int width) {
        for (int i = width - 1; i >= 0; --i, v /= 10) {
            b[at + i] = static_cast<char>('0' + v % 10);
        }
    };
    auto s = static_cast<unsigned>(rest);
    put(0, y, 4);
    put(5, m, 2);
    put(8, d, 2);
    put(11, s / 3600, 2);
    put(14, s / 60 % 60, 2);
    put(17, s % 60, 2);
    b[4] = b[7] = '-';
    b[10] = 'T';
    b[13] = b[16] = ':';
    b[19] = 'Z';
    out.append(b, 20);
}

std::string iso_time(std::int64_t t) {
    std::string out;
    append_iso_time(out, t);
    return out;
}

std::optional<std::int64_t> parse_iso_time(std::string_view text) {
    std::tm tm{};
    std::string copy(text);
    const char* end = strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &tm);
    if (end == nullptr) {
        tm = {};
        end = strptime(copy.c_str(), "%Y-%m-%d", &tm);
        if (end == nullptr || *end != 0) {
            return std::nullopt;
        }
    }
    if (*end == '.') {
        ++end;
        end += std::strspn(end, "0123456789");
    }
    if (*end != 0 && std::strcmp(end, "Z") != 0 && std::strcmp(end, "+00:00") != 0) {
        return std::nullopt;
    }
    return timegm(&tm);
}

std::string http_date(std::int64_t t) {
    std::time_t when = t;
    std::tm tm{};
    gmtime_r(&when, &tm);
    char b[40];
    std::strftime(b, sizeof b, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    return b;
}

std::int64_t now_ms() {
    using namespace std::chrono;
    return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

std::int64_t now_seconds() {
    return now_ms() / 1000;
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    }
    return out;
}

std::string fold_name(std::string_view name) {
    std::string out = lower(name);
    for (std::size_t i = 0; i + 1 < out.size(); ++i) {
        auto a = static_cast<unsigned char>(out[i]);
        auto b = static_cast<unsigned char>(out[i + 1]);
        const bool latin = a == 0xc3 && b >= 0x80 && b <= 0x9e && b != 0x97;
        const bool first_greek = a == 0xce && b >= 0x91 && b <= 0x9f;  // capitals, first half
        const bool first_cyrillic = a == 0xd0 && b >= 0x90 && b <= 0x9f;
        if (latin || first_greek || first_cyrillic) {
            out[i + 1] = static_cast<char>(b + 0x20);
        } else if (a == 0xd0 && b >= 0xa0 && b <= 0xaf) {  // Cyrillic capitals, second half
            out[i] = static_cast<char>(0xd1);
            out[i + 1] = static_cast<char>(b - 0x20);
        }
    }
    return out;
}

bool iequals(std::string_view a, std::string_view b) {
    return a.size() == b.size() && lower(a) == lower(b);
}

std::vector<std::string> split(std::string_view text, char by) {
    std::vector<std::string> out;
    while (!text.empty()) {
        auto at = text.find(by);
        if (at != 0) {
            out.emplace_back(text.substr(0, at));
        }
        text = at == text.npos ? std::string_view() : text.substr(at + 1);
    }
    return out;
}

}  // namespace m365stage::sim
