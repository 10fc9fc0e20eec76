#include "record_api.hpp"

#include <algorithm>

#include "../world.hpp"
#include "feed.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

constexpr std::uint32_t contacts_number = 1U << 24;
constexpr std::uint32_t tasks_number = 2U << 24;
constexpr std::uint32_t feed_mark = 1U << 23;

/// True when every selected name is a property. False: `out` is the answer.
bool read_select(const outlook_call& c, const record_kind& k, response& out) {
    const auto names = selected(c.r);
    for (const auto& name : names.value_or(std::vector<std::string>())) {
        if (std::none_of(k.properties.begin(), k.properties.end(), [&](std::string_view p) {
                return iequals(p, name);
            })) {
            out = unknown_property(name, k.type);
            return false;
        }
    }
    return true;
}

bool has_delta(const outlook_call& c, response& out) {
    if (c.w.exchange.no_record_delta) {
        out = unknown_segment("delta");
        return false;
    }
    if (c.box.over_quota) {
        out = over_quota();
        return false;
    }
    return true;
}

/// One page of a folder's records.
class record_page {
public:
    record_page(
        const outlook_call& c, const record_kind& k, const record_store& s, std::uint32_t f, feed_token& t
    )
        : c_(c),
          k_(k),
          store_(s),
          folder_(f),
          t_(t),
          id_(s.folder_id(f)),
          shape_(c.w.exchange.shapes[t.shape]) {}

    std::string body = R"("value":[)";
    bool poisoned = false;  ///< a record that the service cannot write down is on it

    /// Fills the page and moves the token on. True: the round is over.
    bool fill() {
        feed_context f{&c_.r, id_, ""};
        room_ = shape_.page;
        if (!c_.w.faults.empty()) {
            room_ = c_.w.faults.take("empty_pages", f) != nullptr ? 0 : room_;
            twice_ = c_.w.faults.take("duplicates", f) != nullptr;
        }
        return t_.since == 0 ? everything() : changes();
    }

private:
    bool everything() {
        const auto& all = store_.records();
        for (; t_.position < all.size() && count_ < room_; ++t_.position) {
            auto i = static_cast<record_index>(t_.position);
            if (!all[i].deleted && all[i].folder == folder_) {
                live(i);
            }
        }
        return t_.position >= all.size();
    }

    bool changes() {
        const auto& log = store_.folder(folder_).log;
        if (t_.page == 0) {
            auto after = std::upper_bound(
                log.begin(), log.end(), t_.since,
                [](std::uint32_t seq, const record_change& e) { return seq < e.seq; }
            );
            t_.position = static_cast<std::uint64_t>(after - log.begin());
        }
        for (; t_.position < log.size() && log[t_.position].seq <= t_.upto && count_ < room_; ++t_.position) {
            const auto& e = log[t_.position];
            const record& r = store_.at(e.item);
            const bool here = !r.deleted && r.folder == folder_;
            if (e.left && !(here && c_.prefer.immutable)) {
                removed(e);
            } else if (!e.left && here && (r.seq == e.seq || r.seq > t_.upto)) {
                live(e.item);
            }
        }
        return t_.position >= log.size() || log[t_.position].seq > t_.upto;
    }

    void removed(const record_change& e) {
        feed_context f{&c_.r, id_, ""};
        const auto* habit = c_.w.faults.empty() ? nullptr : c_.w.faults.habit("removed_as_changed", f);
        add(
            {{"@odata.type", std::string("#microsoft.graph.") + k_.type},
             {"id", store_.old_id(e, folder_, c_.prefer.immutable)},
             {"@removed", {{"reason", habit != nullptr ? "changed" : "deleted"}}}}
        );
        ++count_;
    }

