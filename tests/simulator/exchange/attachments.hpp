#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "exchange.hpp"

/// Attachments as clients write them, of messages and of events: inline up to 3 MB, by an upload session
/// above (contract, section 8.2, Q89).
namespace m365stage::sim {

/// Bytes of a session at a time.
constexpr std::size_t fragment_most = 4UL * 1024 * 1024;

/// 500, as for an attachment that the service can't put into MIME.
response cannot_open();
/// A text member of a body; empty when there is none.
std::string text_in(const nlohmann::json& j, const char* key);
/// Puts bytes at the end of a file. False: that failed.
bool append_bytes(const std::string& path, std::string_view bytes);
/// An attachment in Graph's form. False: `refusal` is the answer.
bool read_attachment(world& w, const nlohmann::json& body, attachment& a, response& refusal);
/// A session for the AttachmentItem of a body. `up`: says what it belongs to.
response open_upload(const outlook_call& c, const nlohmann::json& body, attachment_upload up);

}  // namespace m365stage::sim
