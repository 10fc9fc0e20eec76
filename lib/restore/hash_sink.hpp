#pragma once

#include <string>

#include "core/hash.hpp"
#include "http/http.hpp"

namespace m365stage::restore {

/// Takes a body and keeps its SHA-256 alone.
class hash_sink final : public http::body_sink {
public:
    http::task<core::result<void>> begin(const http::response&) override {
        sha_ = core::sha256();
        co_return core::result<void>();
    }
    http::task<core::result<void>> write(std::span<const std::byte> bytes) override {
        sha_.update(bytes);
        co_return core::result<void>();
    }
    /// In hex, once the body has ended.
    std::string finish() {
        const auto digest = sha_.finish();
        return core::to_hex(digest);
    }

private:
    core::sha256 sha_;
};

}  // namespace m365stage::restore
