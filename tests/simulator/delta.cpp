// The change feed of a drive: tokens, rounds and pages (contract, sections 4 and 5.2 to 5.5).
#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "item_json.hpp"
#include "world.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

enum prefer_bit : std::uint32_t {
    prefer_hierarchical = 1,
    prefer_removed_as_deleted = 2,
    prefer_traverse_gaps = 4,
    prefer_sharing_changes = 8,
    prefer_exclude_parent = 16,
};

/// What a token says: where in which drive's feed a client is.
struct drive_token {
    bool timestamp = false;  ///< began from a point in time
    std::uint64_t since = 0;
    std::uint64_t round = 0;  ///< 0: a delta link
    std::uint64_t position = 0;
    std::uint64_t shape = 0;
    std::uint64_t page = 0;  ///< number of the page within the round
    std::uint64_t life = 0;  ///< of the tenant that gave it
};

constexpr std::uint64_t drive_token_key = 0x6d333635;

std::string encode(const drive& d, const drive_token& t) {
    std::string text = "3;%23" + std::string(t.timestamp ? "t" : "c");
    for (std::uint64_t v :
         {static_cast<std::uint64_t>(d.number), t.since, t.round, t.position, t.shape, t.page, t.life}) {
        text += ';' + std::to_string(v);
    }
    return base64url(text + ";" + hex64(hash_of(text + d.id, drive_token_key)));
}

bool decode(const drive& d, const std::string& token, drive_token& t) {
    auto raw = base64_decode(token);
    auto cut = raw ? raw->rfind(';') : std::string::npos;
    if (cut == std::string::npos ||
        raw->substr(cut + 1) != hex64(hash_of(raw->substr(0, cut) + d.id, drive_token_key))) {
        return false;
    }
    auto parts = split(raw->substr(0, cut), ';');
    if (parts.size() != 9) {
        return false;
    }
    std::uint64_t v[7];
    for (std::size_t i = 0; i < 7; ++i) {
        v[i] = std::stoull(parts[i + 2]);
    }
    t = {parts[1] == "%23t", v[1], v[2], v[3], v[4], v[5], v[6]};
    return v[0] == d.number;
}

feed_shape shape_of(world& w, const request& r) {
    feed_shape s;
    s.fields = parse_select(r.parameter("$select"));
    std::int64_t top = w.page_size;
    std::string asked = r.parameter("$top");
    if (!asked.empty()) {
        std::from_chars(asked.data(), asked.data() + asked.size(), top);
    }
    s.top = static_cast<std::uint32_t>(std::clamp<std::int64_t>(top, 1, w.page_size_max));
    std::string prefer = lower(r.header("prefer"));
    auto has = [&](const char* name) { return prefer.find(name) != std::string::npos; };
    s.prefer = (has("hierarchicalsharing") ? prefer_hierarchical : 0U) |
               (has("deltashowremovedasdeleted") ? prefer_removed_as_deleted : 0U) |
               (has("deltatraversepermissiongaps") ? prefer_traverse_gaps : 0U) |
               (has("deltashowsharingchanges") ? prefer_sharing_changes : 0U) |
               (r.has_header("deltaexcludeparent") ? prefer_exclude_parent : 0U);
    return s;
}

std::uint64_t shape_number(world& w, const feed_shape& s) {
    for (std::size_t i = 0; i < w.shapes.size(); ++i) {
        if (w.shapes[i] == s) {
            return i;
        }
    }
    w.shapes.push_back(s);
    return w.shapes.size() - 1;
}

bool shows_sharing(const feed_shape& s) {
    constexpr std::uint32_t all = prefer_sharing_changes | prefer_removed_as_deleted | prefer_traverse_gaps;
    return (s.prefer & all) == all;
}

/// Everything that lives, parents before children, the root first.
void order_all(const drive& d, delta_round& round) {
    round.order.reserve(d.live_count() + 1);
    round.order.push_back(root_item);
    for (std::size_t at = 0; at < round.order.size(); ++at) {
        for (item_index c = d.at(round.order[at]).first_child; c != no_item; c = d.at(c).next) {
            round.order.push_back(c);
        }
    }
}

