// Reading mail: folders, lists of messages, single messages with their MIME and attachments.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "../world.hpp"
#include "attachments.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

response list_response(
    const outlook_call& c, const char* context, const std::string& value, std::size_t end, std::size_t total
) {
    std::string body = "{\"@odata.context\":\"" + c.r.origin() + "/v1.0/$metadata#" + context + "\"";
    if (iequals(c.r.parameter("$count"), "true")) {
        body += ",\"@odata.count\":" + std::to_string(total);
    }
    body += ",\"value\":[" + value + "]";
    if (end < total) {
        body += ",\"@odata.nextLink\":";
        append_json(body, next_link(c.r, end));
    }
    response out = json_response(200, body + "}");
    tell_preferences(c.prefer, true, out);
    return out;
}

response list_folders(const outlook_call& c, folder_index parent) {
    bool hidden = iequals(c.r.parameter("includeHiddenFolders"), "true");
    std::string filter = c.r.parameter("$filter");
    std::string name;
    if (!filter.empty()) {
        if (!filter.starts_with("displayName eq '") || !filter.ends_with("'")) {
            return bad_request("The filter clause is not supported.");
        }
        name = filter.substr(16, filter.size() - 17);
    }
    std::vector<folder_index> shown;
    for (folder_index f : c.box.children(parent)) {
        const mail_folder& it = c.box.folder(f);
        if ((hidden || !it.hidden) && (filter.empty() || iequals(it.name, name))) {
            shown.push_back(f);
        }
    }
    auto page = page_of(c.r, c.prefer, 10, static_cast<std::size_t>(c.w.exchange.page_max));
    std::size_t end = std::min(shown.size(), page.skip + page.top);
    std::string value;
    for (std::size_t i = std::min(page.skip, end); i < end; ++i) {
        value += value.empty() ? "" : ",";
        append_folder(value, c.box, shown[i], selected(c.r), c.w.exchange.null_parents);
    }
    return list_response(c, "mailFolders", value, end, shown.size());
}

/// A condition of a $filter on messages.
struct condition {
    std::string property;
    std::string operation;
    std::string value;
};

bool compares(std::int64_t have, const std::string& operation, std::int64_t want) {
    return (operation == "eq" && have == want) || (operation == "ne" && have != want) ||
           (operation == "ge" && have >= want) || (operation == "gt" && have > want) ||
           (operation == "le" && have <= want) || (operation == "lt" && have < want);
}

/// The conditions joined by "and"; nothing when the filter is none that is understood.
std::optional<std::vector<condition>> parse_filter(std::string text) {
    std::vector<condition> out;
    static const std::regex any(
        R"(^singleValueExtendedProperties/[Aa]ny\(ep:\s*ep/id eq '([^']*)' and ep/value eq '([^']*)'\)\s*)"
    );
    static const std::regex plain(R"(^(\w+) (eq|ne|ge|gt|le|lt) ('(?:[^']|'')*'|[^\s']+)\s*)");
    while (!text.empty()) {
        std::smatch m;
        if (std::regex_search(text, m, any)) {
            out.push_back({"ep:" + m[1].str(), "eq", m[2].str()});
        } else if (std::regex_search(text, m, plain)) {
            std::string value = m[3].str();
            if (value.starts_with('\'')) {
                value = value.substr(1, value.size() - 2);
                for (auto at = value.find("''"); at != value.npos; at = value.find("''", at + 1)) {
                    value.erase(at, 1);
                }
            }
            out.push_back({m[1].str(), m[2].str(), value});
        } else {
            return std::nullopt;
        }
        text = m.suffix().str();
        if (text.starts_with("and ")) {
            text.erase(0, 4);
        } else if (!text.empty()) {
            return std::nullopt;
        }
    }
    return out;
}

