#include "ids.hpp"

#include "../text.hpp"

namespace m365stage::sim {

namespace {

// As in the service: mutable ids begin with a version and the mailbox as text, immutable ones with a fixed
// header.
constexpr std::string_view mutable_head("\x00\x03\x24", 3);
constexpr std::string_view immutable_head(
    "\x00\x09\x00\x2e\x00\x00\x00\x00\x00\x1d\x84\x03\x11\xaa\x66\x11\xcd\x9b\xc8\x00\xaa\x00\x2f\x84\x5a\x0d"
    "\x00",
    27
);
constexpr std::size_t tail_size = 1 + 4 * 4 + 8 + 8;

void put32(std::string& out, std::uint32_t v) {
    out +=
        {static_cast<char>(v >> 24), static_cast<char>(v >> 16), static_cast<char>(v >> 8),
         static_cast<char>(v)};
}

std::uint32_t get32(std::string_view in) {
    auto at = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(in[i])); };
    return at(0) << 24 | at(1) << 16 | at(2) << 8 | at(3);
}

void put64(std::string& out, std::uint64_t v) {
    put32(out, static_cast<std::uint32_t>(v >> 32));
    put32(out, static_cast<std::uint32_t>(v));
}

/// Kind and numbers, then what ties them to the mailbox. The numbers are mixed with that, so that ids of
/// neighbours differ in many places, as real ones do.
std::string tail_of(std::string_view mailbox, const exchange_id& id) {
    std::string plain;
    plain += static_cast<char>(id.kind);
    for (auto v : {id.number, id.folder, id.moves, id.part}) {
        put32(plain, v);
    }
    std::uint64_t check = hash_of(mailbox, hash_of(plain));
    std::string out;
    put64(out, check);
    put64(out, hash_of(mailbox));
    rng mask(check);
    for (char c : plain) {
        out += static_cast<char>(
            static_cast<std::uint64_t>(static_cast<unsigned char>(c)) ^ (mask.next() & 0xff)
        );
    }
    return out;
}

std::optional<std::string> raw_of(std::string_view text) {
    bool well_formed =
        text.size() > 60 && text.size() % 4 == 0 &&
        text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=") ==
            text.npos;
    return well_formed ? base64_decode(text) : std::nullopt;
}

}  // namespace

std::string encode_id(std::string_view mailbox, const exchange_id& id) {
    bool immutable = id.kind == id_kind::message || id.kind == id_kind::item;
    std::string raw(immutable ? immutable_head : mutable_head);
    if (!immutable) {
        raw += mailbox;
        raw += std::string_view("\x00\x46\x00\x00\x00\x00\x00", 7);
    }
    raw += tail_of(mailbox, id);
    std::string out = base64url(raw);
    out.append((4 - out.size() % 4) % 4, '=');
    return out;
}

std::optional<exchange_id> decode_id(std::string_view mailbox, std::string_view text) {
    auto raw = raw_of(text);
    if (!raw || raw->size() < immutable_head.size() + tail_size) {
        return std::nullopt;
    }
    std::string_view tail = std::string_view(*raw).substr(raw->size() - tail_size);
    std::uint64_t check = static_cast<std::uint64_t>(get32(tail)) << 32 | get32(tail.substr(4));
    rng mask(check);
    std::string plain;
    for (char c : tail.substr(16)) {
        plain += static_cast<char>(
            static_cast<std::uint64_t>(static_cast<unsigned char>(c)) ^ (mask.next() & 0xff)
        );
    }
    if (check != hash_of(mailbox, hash_of(plain)) || plain[0] > static_cast<char>(id_kind::attachment)) {
        return std::nullopt;
    }
    exchange_id id;
    id.kind = static_cast<id_kind>(plain[0]);
    id.number = get32(std::string_view(plain).substr(1));
    id.folder = get32(std::string_view(plain).substr(5));
    id.moves = get32(std::string_view(plain).substr(9));
    id.part = get32(std::string_view(plain).substr(13));
    return encode_id(mailbox, id) == text ? std::optional(id) : std::nullopt;
}

bool is_id(std::string_view text) {
    auto raw = raw_of(text);
    return raw && raw->size() >= immutable_head.size() + tail_size &&
           (raw->starts_with(mutable_head) || raw->starts_with(immutable_head));
}

}  // namespace m365stage::sim
