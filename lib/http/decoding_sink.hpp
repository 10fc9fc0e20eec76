#pragma once

#include <memory>
#include <vector>

#include "http/gzip.hpp"
#include "http/http.hpp"

namespace m365stage::http {

/// True if the body is no plain content but that in some coding: no range of it is one of the content.
bool is_encoded(const header_list& fields);

/// Stands before a sink and undoes the coding of a body. `identity` is what downloads ask for; somebody on
/// the way may compress all the same, and what is stored must be the content. The sink's `begin` sees the
/// field `Content-Encoding`, and no length, since nobody knows that of the content. Errors besides the
/// sink's: protocol (a coding that is not known, damage). Memory: 64 KiB if the sink gives no room. How much
/// a small body may become is for the sink to bound.
class decoding_sink final : public body_sink {
public:
    explicit decoding_sink(body_sink& next) : next_(next) {}

    task<core::result<void>> begin(const response& head) override;
    task<core::result<void>> write(std::span<const std::byte> bytes) override;
    std::span<std::byte> room() override;
    task<core::result<void>> filled(std::size_t bytes) override;

    /// To be asked at the end of the body. Errors: transport, if the coded body ended early.
    core::result<void> finish() const;

private:
    task<core::result<void>> inflate(std::span<const std::byte> bytes);

    body_sink& next_;
    std::unique_ptr<gzip_stream> packed_;  ///< nullptr: the body is plain
    std::vector<std::byte> buffer_;        ///< in place of the sink's room
    bool is_empty_ = true;
};

}  // namespace m365stage::http
