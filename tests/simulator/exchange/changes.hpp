#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "../world.hpp"

/// Changes of mailboxes from outside, and what a copy of them should hold.
namespace m365stage::sim {

/// The mailbox that {"mailbox": address or owner's id} names. Throws std::runtime_error when there is none.
mailbox& named_mailbox(world& w, const nlohmann::json& spec);
/// A folder by id, well-known name or path ("Inbox/Projects"). Throws std::runtime_error when there is none.
folder_index named_folder(const mailbox& b, const std::string& name);
/// A message by either id. Throws std::runtime_error when there is none.
message_index named_message(const mailbox& b, const std::string& id);
/// A mailbox in the lines of what a copy should hold.
nlohmann::json owner_of(const mailbox& b);
/// All mailboxes that are there, or the one of that name.
std::vector<mailbox*> named_mailboxes(world& w, const std::string& which);
/// One of the names, by its weight. Throws std::runtime_error when all weights are 0.
std::string weighted(const std::map<std::string, int>& weights, rng& r);
/// An attachment as a test describes it.
attachment attachment_in(const nlohmann::json& spec, std::uint32_t number, std::int64_t now);
/// What a copy of it should hold, but for the item of an item attachment.
nlohmann::json attachment_line(const attachment& a, bool hashes);
/// One precise change; README.md lists them. Throws std::runtime_error saying what is wrong with it.
nlohmann::json precise_mail_change(world& w, const nlohmann::json& spec);
/// A random batch by seed: {"seed","count","mailbox"?,"weights"?}. Returns what was done.
nlohmann::json random_mail_changes(world& w, const nlohmann::json& spec);
/// One JSON line per live folder and message. `which`: a mailbox or "all"; `hashes`: with the MIME's size and
/// hash.
void write_expected_mail(world& w, const std::string& which, bool hashes, const std::string& path);

}  // namespace m365stage::sim
