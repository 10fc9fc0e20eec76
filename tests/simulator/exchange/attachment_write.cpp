// Attachments of messages: inline up to 3 MB, by an upload session above (contract, section 8.2, Q89).
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "../world.hpp"
#include "attachments.hpp"
#include "calendar_api.hpp"
#include "message_write.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

/// From now on the message has attachments of its own.
message_extra& with_own_attachments(mailbox& b, message_index m) {
    const message_extra* before = b.extra(m);
    bool own = (before != nullptr && before->own_attachments) || b.at(m).has(message_own);
    std::vector<attachment> seeded =
        own ? std::vector<attachment>() : compose(b, m, compose_attachments).attachments;
    message_extra& e = b.make_extra(m);
    if (!own) {
        e.attachments = std::move(seeded);
        e.next_attachment = static_cast<std::uint32_t>(e.attachments.size()) + 1;
    }
    e.own_attachments = true;
    return e;
}

std::uint32_t attach(mailbox& b, message_index m, attachment a, std::int64_t now) {
    message_extra& e = with_own_attachments(b, m);
    a.number = e.next_attachment++;
    a.modified = now;
    e.attachments.push_back(std::move(a));
    b.touch(m, now);
    return b.extra(m)->attachments.back().number;
}

}  // namespace

bool add_attachment(world& w, mailbox& b, message_index m, const json& j, response& refusal) {
    attachment a;
    if (!read_attachment(w, j, a, refusal)) {
        return false;
    }
    attach(b, m, std::move(a), w.now());
    return true;
}

response post_attachment(const outlook_call& c, message_index m, std::size_t at) {
    json body = json::parse(c.r.body, nullptr, false);
    if (!body.is_object()) {
        return graph_error(400, "RequestBodyRead", "The request body is no JSON object.");
    }
    if (c.rest.size() == at) {
        response out;
        if (!add_attachment(c.w, c.box, m, body, out)) {
            return out;
        }
        std::string one;
        append_attachment(
            one, c.box, m, c.box.extra(m)->attachments.back(), c.prefer.immutable, false, false
        );
        return json_response(201, one);
    }
    if (c.rest[at] != "createUploadSession") {
        return unknown_segment(c.rest[at]);
    }
    attachment_upload up;
    up.message = m;
    return open_upload(c, body, std::move(up));
}

response serve_attachment_upload(world& w, const request& r, const std::string& id) {
    attachment_upload& up = w.exchange.uploads.find(id)->second;
    auto state = [&](int status) {
        json j = {
            {"ExpirationDateTime", iso_time(w.now() + 3600)},
            {"nextExpectedRanges", {std::to_string(up.received)}}
        };
        return json_response(status, dump(j));
    };
    if (r.method == "DELETE") {
        w.exchange.uploads.erase(id);
        return empty_response(204);
    }
    if (r.method == "GET") {
        return state(200);
    }
    long long from = -1;
    long long to = -1;
    long long total = -1;
    auto size = static_cast<long long>(r.body.size());
    bool parsed =
        std::sscanf(r.header("content-range").c_str(), "bytes %lld-%lld/%lld", &from, &to, &total) == 3;
    if (r.method != "PUT" || !parsed || to - from + 1 != size || total != up.what.data.size) {
        return graph_error(400, "ErrorInvalidRequest", "Invalid Content-Range header value");
    }
    if (r.body.size() > fragment_most) {
        return graph_error(413, "RequestEntityTooLarge", "A fragment must not be larger than 4 MB.");
    }
    if (from != up.received) {
        return graph_error(
            416, "ErrorInvalidRequest", "The range does not follow the bytes that were received."
        );
    }
    if (!append_bytes(up.path, r.body)) {
        return graph_error(507, "ErrorQuotaExceeded", "The test tenant cannot store this attachment.");
    }
    up.received += size;
    w.manners.count("bytes_uploaded", size);
    if (up.received < total) {
        return state(200);
    }
    mailbox& b = *w.exchange.mailboxes[up.mailbox];
    up.what.data.path = std::make_shared<const std::string>(up.path);
    if (up.event != nowhere) {
        response made = empty_response(201);
        made.set(
            "Location", w.graph_origin + "/v1.0/users('" + b.owner_id + "')" + finish_event_upload(w, b, up)
        );
        w.exchange.uploads.erase(id);
        return made;
    }
    std::uint32_t number = attach(b, up.message, std::move(up.what), w.now());
    response out = empty_response(201);
    out.set(
        "Location", w.graph_origin + "/v1.0/users('" + b.owner_id + "')/messages('" +
                        b.message_id(up.message, true) + "')/attachments('" +
                        b.attachment_id(up.message, number, true) + "')"
    );
    w.exchange.uploads.erase(id);
    return out;
}

}  // namespace m365stage::sim