    void live(record_index i) {
        const record& r = store_.at(i);
        poisoned = poisoned || (r.unserialisable && !is_light(shape_.folder_fields));
        json j = k_.item(store_, i, c_.prefer.immutable);
        // Every second one tells what changed only (Q69).
        const bool sparse = c_.w.exchange.sparse_updates && t_.since > 0 && r.arrived_seq <= t_.since &&
                            i % 2 == 1 && !k_.immutable_ids;
        if (sparse) {
            for (auto it = j.begin(); it != j.end();) {
                const auto touched = r.touched.find(it.key());
                const bool keep = it.key() == "id" || it.key() == "changeKey" || it.key().starts_with("@") ||
                                  it.key() == "lastModifiedDateTime" ||
                                  (touched != r.touched.end() && touched->second > t_.since);
                it = keep ? std::next(it) : j.erase(it);
            }
        }
        keep_selected(j, shape_.folder_fields);
        add(j);
        if (twice_) {
            add(j);
        }
        ++count_;
    }

    void add(const json& j) {
        body += (first_ ? "" : ",") + dump(j);
        first_ = false;
    }

    const outlook_call& c_;
    const record_kind& k_;
    const record_store& store_;
    std::uint32_t folder_;
    feed_token& t_;
    std::string id_;
    const mail_shape& shape_;
    std::size_t room_ = 0;
    std::size_t count_ = 0;
    bool twice_ = false;
    bool first_ = true;
};

/// The token of a feed's request, with its shape. False: `out` is the answer.
bool begin_feed(
    const outlook_call& c, const record_kind& k, std::uint32_t feed, std::uint32_t generation,
    const std::string& id, feed_token& t, response& out
) {
    bool opaque = false;
    if (!has_delta(c, out) || !read_token(c, feed, generation, t, opaque, out)) {
        return false;
    }
    if (!opaque) {
        for (const char* bad : {"$search", "$skip", "$filter", "$orderby", "$expand"}) {
            if (c.r.has_parameter(bad)) {
                out = bad_request(
                    std::string("The query parameter '") + bad + "' is not supported with change tracking."
                );
                return false;
            }
        }
        if (c.r.has_parameter("$top")) {
            c.w.manners.violation(
                "top_on_delta", c.r, "only odata.maxpagesize sets the page of a feed of Outlook"
            );
        }
        if (!read_select(c, k, out)) {
            return false;
        }
        mail_shape shape;
        shape.page = page_size(c);
        shape.folder_fields = selected(c.r);
        t.shape = shape_number(c.w.exchange, shape);
    }
    return !refused(c, id, opaque, t, out);
}

}  // namespace

record_store& contacts_of(mailbox& b) {
    if (!b.contacts) {
        b.contacts = std::make_shared<record_store>(b.guid, contacts_number, true);
        b.contacts->add_folder(b.locale == "de-DE" ? "Kontakte" : "Contacts", nowhere, "contacts");
    }
    return *b.contacts;
}

record_store& tasks_of(mailbox& b) {
    if (!b.tasks) {
        b.tasks = std::make_shared<record_store>(b.guid, tasks_number, false);
        b.tasks->add_folder(b.locale == "de-DE" ? "Aufgaben" : "Tasks", nowhere, "defaultList");
        b.tasks->add_folder("Flagged Emails", nowhere, "flaggedEmails");
    }
    return *b.tasks;
}

bool read_object(const outlook_call& c, json& body, response& out) {
    body = json::parse(c.r.body.empty() ? "{}" : c.r.body, nullptr, false);
    if (!body.is_object()) {
        out = graph_error(400, "RequestBodyRead", "The request body is no JSON object.");
        return false;
    }
    return true;
}

response wrong_method() {
    return graph_error(
        405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target."
    );
}

response answer_record(
    const outlook_call& c, const record_kind& k, const record_store& s, record_index i, int status
) {
    response out;
    if (c.r.method == "GET" && !read_select(c, k, out)) {
        return out;
    }
    if (c.r.method == "GET" && s.at(i).unserialisable) {
        return internal_error();
    }
    json j = k.item(s, i, c.prefer.immutable);
    keep_selected(j, selected(c.r));
    out = json_response(status, dump(j));
    tell_preferences(c.prefer, false, out);
    return out;
}

