#pragma once

#include <memory>
#include <string>

#include "async/worker.hpp"
#include "http/http.hpp"
#include "restore/mime_file.hpp"

namespace m365stage::restore {

/// A stretch of a part as the body of a request.
/// Lifetime: `disk` outlives it.
std::shared_ptr<http::body_source> stretch_of_part(
    async::worker& disk, std::shared_ptr<mime_file> mime, std::size_t number, std::int64_t begin,
    std::int64_t size
);

/// A part in base64 between two pieces of JSON.
std::shared_ptr<http::body_source> part_in_json(
    async::worker& disk, std::shared_ptr<mime_file> mime, std::size_t number, std::string before,
    std::string after
);

/// A whole part in base64; for small ones. Blocks. Errors: as reading.
core::result<std::string> part_as_base64(mime_file& mime, std::size_t number);

}  // namespace m365stage::restore
