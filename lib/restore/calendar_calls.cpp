#include "restore/calendar_calls.hpp"

#include <nlohmann/json.hpp>

#include "sources/event_render.hpp"
#include "sources/fields.hpp"
#include "sources/outlook.hpp"

namespace m365stage::restore {

using nlohmann::json;
using sources::segment;

namespace {

constexpr unsigned events_a_page = 999;
constexpr unsigned calendars_a_page = 250;
constexpr const char* compared_events =
    "?$select=id,iCalUId,changeKey,transactionId,subject,start,end,isAllDay,type";

}  // namespace

calendar_calls::calendar_calls(std::string owner) : owner_(std::move(owner)) {
    id_ = owner_.substr(owner_.find('/') + 1);
    base_ = sources::mailbox_address(is_group() ? "group" : "user", id_);
}

bool calendar_calls::is_group() const {
    return owner_.starts_with("groups/");
}

index::container calendar_calls::owner_of(std::string object) const {
    index::container c;
    c.owner_kind = is_group() ? "group" : "user";
    c.owner_id = id_;
    c.key = std::move(object);
    return c;
}

graph::call calendar_calls::ask(std::string path, std::string object, unsigned page_size) const {
    return sources::calendar_call(owner_of(std::move(object)), base_ + path, page_size);
}

graph::call calendar_calls::send(http::method verb, std::string path, const json* body, std::string object)
    const {
    auto c = ask(std::move(path), std::move(object));
    c.verb = verb;
    if (body != nullptr) {
        c.body = sources::canonical(*body);
    }
    return c;
}

graph::call calendar_calls::usual_calendar(std::string object) const {
    return ask("/calendar?$select=id,name,canEdit,owner", std::move(object));
}

graph::call calendar_calls::calendars(std::string object) const {
    return ask(
        "/calendars?$select=id,name,canEdit,owner,isDefaultCalendar", std::move(object), calendars_a_page
    );
}

graph::call calendar_calls::make_calendar(const json& body, std::string object) const {
    auto c = send(http::method::post, "/calendars", &body, std::move(object));
    c.idempotent = false;
    return c;
}

graph::call calendar_calls::events(const std::string& calendar, std::string object) const {
    const auto where = is_group() ? std::string("/calendar") : "/calendars/" + segment(calendar);
    return ask(where + "/events" + compared_events, std::move(object), events_a_page);
}

graph::call calendar_calls::event(const std::string& id, std::string object) const {
    return ask("/events/" + segment(id) + compared_events, std::move(object));
}

graph::call calendar_calls::create(const std::string& calendar, const json& body, std::string object) const {
    const auto where = is_group() ? std::string("/calendar") : "/calendars/" + segment(calendar);
    return send(http::method::post, where + "/events", &body, std::move(object));
}

graph::call calendar_calls::change(const std::string& id, const json& body, std::string object) const {
    return send(http::method::patch, "/events/" + segment(id), &body, std::move(object));
}

graph::call calendar_calls::remove(const std::string& id, std::string object) const {
    return send(http::method::del, "/events/" + segment(id), nullptr, std::move(object));
}

graph::call calendar_calls::instances(
    const std::string& id, core::unix_seconds from, core::unix_seconds to, std::string object
) const {
    return ask(
        "/events/" + segment(id) + "/instances?startDateTime=" + core::format_timestamp(from) +
            "&endDateTime=" + core::format_timestamp(to) +
            "&$select=id,type,originalStart,subject,start,end,isAllDay,attendees",
        std::move(object), 50
    );
}

graph::call calendar_calls::attachments(const std::string& event, std::string object) const {
    return ask(
        "/events/" + segment(event) + "/attachments?$select=id,name,size,contentType,isInline",
        std::move(object)
    );
}

graph::call calendar_calls::attachment_bytes(
    const std::string& event, const std::string& id, std::string object
) const {
    return ask("/events/" + segment(event) + "/attachments/" + segment(id) + "/$value", std::move(object));
}

graph::call calendar_calls::add_attachment(const std::string& event, std::string body, std::string object)
    const {
    auto c =
        send(http::method::post, "/events/" + segment(event) + "/attachments", nullptr, std::move(object));
    c.body = std::move(body);
    c.idempotent = false;
    return c;
}

graph::call calendar_calls::remove_attachment(
    const std::string& event, const std::string& id, std::string object
) const {
    return send(
        http::method::del, "/events/" + segment(event) + "/attachments/" + segment(id), nullptr,
        std::move(object)
    );
}

graph::call calendar_calls::begin_upload(const std::string& event, const json& body, std::string object)
    const {
    return send(
        http::method::post, "/events/" + segment(event) + "/attachments/createUploadSession", &body,
        std::move(object)
    );
}

graph::call calendar_calls::piece(
    const std::string& address, std::int64_t from, std::int64_t total, std::string bytes, std::string object
) const {
    auto c = progress(address, std::move(object));
    c.verb = http::method::put;
    c.fields.set("Content-Type", "application/octet-stream");
    const auto last = from + std::ssize(bytes) - 1;
    c.fields.set(
        "Content-Range",
        "bytes " + std::to_string(from) + "-" + std::to_string(last) + "/" + std::to_string(total)
    );
    c.body = std::move(bytes);
    c.idempotent = false;
    return c;
}

graph::call calendar_calls::progress(const std::string& address, std::string object) const {
    graph::call c;
    c.target = address;
    c.where = graph::scope(graph::service::outlook, id_);
    c.object = std::move(object);
    return c;
}

}  // namespace m365stage::restore
