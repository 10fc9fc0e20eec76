#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace m365stage::core {

using sha256_digest = std::array<std::uint8_t, 32>;

/// SHA-256 over a stream. Copyable state is not needed, so it only moves.
class sha256 {
public:
    sha256();
    ~sha256();
    sha256(sha256&&) noexcept;
    sha256& operator=(sha256&&) noexcept;

    void update(std::span<const std::byte> bytes);
    /// Ends the stream; the object can only be destroyed or assigned afterwards.
    sha256_digest finish();

    static sha256_digest of(std::string_view text);

private:
    struct state;
    std::unique_ptr<state> state_;
};

/// Microsoft's quickXorHash over a stream (contract 5.9). Not collision-resistant: a change hint and transfer
/// check only.
class quick_xor {
public:
    void update(std::span<const std::byte> bytes);
    /// Standard base64, 28 characters, as Graph writes it.
    std::string finish() const;

private:
    // Bytes whose positions are equal modulo 160 land on the same bit offset, so they are folded first.
    std::array<std::uint8_t, 160> column_{};
    std::uint64_t length_ = 0;
};

std::string to_hex(std::span<const std::uint8_t> bytes);
std::string to_hex(std::string_view bytes);
/// The bytes that `to_hex` wrote down. What is no hex gives bytes of no meaning.
std::string bytes_of_hex(std::string_view hex);
/// Standard base64 with padding.
std::string base64(std::span<const std::uint8_t> bytes);

/// `length` characters [0-9a-v] (5 bits each) of the SHA-256 of `text`: a short, stable, file-name-safe tag.
std::string short_tag(std::string_view text, std::size_t length = 16);

/// 63 bits of the SHA-256 of `text`, for "has this changed?" columns in the index.
std::int64_t fingerprint(std::string_view text);

}  // namespace m365stage::core
