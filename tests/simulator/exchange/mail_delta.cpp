// The change feeds of mail: folders of a mailbox, messages of a folder (contract, sections 4, 6.1 to 6.3
// and 10.4).
#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "../world.hpp"
#include "feed.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

/// Reads the query of a feed's first request. False: `out` is the answer.
bool read_shape(const outlook_call& c, mail_shape& s, response& out) {
    s.page = page_size(c);
    for (const char* bad : {"$search", "$skip"}) {
        if (c.r.has_parameter(bad)) {
            out = bad_request(
                std::string("The query parameter '") + bad + "' is not supported with change tracking."
            );
            return false;
        }
    }
    if (!read_message_fields(c.r, s.fields, out)) {
        return false;
    }
    std::string top = c.r.parameter("$top");
    if (!top.empty()) {
        c.w.manners.violation(
            "top_on_delta", c.r, "$top ends a mail feed early; only odata.maxpagesize sets the page"
        );
        std::from_chars(top.data(), top.data() + top.size(), s.top);
    }
    std::string type = c.r.parameter("changeType");
    s.change_type = type.empty() ? '\0' : type[0];
    std::string filter = c.r.parameter("$filter");
    if (!filter.empty()) {
        auto words = split(filter, ' ');
        bool good =
            words.size() == 3 && words[0] == "receivedDateTime" && (words[1] == "ge" || words[1] == "gt");
        auto from = good ? parse_iso_time(words[2]) : std::nullopt;
        if (!from) {
            out =
                bad_request("Only receivedDateTime ge or gt is supported as a filter with change tracking.");
            return false;
        }
        s.received_from = *from + (words[1] == "gt" ? 1 : 0);
    }
    return true;
}

/// One page of a folder's messages.
class message_page {
public:
    message_page(const outlook_call& c, folder_index f, feed_token& t)
        : c_(c),
          folder_(c.box.folder(f)),
          index_(f),
          t_(t),
          id_(c.box.folder_id(f)),
          shape_(c.w.exchange.shapes[t.shape]) {
        style_.fields = shape_.fields;
        style_.immutable = c.prefer.immutable;
        style_.annotate_type = true;
        style_.text_body = c.prefer.text_body;
        room_ = shape_.top > 0 ? std::min<std::size_t>(shape_.top, 1000) : shape_.page;
    }

    /// Fills the page and moves the token on. True: the round is over.
    bool fill() {
        faults();
        bool ended = t_.since == 0 ? backwards() : forwards();
        return ended || shape_.top > 0;
    }

    /// Whether a message that the service cannot write down is on it.
    bool poisoned() const { return poisoned_; }
    std::string body = R"("value":[)";

private:
    void faults() {
        feed_context f{&c_.r, id_, ""};
        if (c_.w.faults.empty()) {
            return;
        }
        if (c_.w.faults.take("empty_pages", f) != nullptr) {
            room_ = 0;
        }
        twice_ = c_.w.faults.take("duplicates", f) != nullptr;
        if (const auto* replay = c_.w.faults.take("replay", f)) {
            std::int64_t left = replay->value("items", std::int64_t{10});
            for (message_index m : c_.box.listing(index_)) {
                if (left-- <= 0) {
                    break;
                }
                comma();
                append_message(body, c_.box, m, style_);
            }
        }
    }

    /// Everything, the latest first.
    bool backwards() {
        const auto& log = folder_.log;
        if (t_.page == 0) {
            t_.position = static_cast<std::uint64_t>(first_after(t_.upto));
        }
        for (; t_.position > 0 && count_ < room_; --t_.position) {
            live(log[t_.position - 1]);
        }
        return t_.position == 0;
    }

