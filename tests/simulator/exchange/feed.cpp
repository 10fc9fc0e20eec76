// What all change feeds of Outlook have in common.
#include "feed.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "../world.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

constexpr std::uint64_t feed_token_key = 0x0e8c4a6e;

std::string encode(const feed_token& t) {
    std::string text;
    for (std::uint64_t v : std::initializer_list<std::uint64_t>{
             t.mailbox, t.folder, t.generation, t.since, t.upto, t.position, t.removal, t.shape, t.page
         }) {
        text += std::to_string(v) + ';';
    }
    return base64url(text + hex64(hash_of(text, feed_token_key)));
}

std::optional<feed_token> decode(const std::string& token) {
    auto raw = base64_decode(token);
    auto cut = raw ? raw->rfind(';') : std::string::npos;
    if (cut == std::string::npos ||
        raw->substr(cut + 1) != hex64(hash_of(raw->substr(0, cut + 1), feed_token_key))) {
        return std::nullopt;
    }
    auto parts = split(raw->substr(0, cut), ';');
    std::vector<std::uint64_t> v;
    v.reserve(parts.size());
    for (const auto& p : parts) {
        v.push_back(std::stoull(p));
    }
    auto small = [&](std::size_t i) { return static_cast<std::uint32_t>(v[i]); };
    feed_token t{small(0), small(1), small(2), small(3), small(4), v[5], v[6], v[7], v[8]};
    return t;
}

response sync_state_not_found(std::uint32_t generation, const std::string& code) {
    return graph_error(
        410, code, "The sync state generation is not found; generation=" + std::to_string(generation) + ";"
    );
}

std::string link(const outlook_call& c, const std::string& path, const feed_token& t) {
    return c.r.origin() + "/v1.0/users/" + c.box.owner_id + path +
           (t.upto == 0 ? "$deltatoken=" : "$skiptoken=") + encode(t);
}

}  // namespace

std::uint64_t shape_number(exchange_state& x, const mail_shape& s) {
    auto at = std::find(x.shapes.begin(), x.shapes.end(), s);
    if (at == x.shapes.end()) {
        x.shapes.push_back(s);
        return x.shapes.size() - 1;
    }
    return static_cast<std::uint64_t>(at - x.shapes.begin());
}

response over_quota() {
    return graph_error(
        403, "ErrorQuotaExceeded",
        "The mailbox is over its quota: the state of the synchronisation cannot be stored in it."
    );
}

bool refused(
    const outlook_call& c, const std::string& id, bool has_token, const feed_token& t, response& out
) {
    feed_context f{&c.r, id, ""};
    auto& faults = c.w.faults;
    if (faults.empty()) {
        return false;
    }
    if (has_token) {
        if (const auto* p = faults.take("resync", f)) {
            std::string code = p->value("code", "SyncStateNotFound");
            out = sync_state_not_found(t.generation, code == "resyncRequired" ? "SyncStateNotFound" : code);
            return true;
        }
        if (faults.take("malformed_token", f) != nullptr) {
            out = graph_error(400, "ErrorInvalidSyncStateData", "The sync state data is invalid.");
            return true;
        }
    }
    if (t.page > 0 && faults.take("not_found_mid_paging", f) != nullptr) {
        out = not_found_in_store();
        return true;
    }
    return false;
}

bool read_token(
    const outlook_call& c, std::uint32_t folder, std::uint32_t generation, feed_token& t, bool& opaque,
    response& out
) {
    std::string text = c.r.parameter("$skiptoken", c.r.parameter("$deltatoken"));
    opaque = !text.empty();
    if (!opaque) {
        t.mailbox = c.box.number;
        t.folder = folder;
        t.generation = generation;
        return true;
    }
    if (c.r.parameters.size() > 1) {
        c.w.manners.violation("link_altered", c.r, "a parameter was added to a link of the service");
    }
    auto decoded = decode(text);
    if (!decoded || decoded->mailbox != c.box.number || decoded->folder != folder ||
        decoded->shape >= c.w.exchange.shapes.size()) {
        out = graph_error(400, "ErrorInvalidSyncStateData", "The sync state data is invalid.");
        return false;
    }
    t = *decoded;
    if (t.generation != generation) {
        out = sync_state_not_found(t.generation, "SyncStateNotFound");
        return false;
    }
    return true;
}

std::uint32_t page_size(const outlook_call& c) {
    std::int64_t page = c.prefer.page > 0 ? c.prefer.page : 10;
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(page, 1, c.w.exchange.page_max));
}

void mutate_between_pages(
    const outlook_call& c, const std::string& id, const feed_token& t, const std::string& what
) {
    feed_context f{&c.r, id, ""};
    if (t.page == 0 || c.w.faults.empty() || c.w.faults.take("mutate_between_pages", f) == nullptr) {
        return;
    }
    request inner;
    inner.method = "POST";
    inner.path = "/_sim/" + what;
    inner.body = json{
        {"seed", static_cast<std::int64_t>(++c.w.serial)}, {"count", 3}, {"mailbox", c.box.address}
    }.dump();
    serve_admin(c.w, inner);
}

response close_page(
    const outlook_call& c, const std::string& path, const std::string& context, std::string value,
    const feed_token& before, feed_token t, bool ended, const std::string& id
) {
    feed_context f{&c.r, id, ""};
    if (!ended && !c.w.faults.empty() && c.w.faults.take("repeat_next_link", f) != nullptr) {
        t = before.page == 0 ? t : before;
        t.page = std::max<std::uint64_t>(t.page, 1);
    } else if (ended) {
        feed_token next;
        next.mailbox = t.mailbox;
        next.folder = t.folder;
        next.generation = t.generation;
        next.since = t.upto;
        next.shape = t.shape;
        t = next;
    } else {
        ++t.page;
    }
    std::string body = "{\"@odata.context\":\"" + c.r.origin() + "/v1.0/$metadata#" + context + "\"," +
                       std::move(value) + "],";
    body += ended ? "\"@odata.deltaLink\":" : "\"@odata.nextLink\":";
    append_json(body, link(c, path, t));
    response out = json_response(200, body + "}");
    tell_preferences(c.prefer, true, out);
    return out;
}

}  // namespace m365stage::sim