/// Whether the message fits; nothing when the property cannot be filtered by.
std::optional<bool> fits(const mailbox& b, message_index m, const condition& c) {
    const message& it = b.at(m);
    bool yes = c.value == "true";
    if (c.property.starts_with("ep:")) {
        return extended_value(b, m, c.property.substr(3)) == c.value;
    }
    if (c.property == "receivedDateTime" || c.property == "lastModifiedDateTime" ||
        c.property == "sentDateTime") {
        auto when = parse_iso_time(c.value);
        std::int64_t have = c.property == "receivedDateTime" ? it.received
                            : c.property == "sentDateTime"   ? compose(b, m, 0).sent
                                                             : it.modified;
        return when ? std::optional(compares(have, c.operation, *when)) : std::nullopt;
    }
    if (c.property == "isRead" || c.property == "isDraft") {
        return (it.has(c.property == "isRead" ? message_read : message_draft) == yes) ==
               (c.operation == "eq");
    }
    if (c.property == "hasAttachments") {
        return (compose(b, m, compose_attachments).has_attachments() == yes) == (c.operation == "eq");
    }
    if (c.property == "internetMessageId" || c.property == "subject") {
        mail_view v = compose(b, m, 0);
        return ((c.property == "subject" ? v.subject : v.internet_id) == c.value) == (c.operation == "eq");
    }
    return std::nullopt;
}

/// Applies $filter and $orderby. False: `out` is the answer.
bool narrow(const outlook_call& c, std::vector<message_index>& list, response& out) {
    std::string filter = c.r.parameter("$filter");
    if (!filter.empty()) {
        auto conditions = parse_filter(filter);
        bool good = conditions.has_value();
        std::vector<message_index> kept;
        for (message_index m : list) {
            bool all = good;
            for (std::size_t i = 0; all && i < conditions->size(); ++i) {
                auto fit = fits(c.box, m, (*conditions)[i]);
                good = good && fit.has_value();
                all = fit.value_or(false);
            }
            if (all) {
                kept.push_back(m);
            }
        }
        if (!good) {
            out = bad_request("The filter clause is not supported: " + filter);
            return false;
        }
        list = std::move(kept);
    }
    std::string order = c.r.parameter("$orderby");
    if (order == "receivedDateTime" || order == "receivedDateTime asc") {
        std::reverse(list.begin(), list.end());
    } else if (!order.empty() && order != "receivedDateTime desc") {
        out = bad_request("The orderby clause is not supported: " + order);
        return false;
    }
    return true;
}

/// Reads $select and $expand. False: `out` is the answer.
bool read_style(const outlook_call& c, message_style& s, response& out) {
    s.immutable = c.prefer.immutable;
    s.text_body = c.prefer.text_body;
    if (!read_message_fields(c.r, s.fields, out)) {
        return false;
    }
    std::string expand = c.r.parameter("$expand");
    s.expand_attachments = expand.find("attachments") != expand.npos;
    static const std::regex id("id eq '([^']+)'");
    for (std::sregex_iterator at(expand.begin(), expand.end(), id), end; at != end; ++at) {
        s.extended.push_back((*at)[1].str());
    }
    return true;
}

response list_messages(const outlook_call& c, folder_index f) {
    message_style style;
    response out;
    if (!read_style(c, style, out)) {
        return out;
    }
    if (!style.extended.empty() && !c.w.exchange.list_extended) {
        return bad_request("The expand clause is not supported for lists of messages.");
    }
    std::vector<message_index> list;
    if (f != nowhere) {
        list = c.box.listing(f);
    } else {
        for (message_index m = 0; m < c.box.messages().size(); ++m) {
            const message& it = c.box.at(m);
            if (!it.has(message_deleted) && c.box.is_below(it.folder, folder_root)) {
                list.push_back(m);
            }
        }
        std::sort(list.begin(), list.end(), [&](message_index a, message_index b) {
            auto x = c.box.at(a).received;
            auto y = c.box.at(b).received;
            return x > y || (x == y && a < b);
        });
    }
    if (!narrow(c, list, out)) {
        return out;
    }
    auto page = page_of(c.r, c.prefer, 10, static_cast<std::size_t>(c.w.exchange.page_max));
    std::size_t end = std::min(list.size(), page.skip + page.top);
    std::string value;
    for (std::size_t i = std::min(page.skip, end); i < end; ++i) {
        const message_extra* e = c.box.extra(list[i]);
        if (e != nullptr && e->wrong == trouble::unserialisable && !only_light(style.fields)) {
            return internal_error();
        }
        value += value.empty() ? "" : ",";
        append_message(value, c.box, list[i], style);
    }
    return list_response(c, "messages", value, end, list.size());
}