    /// What changed: what left first.
    bool forwards() {
        const auto& gone = folder_.removals;
        if (t_.page == 0) {
            auto after = std::upper_bound(
                gone.begin(), gone.end(), t_.since,
                [](std::uint32_t s, const folder_removal& r) { return s < r.seq; }
            );
            t_.removal = static_cast<std::uint64_t>(after - gone.begin());
            t_.position = static_cast<std::uint64_t>(first_after(t_.since));
        }
        for (; t_.removal < gone.size() && gone[t_.removal].seq <= t_.upto && count_ < room_; ++t_.removal) {
            removed(gone[t_.removal]);
        }
        const auto& log = folder_.log;
        for (; t_.position < log.size() && log[t_.position].seq <= t_.upto && count_ < room_; ++t_.position) {
            live(log[t_.position]);
        }
        bool none_gone = t_.removal >= gone.size() || gone[t_.removal].seq > t_.upto;
        return none_gone && (t_.position >= log.size() || log[t_.position].seq > t_.upto);
    }

    /// How many entries of the log are not later than that change.
    std::ptrdiff_t first_after(std::uint32_t seq) const {
        auto at = std::upper_bound(
            folder_.log.begin(), folder_.log.end(), seq,
            [](std::uint32_t s, const folder_change& e) { return s < e.seq; }
        );
        return at - folder_.log.begin();
    }

    void removed(const folder_removal& r) {
        const message& m = c_.box.at(r.message);
        bool back = !m.has(message_deleted) && m.folder == index_;
        if ((back && c_.prefer.immutable) || (shape_.change_type != 0 && shape_.change_type != 'd')) {
            return;
        }
        feed_context f{&c_.r, id_, ""};
        const auto* habit = c_.w.faults.empty() ? nullptr : c_.w.faults.habit("removed_as_changed", f);
        comma();
        body += R"({"@odata.type":"#microsoft.graph.message","id":")" +
                c_.box.old_message_id(r, index_, c_.prefer.immutable) + R"(","@removed":{"reason":")" +
                (habit != nullptr ? "changed" : "deleted") + "\"}}";
        ++count_;
    }

    void live(const folder_change& e) {
        const message& m = c_.box.at(e.message);
        // An entry is stale when its message changed again within the round; what changed after the round
        // began is told in any case: nothing is lost, something may come twice.
        bool here = !m.has(message_deleted) && m.folder == index_ && (m.seq == e.seq || m.seq > t_.upto);
        if (!here || m.received < shape_.received_from) {
            return;
        }
        bool is_new = t_.since == 0 || m.arrived_seq > t_.since;
        bool wanted = shape_.change_type == 0 || shape_.change_type == (is_new ? 'c' : 'u');
        if (!wanted) {
            return;
        }
        const message_extra* x = c_.box.extra(e.message);
        poisoned_ =
            poisoned_ || (x != nullptr && x->wrong == trouble::unserialisable && !only_light(shape_.fields));
        bool sparse = c_.w.exchange.sparse_updates && t_.since > 0 && m.other_seq <= t_.since;
        for (int times = twice_ ? 2 : 1; times > 0; --times) {
            comma();
            if (sparse) {
                append_sparse(body, c_.box, e.message, c_.prefer.immutable);
            } else {
                append_message(body, c_.box, e.message, style_);
            }
        }
        ++count_;
    }

    void comma() {
        body += first_ ? "" : ",";
        first_ = false;
    }

    const outlook_call& c_;
    const mail_folder& folder_;
    folder_index index_;
    feed_token& t_;
    std::string id_;
    const mail_shape& shape_;
    message_style style_;
    std::size_t room_ = 0;
    std::size_t count_ = 0;
    bool twice_ = false;
    bool first_ = true;
    bool poisoned_ = false;
};

/// A change of a folder is told by what may have changed, if the tenant is like that.
std::optional<std::vector<std::string>> told_of(const exchange_state& x, folder_index f) {
    static const std::vector<std::string> ways[] = {{"displayName"}, {"parentFolderId"}, {}};
    return x.sparse_folders ? std::optional(ways[f % 3]) : std::nullopt;
}

bool shown_in_feed(const mailbox& b, folder_index f, bool hidden) {
    if (f == folder_root || !b.is_below(f, folder_root)) {
        return false;
    }
    for (folder_index a = f; a != folder_root; a = b.folder(a).parent) {
        if (b.folder(a).hidden && !hidden) {
            return false;
        }
    }
    return true;
}

}  // namespace

