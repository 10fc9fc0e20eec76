#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "core/time.hpp"
#include "graph/client.hpp"
#include "index/rows.hpp"

namespace m365stage::restore {

/// Requests to the calendars of one owner. Ids are immutable ones and times UTC on every call.
/// `owner`: "users/<id>" or "groups/<id>", as the target's id is.
class calendar_calls {
public:
    calendar_calls() = default;
    explicit calendar_calls(std::string owner);
    const std::string& mailbox() const { return id_; }  ///< as its limits are counted
    bool is_group() const;
    /// Whose calendars they are, as sources take it.
    index::container owner_of(std::string object) const;

    graph::call usual_calendar(std::string object) const;
    graph::call calendars(std::string object) const;
    /// Not idempotent: a request whose answer was lost may have made it.
    graph::call make_calendar(const nlohmann::json& body, std::string object) const;

    graph::call events(const std::string& calendar, std::string object) const;
    graph::call event(const std::string& id, std::string object) const;
    /// Idempotent by its transactionId.
    graph::call create(const std::string& calendar, const nlohmann::json& body, std::string object) const;
    graph::call change(const std::string& id, const nlohmann::json& body, std::string object) const;
    graph::call remove(const std::string& id, std::string object) const;
    /// What takes place between two moments.
    graph::call instances(
        const std::string& id, core::unix_seconds from, core::unix_seconds to, std::string object
    ) const;

    graph::call attachments(const std::string& event, std::string object) const;
    graph::call attachment_bytes(const std::string& event, const std::string& id, std::string object) const;
    /// Not idempotent.
    graph::call add_attachment(const std::string& event, std::string body, std::string object) const;
    graph::call remove_attachment(const std::string& event, const std::string& id, std::string object) const;
    graph::call begin_upload(const std::string& event, const nlohmann::json& body, std::string object) const;
    /// Some bytes of an attachment of `total` bytes, to the address that an upload has; never authorised.
    graph::call piece(
        const std::string& address, std::int64_t from, std::int64_t total, std::string bytes,
        std::string object
    ) const;
    /// How far such an upload is.
    graph::call progress(const std::string& address, std::string object) const;

private:
    graph::call ask(std::string path, std::string object, unsigned page_size = 0) const;
    graph::call send(http::method verb, std::string path, const nlohmann::json* body, std::string object)
        const;

    std::string owner_, id_, base_;
};

}  // namespace m365stage::restore
