#include "auth/encoding.hpp"

#include <openssl/rand.h>

#include <algorithm>
#include <array>

namespace m365stage::auth {
namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::string_view hex = "0123456789abcdef";
constexpr std::string_view upper_hex = "0123456789ABCDEF";

int digit_of(char c) {
    if (c == '+') {
        c = '-';
    }
    if (c == '/') {
        c = '_';
    }
    auto at = alphabet.find(c);
    return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

bool is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

}  // namespace

std::string base64url(std::string_view bytes) {
    std::string out;
    out.reserve((bytes.size() * 4 + 2) / 3);
    unsigned bits = 0;
    int held = 0;
    for (char c : bytes) {
        bits = (bits << 8) | static_cast<unsigned char>(c);
        held += 8;
        while (held >= 6) {
            held -= 6;
            out += alphabet[(bits >> held) & 63u];
        }
        bits &= (1u << held) - 1;
    }
    if (held > 0) {
        out += alphabet[(bits << (6 - held)) & 63u];
    }
    return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
    while (!text.empty() && text.back() == '=') {
        text.remove_suffix(1);
    }
    if (text.size() % 4 == 1) {
        return std::nullopt;
    }
    std::string out;
    out.reserve(text.size() * 3 / 4);
    unsigned bits = 0;
    int held = 0;
    for (char c : text) {
        int digit = digit_of(c);
        if (digit < 0) {
            return std::nullopt;
        }
        bits = (bits << 6) | static_cast<unsigned>(digit);
        held += 6;
        if (held >= 8) {
            held -= 8;
            out += static_cast<char>((bits >> held) & 255u);
            bits &= (1u << held) - 1;
        }
    }
    return out;
}

std::string fresh_guid() {
    // Every request takes one: random bytes are asked for by the kilobyte, since asking costs more than
    // making.
    constexpr std::size_t size = 16;
    thread_local std::array<unsigned char, 64 * size> stock{};
    thread_local std::size_t used = stock.size();
    if (used == stock.size()) {
        RAND_bytes(stock.data(), static_cast<int>(stock.size()));
        used = 0;
    }
    std::array<unsigned char, size> bytes{};
    std::copy_n(stock.begin() + static_cast<std::ptrdiff_t>(used), size, bytes.begin());
    used += size;
    bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0F) | 0x40);
    bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3F) | 0x80);
    std::string out;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            out += '-';
        }
        out += hex[bytes[i] >> 4];
        out += hex[bytes[i] & 15];
    }
    return out;
}

std::string form_encode(std::string_view text) {
    std::string out;
    for (char c : text) {
        if (is_unreserved(c)) {
            out += c;
        } else {
            auto byte = static_cast<unsigned char>(c);
            out += '%';
            out += upper_hex[byte >> 4];
            out += upper_hex[byte & 15];
        }
    }
    return out;
}

}  // namespace m365stage::auth
