// The ways into a mailbox: which paths lead there, who has none, and what every answer of Outlook has in
// common.
#include "exchange.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "../world.hpp"
#include "calendar_api.hpp"

namespace m365stage::sim {

namespace {

constexpr std::string_view segments[] = {"mailFolders", "messages",     "mailboxSettings", "calendar",
                                         "calendars",   "calendarView", "calendarGroups",  "events",
                                         "contacts",    "outlook",      "contactFolders",  "todo"};

/// Clients keep to one form of id: a mixture finds the same message under two names (Q70).
void watch_id_type(world& w, const request& r, const preferences& p) {
    int now = p.immutable ? 1 : 2;
    int& seen = w.exchange.id_type_seen;
    if (seen == 0) {
        seen = now;
    } else if (seen != now) {
        w.manners.violation("id_type_mixed", r, "this request prefers another form of id than those before");
    }
}

bool names_items(const std::vector<std::string>& rest) {
    return std::any_of(rest.begin(), rest.end(), [](const std::string& s) {
        return s == "messages" || s == "events" || s == "contacts" || s == "calendarView" || s == "instances";
    });
}

}  // namespace

mailbox* exchange_state::find(std::string_view name) {
    auto at = by_name.find(lower(name));
    return at == by_name.end() || mailboxes[at->second]->removed ? nullptr : mailboxes[at->second].get();
}

bool is_outlook_segment(std::string_view segment) {
    segment = segment.substr(0, segment.find('('));
    return std::find(std::begin(segments), std::end(segments), segment) != std::end(segments);
}

bool outlook_path(std::string_view path, std::string& name) {
    auto parts = split(path, '/');
    if (parts.size() < 4 || parts[0] != "v1.0") {
        return false;
    }
    // users('x') is one segment, users/x are two.
    std::size_t at =
        parts[1].starts_with("users('") || parts[1].starts_with("groups('") || parts[1] == "me" ? 2 : 3;
    bool owner = parts[1].starts_with("users") || parts[1].starts_with("groups") || parts[1] == "me";
    if (!owner || parts.size() <= at || !is_outlook_segment(parts[at])) {
        return false;
    }
    std::string key = at == 3 ? parts[2] : parts[1].substr(std::min(parts[1].find('(') + 2, parts[1].size()));
    name = lower(url_decode(key.substr(0, key.find('\''))));
    return true;
}

response no_mailbox_answer(no_mailbox why, const std::string& segment) {
    switch (why) {
        case no_mailbox::invalid_user:
            return graph_error(404, "ErrorInvalidUser", "The requested user is invalid.");
        case no_mailbox::not_discovered:
            return graph_error(404, "ResourceNotFound", "Resource could not be discovered.");
        case no_mailbox::item_not_found:
            if (segment == "mailFolders" || segment == "messages") {
                return graph_error(
                    404, "ErrorItemNotFound",
                    "The specified object was not found in the store., Default folder Inbox not found."
                );
            }
            return graph_error(
                404, "MailboxNotEnabledForRESTAPI", "REST API is not yet supported for this mailbox."
            );
        case no_mailbox::unlicensed:
            return graph_error(401, "AuthenticationError", "Error authenticating with resource");
        default:
            return graph_error(
                404, "MailboxNotEnabledForRESTAPI",
                "The mailbox is either inactive, soft-deleted, or is hosted on-premise."
            );
    }
}

response serve_outlook(world& w, const request& r, mailbox& b, std::vector<std::string> rest) {
    outlook_call c{w, r, b, std::move(rest), preferences_of(r)};
    if (names_items(c.rest)) {
        watch_id_type(w, r, c.prefer);
    }
    if (c.rest[0] == "mailFolders") {
        const bool rules = c.rest.size() > 2 && c.rest[2] == "messageRules";
        return rules ? serve_message_rules(c) : serve_mail_folders(c);
    }
    if (c.rest[0] == "messages") {
        return serve_messages(c, nowhere, 1);
    }
    if (c.rest[0] == "mailboxSettings") {
        return serve_mailbox_settings(c);
    }
    if (c.rest[0].starts_with("calendar") || c.rest[0] == "events") {
        return serve_calendars(c);
    }
    if (c.rest[0] == "outlook") {
        return serve_categories(c);
    }
    if (c.rest[0] == "contacts" || c.rest[0] == "contactFolders") {
        return serve_contacts(c);
    }
    if (c.rest[0] == "todo") {
        return serve_todo(c);
    }
    return unknown_segment(c.rest[0]);
}

}  // namespace m365stage::sim
