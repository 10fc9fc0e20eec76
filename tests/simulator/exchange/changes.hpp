#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "../world.hpp"

/// Changes of mailboxes from outside, and what a copy of them should hold.
namespace m365stage::sim {

/// The mailbox that {"mailbox": address or owner's id} names. Throws std::runtime_error when there is none.
mailbox& named_mailbox(world& w, const nlohmann::json& spec);
/// A folder by id, well-known name or path ("Inbox/Projects"). Throws std::runtime_error when there is none.
folder_index named_folder(const mailbox& b, const std::string& name);
/// A message by either id. Throws std::runtime_error when there is none.
message_index named_message(const mailbox& b, const std::string& id);
/// One precise change; README.md lists them. Throws std::runtime_error saying what is wrong with it.
nlohmann::json precise_mail_change(world& w, const nlohmann::json& spec);
/// A random batch by seed: {"seed","count","mailbox"?,"weights"?}. Returns what was done.
nlohmann::json random_mail_changes(world& w, const nlohmann::json& spec);
/// One JSON line per live folder and message. `which`: a mailbox or "all"; `hashes`: with the MIME's size and
/// hash.
void write_expected_mail(world& w, const std::string& which, bool hashes, const std::string& path);

}  // namespace m365stage::sim