/// What goes wrong with reading this message, if anything.
bool troubled(const outlook_call& c, message_index m, bool mime, response& out) {
    const message_extra* e = c.box.extra(m);
    trouble wrong = e == nullptr ? trouble::none : e->wrong;
    std::string folder = c.box.folder_id(c.box.at(m).folder);
    std::string id = c.box.message_id(m, true);
    feed_context f{&c.r, folder, id};
    if (!c.w.faults.empty()) {
        if (mime && c.w.faults.take("mutate_before_download", f) != nullptr) {
            c.box.purge_message(m);
            out = not_found_in_store();
            return true;
        }
        if (c.w.faults.take("item_not_found", f) != nullptr) {
            out = not_found_in_store();
            return true;
        }
    }
    if (mime && wrong == trouble::no_mime) {
        out = graph_error(
            500, "ErrorMimeContentConversionFailed", "MIME content conversion failed for this item."
        );
        return true;
    }
    return is_refused(wrong, out);
}

response bytes_response(content c, std::string type, bool chunked) {
    response out;
    out.content_type = std::move(type);
    out.file_length = c.size;
    out.chunked = chunked;
    out.file = std::make_shared<content_reader>(std::move(c));
    return out;
}

response get_mime(const outlook_call& c, message_index m) {
    response out;
    if (troubled(c, m, true, out)) {
        return out;
    }
    content mime = mime_of(c.box, m);
    ++c.w.downloads[c.box.message_id(m, true)];
    c.w.manners.count("bytes_mime", mime.size);
    out = bytes_response(std::move(mime), "message/rfc822", c.w.exchange.chunked_mime);
    tell_preferences(c.prefer, false, out);
    return out;
}

response get_message(const outlook_call& c, message_index m) {
    message_style style;
    response out;
    if (!read_style(c, style, out) || troubled(c, m, false, out)) {
        return out;
    }
    std::string one;
    append_message(one, c.box, m, style);
    out = json_response(
        200, "{\"@odata.context\":\"" + c.r.origin() + "/v1.0/$metadata#messages/$entity\"," + one.substr(1)
    );
    out.set("ETag", "W/\"" + change_key(c.box, m) + "\"");
    tell_preferences(c.prefer, false, out);
    return out;
}

response list_attachments(const outlook_call& c, message_index m, const std::vector<attachment>& all) {
    auto names = selected(c.r);
    auto wants = [&](const char* name) {
        return !names || std::any_of(names->begin(), names->end(), [&](const std::string& n) {
            return iequals(n, name);
        });
    };
    bool bytes = wants("contentBytes");
    bool items = lower(c.r.parameter("$expand")).find("itemattachment/item") != std::string::npos;
    std::string value;
    for (const auto& a : all) {
        if (a.broken && bytes) {
            return cannot_open();
        }
        std::string one;
        append_attachment(one, c.box, m, a, c.prefer.immutable, bytes, items);
        if (names) {
            json j = json::parse(one);
            keep_selected(j, names);
            one = dump(j);
        }
        value += (value.empty() ? "" : ",") + one;
    }
    // Paging of attachments does not work in the service: all come at once.
    return list_response(c, "attachments", value, all.size(), all.size());
}

