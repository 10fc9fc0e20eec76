#include "core/hash.hpp"

#include <openssl/evp.h>

#include <new>

namespace m365stage::core {

namespace {

/// Looked up once: EVP_sha256() makes OpenSSL search for the implementation with each new digest.
const EVP_MD* algorithm() {
    static const EVP_MD* const found = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    return found;
}

}  // namespace

struct sha256::state {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    state() {
        if (context == nullptr) {
            throw std::bad_alloc();
        }
        begin();
    }
    void begin() {
        if (EVP_DigestInit_ex(context, algorithm(), nullptr) != 1) {
            throw std::bad_alloc();
        }
    }
    state(const state&) = delete;
    state& operator=(const state&) = delete;
    ~state() { EVP_MD_CTX_free(context); }
};

sha256::sha256() : state_(std::make_unique<state>()) {}
sha256::~sha256() = default;
sha256::sha256(sha256&&) noexcept = default;
sha256& sha256::operator=(sha256&&) noexcept = default;

void sha256::update(std::span<const std::byte> bytes) {
    EVP_DigestUpdate(state_->context, bytes.data(), bytes.size());
}

sha256_digest sha256::finish() {
    sha256_digest out{};
    unsigned size = 0;
    EVP_DigestFinal_ex(state_->context, out.data(), &size);
    return out;
}

sha256_digest sha256::of(std::string_view text) {
    thread_local state reused;  // most texts are short: making a context costs more than hashing them
    reused.begin();
    sha256_digest out{};
    EVP_DigestUpdate(reused.context, text.data(), text.size());
    EVP_DigestFinal_ex(reused.context, out.data(), nullptr);
    return out;
}

void quick_xor::update(std::span<const std::byte> bytes) {
    const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
    std::size_t left = bytes.size();
    std::size_t at = length_ % column_.size();
    length_ += left;
    while (left > 0) {
        const std::size_t run = std::min(left, column_.size() - at);
        std::uint8_t* column = column_.data() + at;
        for (std::size_t i = 0; i < run; ++i) {
            column[i] = static_cast<std::uint8_t>(column[i] ^ data[i]);
        }
        data += run;
        left -= run;
        at = 0;
    }
}

std::string quick_xor::finish() const {
    std::array<std::uint8_t, 20> out{};
    for (unsigned c = 0; c < column_.size(); ++c) {
        const unsigned shift = (11 * c) % 160;
        const unsigned value = static_cast<unsigned>(column_[c]) << (shift % 8);
        out[shift / 8] = static_cast<std::uint8_t>(out[shift / 8] ^ (value & 0xFF));
        auto& next = out[(shift / 8 + 1) % 20];
        next = static_cast<std::uint8_t>(next ^ (value >> 8));
    }
    for (unsigned i = 0; i < 8; ++i) {
        out[12 + i] = static_cast<std::uint8_t>(out[12 + i] ^ (length_ >> (8 * i)));
    }
    return base64(out);
}

std::string to_hex(std::span<const std::uint8_t> bytes) {
    static constexpr char digit[] = "0123456789abcdef";
    std::string out;
    out.reserve(bytes.size() * 2);
    for (std::uint8_t b : bytes) {
        out += digit[b >> 4];
        out += digit[b & 15];
    }
    return out;
}

std::string to_hex(std::string_view bytes) {
    return to_hex({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

std::string bytes_of_hex(std::string_view hex) {
    auto digit = [](char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; };
    std::string out;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        out += static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1]));
    }
    return out;
}

std::string base64(std::span<const std::uint8_t> bytes) {
    std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
    const int size = EVP_EncodeBlock(
        reinterpret_cast<unsigned char*>(out.data()), bytes.data(), static_cast<int>(bytes.size())
    );
    out.resize(static_cast<std::size_t>(size));
    return out;
}

std::string short_tag(std::string_view text, std::size_t length) {
    static constexpr char digit[] = "0123456789abcdefghijklmnopqrstuv";
    const auto digest = sha256::of(text);
    std::string out;
    unsigned bits = 0;
    unsigned held = 0;
    for (std::size_t i = 0; out.size() < length && i < digest.size();) {
        if (held < 5) {
            bits = (bits << 8) | digest[i++];
            held += 8;
        }
        while (held >= 5 && out.size() < length) {
            held -= 5;
            out += digit[(bits >> held) & 31];
        }
    }
    return out;
}

std::int64_t fingerprint(std::string_view text) {
    const auto digest = sha256::of(text);
    std::uint64_t value = 0;
    for (unsigned i = 0; i < 8; ++i) {
        value = (value << 8) | digest[i];
    }
    return static_cast<std::int64_t>(value >> 1);
}

}  // namespace m365stage::core
