#include "content.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "text.hpp"

namespace m365stage::sim {

void quick_xor::update(const unsigned char* data, std::size_t size) {
    std::size_t column = length_ % 160;
    length_ += size;
    // Up to the next multiple of 160, then whole rows that the compiler can vectorise, then the rest.
    while (size > 0 && column != 0) {
        columns_[column] ^= *data++;
        column = column == 159 ? 0 : column + 1;
        --size;
    }
    for (; size >= 160; size -= 160, data += 160) {
        for (int i = 0; i < 160; ++i) {
            columns_[i] ^= data[i];
        }
    }
    for (std::size_t i = 0; i < size; ++i) {
        columns_[i] ^= data[i];
    }
}

std::array<unsigned char, 20> quick_xor::digest() const {
    std::array<unsigned char, 20> out{};
    for (unsigned c = 0; c < 160; ++c) {
        unsigned shift = 11 * c % 160;
        unsigned v = static_cast<unsigned>(columns_[c]) << (shift % 8);
        out[shift / 8] ^= static_cast<unsigned char>(v);
        out[(shift / 8 + 1) % 20] ^= static_cast<unsigned char>(v >> 8);
    }
    for (unsigned i = 0; i < 8; ++i) {
        out[12 + i] ^= static_cast<unsigned char>(length_ >> (8 * i));
    }
    return out;
}

std::string quick_xor::base64_of(const std::array<unsigned char, 20>& digest) {
    return base64({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

namespace {

constexpr std::size_t block_size = 65536;

const std::vector<std::uint64_t>& base_block() {
    static const std::vector<std::uint64_t> block = [] {
        std::vector<std::uint64_t> b(block_size / 8);
        rng r(20260101);
        for (auto& word : b) {
            word = r.next();
        }
        return b;
    }();
    return block;
}

}  // namespace

void generate(std::uint64_t seed, std::uint64_t offset, char* out, std::size_t size) {
    // Block k of a file is the base block, each word XORed with a key of (seed, k): cheap, and every block
    // differs.
    const char* base = reinterpret_cast<const char*>(base_block().data());
    while (size > 0) {
        std::uint64_t key = mix(seed * 0x9e3779b97f4a7c15ULL + offset / block_size + 1);
        std::size_t at = offset % block_size;
        std::size_t n = std::min(size, block_size - at);
        std::size_t i = 0;
        while (i < n && (at + i) % 8 != 0) {
            out[i] = static_cast<char>(base[at + i] ^ static_cast<char>(key >> (8 * ((at + i) % 8))));
            ++i;
        }
        for (; i + 8 <= n; i += 8) {
            std::uint64_t word;
            std::memcpy(&word, base + at + i, 8);
            word ^= key;
            std::memcpy(out + i, &word, 8);
        }
        for (; i < n; ++i) {
            out[i] = static_cast<char>(base[at + i] ^ static_cast<char>(key >> (8 * ((at + i) % 8))));
        }
        // The quickXorHash of an even number of rows would be the same for all keys.
        for (i = at; i < std::min<std::size_t>(at + n, 8); ++i) {
            out[i - at] = static_cast<char>(out[i - at] ^ static_cast<char>(mix(key) >> (8 * i)));
        }
        out += n;
        offset += n;
        size -= n;
    }
}

content_reader::content_reader(content c) : content_(std::move(c)) {
    if (content_.path) {
        file_ = std::fopen(content_.path->c_str(), "rb");
    }
}

content_reader::~content_reader() {
    if (file_ != nullptr) {
        std::fclose(file_);
    }
}

std::size_t content_reader::read(std::uint64_t offset, char* out, std::size_t size) {
    auto total = static_cast<std::uint64_t>(std::max<std::int64_t>(content_.size, 0));
    if (offset >= total) {
        return 0;
    }
    size = static_cast<std::size_t>(std::min<std::uint64_t>(size, total - offset));
    if (content_.source) {
        return content_.source->read(offset, out, size);
    }
    if (!content_.path) {
        generate(content_.seed, offset, out, size);
        return size;
    }
    if (file_ == nullptr || fseeko(file_, static_cast<off_t>(offset), SEEK_SET) != 0) {
        return 0;
    }
    return std::fread(out, 1, size, file_);
}

namespace {

template <typename Sink>
void each_chunk(const content& c, Sink sink) {
    content_reader reader(c);
    static thread_local std::vector<char> buffer(262144);
    std::uint64_t at = 0;
    for (;;) {
        std::size_t n = reader.read(at, buffer.data(), buffer.size());
        if (n == 0) {
            return;
        }
        sink(buffer.data(), n);
        at += n;
    }
}

std::string digest_hex(EVP_MD_CTX* context) {
    unsigned char out[32];
    unsigned int n = 0;
    EVP_DigestFinal_ex(context, out, &n);
    EVP_MD_CTX_free(context);
    return hex({reinterpret_cast<char*>(out), n});
}

}  // namespace

std::array<unsigned char, 20> quick_xor_of(const content& c) {
    quick_xor h;
    each_chunk(c, [&](const char* data, std::size_t n) {
        h.update(reinterpret_cast<const unsigned char*>(data), n);
    });
    return h.digest();
}

std::string sha256_of(const content& c) {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_DigestInit_ex(context, EVP_sha256(), nullptr);
    each_chunk(c, [&](const char* data, std::size_t n) { EVP_DigestUpdate(context, data, n); });
    return digest_hex(context);
}

std::string sha256_of(std::string_view bytes) {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_DigestInit_ex(context, EVP_sha256(), nullptr);
    EVP_DigestUpdate(context, bytes.data(), bytes.size());
    return digest_hex(context);
}

}  // namespace m365stage::sim
