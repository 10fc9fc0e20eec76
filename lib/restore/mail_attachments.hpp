#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "restore/context.hpp"
#include "restore/mail_calls.hpp"
#include "restore/mime_file.hpp"

/// Attachments of a message that is there already.
namespace m365stage::restore {

/// What attachments are compared by: "file <sha256>" and "item <name>", each as often as it is there. (The
/// service tells other sizes than those of the bytes, and a message inside comes back in another MIME.)
using attachment_marks = std::multiset<std::string>;

/// Those that a message of the tree gets. Parts that are too large for Exchange are not among them.
attachment_marks marks_of(const mime_file& mime);
bool is_too_large(const mime_part& part);
/// True for a message inside that becomes an item; others become .eml files, which keep what is in them.
bool goes_as_item(const mime_part& part);

/// One text for all of them, for the journal.
std::string digest_of(const attachment_marks& marks);

/// Those that the message has now; every file is read. Errors: as the service says.
task<core::result<attachment_marks>> read_attachments(
    context& with, const mail_calls& calls, std::string message, std::string object
);

/// A part that the service does not take, and why.
struct refused_part {
    refused_part(std::string m, std::string n, std::string w)
        : mark(std::move(m)), name(std::move(n)), why(std::move(w)) {}
    std::string mark, name, why;
};

/// Adds the parts that the message does not have, in order: small ones in one request each, large ones by an
/// upload session in pieces below 4 MB (contract 8.2). `there`: what it has; nullopt: not known, it is asked.
/// Returns those that are refused for good. Errors: as the service says; what was added stays.
task<core::result<std::vector<refused_part>>> add_attachments(
    context& with, const mail_calls& calls, std::string message, std::shared_ptr<mime_file> mime,
    std::optional<attachment_marks> there, std::string object
);

}  // namespace m365stage::restore