response serve_message_delta(const outlook_call& c, folder_index f) {
    if (c.box.over_quota) {
        return over_quota();
    }
    feed_token t;
    bool opaque = false;
    response out;
    std::string id = c.box.folder_id(f);
    folder_index real = c.box.folder(f).search ? c.box.folder(f).source : f;
    if (!read_token(c, f, c.box.folder(f).generation, t, opaque, out)) {
        return out;
    }
    if (!opaque) {
        mail_shape shape;
        if (!read_shape(c, shape, out)) {
            return out;
        }
        t.shape = shape_number(c.w.exchange, shape);
    }
    if (refused(c, id, opaque, t, out)) {
        return out;
    }
    mutate_between_pages(c, id, t, "exchange/change");
    feed_token before = t;
    if (t.upto == 0) {
        t.upto = std::max(c.box.seq(), 1U);
    }
    message_page page(c, real, t);
    bool ended = page.fill();
    if (page.poisoned()) {
        return internal_error();
    }
    return close_page(
        c, "/mailFolders('" + id + "')/messages/delta?", "Collection(message)", std::move(page.body), before,
        t, ended, id
    );
}

response serve_folder_delta(const outlook_call& c) {
    if (c.box.over_quota) {
        return over_quota();
    }
    feed_token t;
    bool opaque = false;
    response out;
    if (!read_token(c, store_root, c.box.hierarchy_generation, t, opaque, out)) {
        return out;
    }
    if (!opaque) {
        mail_shape shape;
        shape.page = page_size(c);
        shape.folder_fields = selected(c.r);
        shape.hidden = iequals(c.r.parameter("includeHiddenFolders"), "true");
        t.shape = shape_number(c.w.exchange, shape);
    }
    if (refused(c, c.box.folder_id(folder_root), opaque, t, out)) {
        return out;
    }
    mutate_between_pages(c, c.box.folder_id(folder_root), t, "exchange/change");
    feed_token before = t;
    if (t.upto == 0) {
        t.upto = std::max(c.box.seq(), 1U);
    }
    const mail_shape& shape = c.w.exchange.shapes[t.shape];
    std::string value = R"("value":[)";
    std::size_t count = 0;
    const auto& all = c.box.folders();
    for (; t.position < all.size() && count < shape.page; ++t.position) {
        auto f = static_cast<folder_index>(t.position);
        const mail_folder& it = all[f];
        if (f <= folder_root || it.seq <= t.since || (it.deleted && t.since == 0)) {
            continue;
        }
        const bool omitted = c.w.exchange.hide_nested_mail && it.parent != folder_root;
        if (!it.deleted && omitted) {
            continue;
        }
        if (!it.deleted && shown_in_feed(c.box, f, shape.hidden)) {
            value += count == 0 ? "" : ",";
            const auto sparse = t.since > 0 ? told_of(c.w.exchange, f) : std::nullopt;
            append_folder(value, c.box, f, sparse ? sparse : shape.folder_fields, c.w.exchange.null_parents);
            ++count;
        } else if (t.since > 0 && (it.deleted || !c.box.is_below(f, folder_root))) {
            value += count == 0 ? "" : ",";
            value += "{\"id\":\"" + c.box.folder_id(f) + R"(","@removed":{"reason":"deleted"}})";
            ++count;
        }
    }
    bool ended = t.position >= all.size();
    return close_page(
        c, "/mailFolders/delta?", "Collection(mailFolder)", std::move(value), before, t, ended,
        c.box.folder_id(folder_root)
    );
}

}  // namespace m365stage::sim