response serve_attachments(const outlook_call& c, message_index m, std::size_t at) {
    auto all = compose(c.box, m, compose_attachments).attachments;
    if (c.rest.size() == at) {
        return list_attachments(c, m, all);
    }
    auto id = decode_id(c.box.guid, c.rest[at]);
    auto found = std::find_if(all.begin(), all.end(), [&](const attachment& a) {
        return id && id->kind == id_kind::attachment && id->number == m && id->part == a.number;
    });
    if (found == all.end()) {
        return no_such_item(c.rest[at]);
    }
    if (found->broken) {
        return cannot_open();
    }
    if (c.rest.size() == at + 1) {
        std::string one;
        bool items = lower(c.r.parameter("$expand")).find("itemattachment/item") != std::string::npos;
        append_attachment(one, c.box, m, *found, c.prefer.immutable, true, items);
        response out = json_response(200, one);
        tell_preferences(c.prefer, false, out);
        return out;
    }
    if (c.rest[at + 1] != "$value") {
        return unknown_segment(c.rest[at + 1]);
    }
    if (found->kind == attachment_kind::reference) {
        return graph_error(405, "ErrorInvalidRequest", "Reference attachments have no content.");
    }
    c.w.manners.count("attachment_value");
    if (found->kind == attachment_kind::item) {
        response out;
        out.content_type = "message/rfc822";
        out.body = mime_of_item(*found->item);
        return out;
    }
    return bytes_response(found->data, found->content_type, c.w.exchange.chunked_mime);
}

}  // namespace

response serve_messages(const outlook_call& c, folder_index f, std::size_t at) {
    const auto& s = c.rest;
    if (c.r.method != "GET") {
        return write_messages(c, f, at);
    }
    if (s.size() == at) {
        return list_messages(c, f);
    }
    if (s[at] == "delta") {
        return f == nowhere ? graph_error(
                                  400, "ErrorInvalidRequest",
                                  "Change tracking is not supported against 'microsoft.graph.message'."
                              )
                            : serve_message_delta(c, f);
    }
    if (s[at] == "$count") {
        response out;
        out.content_type = "text/plain";
        out.body = std::to_string(f == nowhere ? c.box.live_count() : c.box.listing(f).size());
        return out;
    }
    message_index m = c.box.find_message(s[at]);
    if (m == nowhere || (f != nowhere && c.box.at(m).folder != f && !c.box.folder(f).search)) {
        return no_such_item(s[at]);
    }
    if (s.size() == at + 1) {
        return get_message(c, m);
    }
    if (s[at + 1] == "$value") {
        return get_mime(c, m);
    }
    if (s[at + 1] == "attachments") {
        return serve_attachments(c, m, at + 2);
    }
    return unknown_segment(s[at + 1]);
}

response serve_mail_folders(const outlook_call& c) {
    const auto& s = c.rest;
    if (s.size() == 1) {
        return c.r.method == "GET" ? list_folders(c, folder_root) : write_folders(c, folder_root, 1);
    }
    if (s[1] == "delta") {
        return serve_folder_delta(c);
    }
    folder_index f = c.box.find_folder(s[1]);
    std::size_t at = 2;
    // .../childFolders/{id} leads to the child itself.
    while (f != nowhere && at + 1 < s.size() && s[at] == "childFolders") {
        f = c.box.find_folder(s[at + 1]);
        at += 2;
    }
    if (f == nowhere) {
        // A well-known name that this mailbox does not have is not found either.
        return s[at - 1].size() < 40 && s[at - 1].find('=') == std::string::npos ? not_found_in_store()
                                                                                 : no_such_item(s[at - 1]);
    }
    if (at < s.size() && s[at] == "messages") {
        return serve_messages(c, f, at + 1);
    }
    if (c.r.method != "GET") {
        return write_folders(c, f, at);
    }
    if (at == s.size()) {
        std::string one;
        append_folder(one, c.box, f, selected(c.r), c.w.exchange.null_parents);
        return json_response(200, one);
    }
    if (s[at] == "childFolders") {
        return list_folders(c, f);
    }
    return unknown_segment(s[at]);
}

}  // namespace m365stage::sim