/// What changed: tombstones first, then the living with their ancestors, parents before children.
void order_changes(const drive& d, std::uint64_t since, const feed_shape& shape, delta_round& round) {
    std::unordered_set<item_index> placed;
    std::vector<item_index> living;
    for (item_index i : d.changed_since(since)) {
        const item& it = d.at(i);
        const auto* e = d.extra(i);
        bool only_sharing = it.has(flag_sharing_last) && e != nullptr && e->other_seq <= since;
        if (only_sharing && !shows_sharing(shape) && d.type == "documentLibrary") {
            continue;  // Q24: a library tells changes of permissions only to those who asked for them
        }
        (it.has(flag_deleted) ? round.order : living).push_back(i);
    }
    bool ancestors = (shape.prefer & prefer_exclude_parent) == 0;
    std::unordered_set<item_index> changed(living.begin(), living.end());
    std::vector<item_index> chain;
    if (!living.empty() || !round.order.empty()) {
        round.order.push_back(root_item);
        placed.insert(root_item);
    }
    for (item_index i : living) {
        chain.clear();
        for (item_index a = i; a != no_item && !placed.contains(a); a = d.at(a).parent) {
            chain.push_back(a);
        }
        for (auto a = chain.rbegin(); a != chain.rend(); ++a) {
            if (placed.insert(*a).second && (ancestors || changed.contains(*a))) {
                round.order.push_back(*a);
            }
        }
    }
}

std::shared_ptr<delta_round> start_round(world& w, const drive& d, const drive_token& t, bool full) {
    auto round = std::make_shared<delta_round>();
    round->drive = d.number;
    round->upto = d.seq();
    round->full = full;
    if (full) {
        order_all(d, *round);
    } else {
        order_changes(d, t.since, w.shapes[t.shape], *round);
    }
    return round;
}

response resync(
    world& w, const request& r, const drive& d, const std::string& code, const std::string& location
) {
    response out = graph_error(
        410, code, "Resync required. Replace any local items with the server's version (including deletes)."
    );
    std::string link = r.origin() + "/v1.0/drives/" + d.id + "/root/delta?token=";
    if (location == "broken") {
        out.set("Location", link + "broken-by-resync");
    } else if (location != "none") {
        out.set("Location", link + encode(d, {.shape = shape_number(w, shape_of(w, r)), .life = w.life}));
    }
    return out;
}

/// Faults that answer instead of a page. Returns whether `out` is the answer.
bool refused(
    world& w, const request& r, const drive& d, bool has_token, const drive_token& t, response& out
) {
    feed_context c{&r, d.id, ""};
    if (has_token) {
        if (const auto* p = w.faults.take("resync", c)) {
            out = resync(w, r, d, p->value("code", "resyncRequired"), p->value("location", "good"));
            return true;
        }
        if (w.faults.take("malformed_token", c) != nullptr) {
            out = graph_error(400, "invalidRequest", "Provided sync token is malformed");
            return true;
        }
    }
    if (w.faults.take("incoherent_view", c) != nullptr) {
        out = graph_error(
            500, "generalException", "Failed to get a coherent view of changes. Try again later."
        );
        return true;
    }
    if (t.page > 0 && w.faults.take("not_found_mid_paging", c) != nullptr) {
        out = graph_error(404, "itemNotFound", "The resource could not be found.");
        return true;
    }
    return false;
}

item_view view_of(world& w, const request& r, const drive& d, const feed_shape& shape, item_index i) {
    item_view v;
    v.fields = shape.fields;
    v.inherit_shared = (shape.prefer & prefer_hierarchical) == 0;
    if (!w.faults.empty()) {
        std::string id = d.item_id(i);
        feed_context c{&r, d.id, id};
        v.omit_parent_path = w.faults.habit("omit_parent_path", c) != nullptr;
        v.omit_ctag = w.faults.habit("omit_ctag", c) != nullptr;
        v.tombstone_name = w.faults.habit("tombstone_names", c) != nullptr;
        v.zero_child_count = w.faults.habit("zero_child_count", c) != nullptr;
        v.negative_size = w.faults.habit("negative_size", c) != nullptr;
        v.old_dates = w.faults.habit("old_dates", c) != nullptr;
        v.fractions = w.faults.habit("fractional_seconds", c) != nullptr;
    }
    return v;
}

