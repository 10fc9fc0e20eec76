#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace m365stage::http {

/// Inflates gzip piece by piece, in the memory of one window. Several members in a row are allowed.
class gzip_stream {
public:
    gzip_stream();
    ~gzip_stream();
    gzip_stream(const gzip_stream&) = delete;
    gzip_stream& operator=(const gzip_stream&) = delete;

    struct step {
        step() = default;
        std::size_t taken = 0;  ///< of the packed bytes
        std::size_t made = 0;   ///< in `room`
    };
    /// Takes what it can. All of `packed` is used up once that is taken and `room` was not filled.
    /// Errors: protocol (it is not gzip, or damaged); internal.
    core::result<step> inflate(std::span<const std::byte> packed, std::span<std::byte> room);

    /// True where it may end: behind a member.
    bool is_whole() const;

private:
    struct state;
    std::unique_ptr<state> state_;
};

/// Inflates a whole gzip body (several members in a row are allowed).
/// Errors: too_large as soon as the output would exceed `max_bytes` (a zip bomb costs no more than that);
///         protocol if it is not gzip, is damaged or ends early.
core::result<std::string> gunzip(std::string_view packed, std::uint64_t max_bytes);

}  // namespace m365stage::http
