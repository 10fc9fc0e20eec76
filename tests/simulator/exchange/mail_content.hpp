#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mailbox.hpp"

/// What a message says: computed from its seed, with the properties that were written in their place.
namespace m365stage::sim {

struct mail_address {
    std::string name;
    std::string address;
    bool operator==(const mail_address&) const = default;
};

/// A message put into words.
struct mail_view {
    std::string subject;
    mail_address from;
    mail_address sender;
    std::vector<mail_address> to;
    std::vector<mail_address> cc;
    std::vector<mail_address> bcc;
    std::vector<mail_address> reply_to;
    std::string importance = "normal";
    std::string internet_id;
    std::string body;  ///< HTML, or text when `body_is_text`
    bool body_is_text = false;
    std::vector<std::string> categories;
    std::vector<attachment> attachments;
    std::int64_t sent = 0;
    std::uint64_t conversation = 0;
    bool meeting = false;  ///< a meeting request
    bool has_from = true;

    /// What hasAttachments says: inline pictures do not count (Q77).
    bool has_attachments() const;
    /// The body without markup.
    std::string text() const;
};

/// Which of the costlier parts are wanted.
enum compose_part : unsigned {
    compose_people = 1,
    compose_body = 2,
    compose_attachments = 4,
    compose_all = 7,
};

mail_view compose(const mailbox& b, message_index m, unsigned parts = compose_all);
/// The MIME form, as $value serves it.
content mime_of(const mailbox& b, message_index m);
/// The MIME of a message given in Graph's form (the item of an item attachment).
std::string mime_of_item(const nlohmann::json& item);
/// A name and address, from a seed.
mail_address person(std::uint64_t seed);
/// A sentence or a text of about that many bytes.
std::string sentence(rng& r);
std::string prose(rng& r, std::size_t bytes);
/// Whether a character set other than ASCII is in the text.
bool is_ascii(std::string_view text);

}  // namespace m365stage::sim