/// Whether a habit of the feed hides the item from this round.
bool hidden(
    world& w, const request& r, const drive& d, const delta_round& round, std::uint64_t since, item_index i
) {
    if (w.faults.empty()) {
        return false;
    }
    feed_context c{&r, d.id, ""};
    const item& it = d.at(i);
    if (it.has(flag_deleted)) {
        bool parent_gone = it.parent != no_item && it.parent != root_item &&
                           d.at(it.parent).has(flag_deleted) && d.at(it.parent).seq > since;
        if (parent_gone && w.faults.habit("implicit_child_tombstones", c) != nullptr) {
            return true;
        }
        // Q9: gone and made again under its name before the client came back.
        return d.find_child(it.parent, it.name) != no_item && w.faults.habit("silent_recreate", c) != nullptr;
    }
    // Q10: what is below a folder that is new in this round is not told.
    bool below_new = !round.full && it.parent != no_item && it.parent != root_item && it.seq > since &&
                     d.at(it.parent).seq > since && d.at(it.parent).etag > 1 && !it.is_folder();
    return below_new && w.faults.habit("hide_children_of_moved", c) != nullptr;
}

class page {
public:
    page(world& w, const request& r, drive& d, const delta_round& round, const drive_token& t)
        : w_(w), r_(r), d_(d), round_(round), t_(t), shape_(w.shapes[t.shape]) {}

    void item_at(item_index i) {
        if (hidden(w_, r_, d_, round_, t_.since, i)) {
            return;
        }
        item_view v = view_of(w_, r_, d_, shape_, i);
        const auto* e = d_.extra(i);
        v.shared_changed =
            !t_.timestamp && !round_.full && shows_sharing(shape_) && e != nullptr && e->share_seq > t_.since;
        const item& it = d_.at(i);
        bool link = it.kind == item_kind::file && !it.has(flag_deleted) && !it.has(flag_malware) &&
                    (v.fields & field_download_url) != 0;
        if (link) {
            v.download_url = download_url(w_, d_, i, w_.download_url_lifetime);
        }
        comma();
        append_item(body, d_, i, v);
    }

    /// The same item as it was before: other name, other eTag.
    void older_state(item_index i) {
        comma();
        body += R"({"@odata.type":"#microsoft.graph.driveItem","id":")" + d_.item_id(i) + R"(","name":)";
        append_json(body, "old " + d_.at(i).name);
        body +=
            R"(,"eTag":"\"{00000000-0000-0000-0000-000000000000},0\"","size":1,"createdDateTime":"2020-01-01T00:00:00Z","lastModifiedDateTime":"2020-01-01T00:00:00Z",)";
        body +=
            d_.at(i).kind == item_kind::file ? R"("file":{"hashes":{}},)" : R"("folder":{"childCount":0},)";
        body += R"("parentReference":{"driveType":"business","driveId":")" + d_.id + R"(","id":")" +
                d_.item_id(root_item) + R"("}})";
    }

    std::string body = R"("value":[)";

private:
    void comma() {
        if (!first_) {
            body += ',';
        }
        first_ = false;
    }
    world& w_;
    const request& r_;
    drive& d_;
    const delta_round& round_;
    const drive_token& t_;
    const feed_shape& shape_;
    bool first_ = true;
};

/// Faults that change the drive behind the client's back.
void mutate_between_pages(world& w, const request& r, drive& d, const drive_token& t) {
    feed_context c{&r, d.id, ""};
    if (t.page == 0 || w.faults.take("mutate_between_pages", c) == nullptr) {
        return;
    }
    json change = {{"seed", static_cast<std::int64_t>(++w.serial)}, {"count", 3}, {"drive", d.id}};
    request inner;
    inner.method = "POST";
    inner.path = "/_sim/change";
    inner.body = change.dump();
    serve_admin(w, inner);
}

std::string link_of(const request& r, const drive& d, const drive_token& t) {
    return r.origin() + "/v1.0/drives/" + d.id + "/root/delta?token=" + encode(d, t);
}

/// A client may ask for its last page again: finished rounds stay until 64 others have finished.
void finish_round(world& w, std::uint64_t number) {
    if (number == 0) {
        return;
    }
    w.finished_rounds.push_back(number);
    if (w.finished_rounds.size() > 64) {
        w.rounds.erase(w.finished_rounds.front());
        w.finished_rounds.pop_front();
    }
}