response answer_list(const outlook_call& c, const std::string& context, const std::vector<json>& all) {
    auto page = page_of(c.r, c.prefer, 10, static_cast<std::size_t>(c.w.exchange.page_max));
    json body = {{"@odata.context", c.r.origin() + "/v1.0/$metadata#" + context}, {"value", json::array()}};
    const std::size_t end = std::min(all.size(), page.skip + page.top);
    for (std::size_t i = page.skip; i < end; ++i) {
        json j = all[i];
        keep_selected(j, selected(c.r));
        body["value"].push_back(std::move(j));
    }
    if (end < all.size()) {
        body["@odata.nextLink"] = next_link(c.r, end);
    }
    response out = json_response(200, dump(body));
    tell_preferences(c.prefer, true, out);
    return out;
}

response list_records(const outlook_call& c, const record_kind& k, const record_store& s, std::uint32_t f) {
    response out;
    if (!read_select(c, k, out)) {
        return out;
    }
    std::vector<json> all;
    const auto list = s.listing(f);
    const auto page = page_of(c.r, c.prefer, 10, static_cast<std::size_t>(c.w.exchange.page_max));
    for (std::size_t i = 0; i < list.size(); ++i) {
        const bool on_page = i >= page.skip && i < page.skip + page.top;
        if (on_page && s.at(list[i]).unserialisable && !is_light(selected(c.r))) {
            return internal_error();
        }
        all.push_back(k.item(s, list[i], c.prefer.immutable));
    }
    return answer_list(c, std::string("Collection(") + k.type + ")", all);
}

response serve_record_delta(
    const outlook_call& c, const record_kind& k, const record_store& s, std::uint32_t f
) {
    feed_token t;
    response out;
    const std::string id = s.folder_id(f);
    if (!begin_feed(c, k, s.number() + feed_mark + f, s.folder(f).generation, id, t, out)) {
        return out;
    }
    mutate_between_pages(c, id, t, "exchange/records/change");
    const feed_token before = t;
    if (t.upto == 0) {
        t.upto = std::max(s.seq(), 1U);
    }
    record_page page(c, k, s, f, t);
    const bool ended = page.fill();
    if (page.poisoned) {
        return internal_error();
    }
    return close_page(
        c, std::string(k.folders_path) + "('" + id + "')" + k.items_path + "/delta?",
        std::string("Collection(") + k.type + ")", std::move(page.body), before, t, ended, id
    );
}

response serve_record_folder_delta(const outlook_call& c, const record_kind& k, const record_store& s) {
    feed_token t;
    response out;
    if (!has_delta(c, out)) {
        return out;
    }
    const std::string id = s.folder_id(feed_mark - 1);
    bool opaque = false;
    if (!read_token(c, s.number() + feed_mark - 1, s.hierarchy_generation, t, opaque, out)) {
        return out;
    }
    if (!opaque) {
        mail_shape shape;
        shape.page = page_size(c);
        shape.folder_fields = selected(c.r);
        t.shape = shape_number(c.w.exchange, shape);
    }
    if (refused(c, id, opaque, t, out)) {
        return out;
    }
    const feed_token before = t;
    if (t.upto == 0) {
        t.upto = std::max(s.seq(), 1U);
    }
    const mail_shape& shape = c.w.exchange.shapes[t.shape];
    std::string value = R"("value":[)";
    std::size_t count = 0;
    for (; t.position < s.folders().size() && count < shape.page; ++t.position) {
        const auto f = static_cast<std::uint32_t>(t.position);
        const record_folder& it = s.folder(f);
        const bool nested = it.parent != nowhere && s.folder(it.parent).parent != nowhere;
        const bool standard = it.well_known == "contacts" && !c.w.exchange.feed_default_folder;
        const bool hidden = standard || (nested && c.w.exchange.hide_nested_folders);
        if (hidden || it.seq <= t.since || (it.deleted && t.since == 0)) {
            continue;
        }
        json j = k.folder(s, f);
        if (it.deleted) {
            j = {{"id", s.folder_id(f)}, {"@removed", {{"reason", "deleted"}}}};
        }
        keep_selected(j, shape.folder_fields);
        value += (count == 0 ? "" : ",") + dump(j);
        ++count;
    }
    const bool ended = t.position >= s.folders().size();
    return close_page(
        c, std::string(k.folders_path) + "/delta?", std::string("Collection(") + k.folder_type + ")",
        std::move(value), before, t, ended, id
    );
}

}  // namespace m365stage::sim
