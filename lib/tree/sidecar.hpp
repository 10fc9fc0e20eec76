#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "core/error.hpp"

namespace m365stage::tree {

/// The metadata file beside a staged object (schema/sidecar.schema.json). Members that are JSON are
/// canonical: compact, keys sorted (see `canonical`).
struct sidecar {
    sidecar() = default;
    std::string kind;                  ///< of the container: "drive"
    std::string type;                  ///< "file", "folder", "package", "shortcut", "container"
    std::string id;                    ///< remote id; of a container: the drive's
    std::string parent_id;             ///< remote id; empty for the container's root
    std::string name;                  ///< as the service has it
    std::string item;                  ///< JSON object: what the service says, canonical
    std::string owner;                 ///< JSON object; containers only: kind, id, name of who it belongs to
    std::string root_id;               ///< containers only: remote id of the root folder
    std::string permissions;           ///< JSON array; empty: none of its own, or not read
    std::string columns;               ///< JSON object: values of its library's own columns; empty: none
    std::optional<std::int64_t> size;  ///< bytes in the tree; files only
    std::string sha256;                ///< hex, of the bytes in the tree; files only
    std::string verdict;               ///< "altered_by_service": the bytes are not what the service announced
};

/// In bytes; what is longer counts as damaged. A message with thousands of recipients stays far below.
inline constexpr std::size_t longest_sidecar = 64u << 20;

/// Canonical text: sorted keys, two blanks of indentation, one line break at the end, with a check sum over
/// itself. Equal metadata is equal text.
std::string render(const sidecar& s);

/// Takes members that are missing or unknown; a check sum that is there has to be right. Errors: protocol,
/// with what is wrong.
core::result<sidecar> parse_sidecar(std::string_view text);

/// As parse_sidecar, but refuses every text that `render` did not write: one flipped bit is seen.
core::result<sidecar> parse_sidecar_strictly(std::string_view text);

/// The same JSON with sorted keys and no blanks. Errors: protocol.
core::result<std::string> canonical(std::string_view json);

}  // namespace m365stage::tree