response answer_page(
    world& w, const request& r, drive& d, drive_token t, const std::shared_ptr<delta_round>& round
) {
    feed_context c{&r, d.id, ""};
    page p(w, r, d, *round, t);
    std::size_t top = w.shapes[t.shape].top;
    std::size_t end = std::min<std::size_t>(round->order.size(), t.position + top);
    bool empty_page = t.position < round->order.size() && w.faults.take("empty_pages", c) != nullptr;
    if (empty_page) {
        end = t.position;
    }
    std::vector<item_index> now(
        round->order.begin() + static_cast<std::ptrdiff_t>(t.position),
        round->order.begin() + static_cast<std::ptrdiff_t>(end)
    );
    if (!now.empty() && w.faults.take("child_before_parent", c) != nullptr) {
        std::reverse(now.begin(), now.end());
    }
    bool twice = !now.empty() && w.faults.take("duplicates", c) != nullptr;
    for (item_index i : now) {
        if (twice && i != root_item && !d.at(i).has(flag_deleted)) {
            p.older_state(i);
        }
        p.item_at(i);
    }
    if (const auto* replay = w.faults.take("replay", c)) {
        std::int64_t left = replay->value("items", std::int64_t{10});
        for (auto i = static_cast<item_index>(d.items().size()); i-- > 0 && left > 0;) {
            if (!d.at(i).has(flag_deleted)) {
                p.item_at(i);
                --left;
            }
        }
    }
    bool more = end < round->order.size();
    drive_token next = t;
    next.position = end;
    ++next.page;
    if (more && w.faults.take("repeat_next_link", c) != nullptr) {
        next = t;  // Q3: the same link and the same items again
    } else if (more && t.page > 0 && w.faults.take("cycle_next_link", c) != nullptr) {
        next.position = 0;
        next.page = 0;
    }
    if (more && next.round == 0) {
        next.round = w.next_round++;
        w.rounds[next.round] = round;
    }
    if (!more) {
        next = {.since = round->upto, .shape = t.shape, .life = t.life};
        finish_round(w, t.round);
    }
    std::string body = R"({"@odata.context":")" + r.origin() + "/v1.0/$metadata#Collection(driveItem)\",";
    body += more ? R"("@odata.nextLink":")" : R"("@odata.deltaLink":")";
    body += link_of(r, d, next) + "\",";
    body += p.body;
    body += "]}";
    response out = json_response(200, std::move(body));
    std::uint32_t prefer = w.shapes[t.shape].prefer & 15U;
    if (prefer != 0) {
        out.set("Preference-Applied", "hierarchicalsharing");
    }
    return out;
}

}  // namespace

response serve_delta(world& w, const request& r, drive& d, std::string token, bool has_token) {
    drive_token t{.life = w.life};
    response out;
    bool full = !has_token || token.empty();
    bool opaque = false;
    if (r.parameter("$expand").find("listItem") != std::string::npos) {
        return graph_error(400, "invalidRequest", "One of the provided arguments is not acceptable.");
    }
    if (full) {
        t.shape = shape_number(w, shape_of(w, r));
    } else if (token == "latest") {
        t.shape = shape_number(w, shape_of(w, r));
        t.since = d.seq();
    } else if (auto time = parse_iso_time(token)) {
        if (*time < w.now() - w.timestamp_token_days * day_seconds) {
            return resync(w, r, d, "resyncRequired", "good");
        }
        t.shape = shape_number(w, shape_of(w, r));
        t.since = d.seq_at(*time);
        t.timestamp = true;
    } else {
        opaque = true;
        if (!decode(d, token, t)) {
            if (token == "broken-by-resync") {
                return graph_error(500, "generalException", "nextLink value without skip or skiptoken");
            }
            return graph_error(400, "invalidRequest", "Provided sync token is malformed");
        }
        if (t.life != w.life) {
            // The same seed makes the same drive, but what the token meant is forgotten.
            return resync(w, r, d, "resyncRequired", "good");
        }
    }
    if (opaque && r.parameters.size() > 1) {
        w.manners.violation("link_altered", r, "a parameter was added to a link of the service");
    }
    if (refused(w, r, d, opaque, t, out)) {
        return out;
    }
    mutate_between_pages(w, r, d, t);
    if (t.round == 0) {
        // A delta link with `since` 0 is the fresh start that a 410 offers.
        full = full || (opaque && t.since == 0);
        return answer_page(w, r, d, t, start_round(w, d, t, full));
    }
    auto at = w.rounds.find(t.round);
    if (at == w.rounds.end() || at->second->drive != d.number || t.position > at->second->order.size()) {
        return resync(w, r, d, "resyncRequired", "good");
    }
    return answer_page(w, r, d, t, at->second);
}

}  // namespace m365stage::sim
