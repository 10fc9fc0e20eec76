#pragma once

#include <nlohmann/json_fwd.hpp>

#include "exchange.hpp"

/// Writing messages: what message_write.cpp and attachment_write.cpp share.
namespace m365stage::sim {

/// Adds an attachment given in Graph's form. False: `refusal` is the answer.
bool add_attachment(world& w, mailbox& b, message_index m, const nlohmann::json& j, response& refusal);
/// POST .../attachments and .../attachments/createUploadSession; `at`: the segment behind "attachments".
response post_attachment(const outlook_call& c, message_index m, std::size_t at);

}  // namespace m365stage::sim
