#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "graph/client.hpp"

namespace m365stage::restore {

/// Requests to the mail of one mailbox. Ids are immutable ones on every call.
class mail_calls {
public:
    mail_calls() = default;
    explicit mail_calls(std::string owner_id);
    const std::string& owner() const { return owner_; }

    /// By id or by well-known name.
    graph::call folder(const std::string& id, std::string object) const;
    graph::call child_folders(const std::string& parent, std::string object) const;
    graph::call make_folder(const std::string& parent, const nlohmann::json& body, std::string object) const;

    /// Everything in a folder; `marks`: with the mark that a restore leaves.
    graph::call messages(const std::string& folder, bool marks, std::string object) const;
    /// Those of them that fit a $filter.
    graph::call matching(const std::string& folder, const std::string& filter, bool marks, std::string object)
        const;
    graph::call message(const std::string& id, std::string object) const;
    /// Not idempotent: a request whose answer was lost may have made the message.
    graph::call create(const std::string& folder, std::string object) const;
    graph::call remove(const std::string& message, std::string object) const;

    graph::call attachments(const std::string& message, std::string object) const;
    graph::call attachment_bytes(
        const std::string& message, const std::string& attachment, std::string object
    ) const;
    /// Not idempotent either.
    graph::call add_attachment(const std::string& message, std::string object) const;
    graph::call begin_upload(const std::string& message, const nlohmann::json& body, std::string object)
        const;

private:
    graph::call ask(std::string path, std::string object, unsigned page_size = 0) const;
    std::string owner_, base_;
};

/// The extended property that marks a message as put there by a restore: its value is made of the id that the
/// message had. What a lost answer left behind is found by it, also where two messages have one
/// internetMessageId, or a draft has none.
extern const char* const mark_property;
std::string mark_of(const std::string& remote_id);

/// "'it''s'": a text in a $filter.
std::string odata_text(std::string_view text);

}  // namespace m365stage::restore
