#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace m365stage::sources {

/// A contact (the metadata of its sidecar) as a vCard 3.0 (RFC 2426) without its last line, so that a photo
/// can follow: every member of it, in a fixed order, lines of at most 75 bytes with CRLF. Members that vCard
/// does not know have names that begin with "X-".
std::string vcard_without_end(const nlohmann::json& contact, std::string_view remote_id);

/// "PHOTO;ENCODING=b;TYPE=PNG:" for an image's media type, folded.
std::string vcard_photo(std::string_view media_type);

inline constexpr std::string_view vcard_end = "END:VCARD\r\n";

}  // namespace m365stage::sources
