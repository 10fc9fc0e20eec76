// The admin API of Exchange, below /_sim/exchange. README.md describes it.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "../seed.hpp"
#include "calendar_api.hpp"
#include "changes.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

json exchange_json(const world& w) {
    json boxes = json::array();
    for (const auto& b : w.exchange.mailboxes) {
        if (b->removed) {
            continue;
        }
        std::size_t folders = 0, recoverable = 0;
        for (folder_index f = 0; f < b->folders().size(); ++f) {
            const auto& it = b->folder(f);
            folders += it.deleted ? 0 : 1;
            recoverable += it.deleted || b->is_below(f, folder_root) ? 0 : it.total;
        }
        boxes.push_back(
            {{"owner_id", b->owner_id},
             {"owner_kind", b->owner_kind},
             {"address", b->address},
             {"purpose", b->purpose},
             {"locale", b->locale},
             {"messages", b->live_count()},
             {"recoverable", recoverable},
             {"folders", folders},
             {"over_quota", b->over_quota},
             {"seq", b->seq()}}
        );
    }
    return {
        {"mailboxes", boxes},
        {"mails_sent", w.exchange.mails_sent},
        {"invitations_sent", w.exchange.invitations_sent},
        {"now", w.now()}
    };
}

response settings(world& w, const json& b) {
    exchange_state& x = w.exchange;
    x.latency_ms = b.value("latency_ms", x.latency_ms);
    x.page_max = b.value("page_max", x.page_max);
    x.sparse_updates = b.value("sparse_updates", x.sparse_updates);
    x.edit_received = b.value("edit_received", x.edit_received);
    x.chunked_mime = b.value("chunked_mime", x.chunked_mime);
    x.attachments_at_creation = b.value("attachments_at_creation", x.attachments_at_creation);
    x.list_extended = b.value("list_extended", x.list_extended);
    x.strict_cancelled = b.value("strict_cancelled", x.strict_cancelled);
    x.no_record_delta = b.value("no_record_delta", x.no_record_delta);
    x.hide_nested_folders = b.value("hide_nested_folders", x.hide_nested_folders);
    x.feed_default_folder = b.value("feed_default_folder", x.feed_default_folder);
    x.hide_nested_mail = b.value("hide_nested_mail", x.hide_nested_mail);
    x.sparse_folders = b.value("sparse_folders", x.sparse_folders);
    x.null_parents = b.value("null_parents", x.null_parents);
    return admin_answer(
        {{"latency_ms", x.latency_ms},
         {"page_max", x.page_max},
         {"sparse_updates", x.sparse_updates},
         {"edit_received", x.edit_received},
         {"strict_cancelled", x.strict_cancelled},
         {"chunked_mime", x.chunked_mime},
         {"attachments_at_creation", x.attachments_at_creation},
         {"list_extended", x.list_extended},
         {"no_record_delta", x.no_record_delta},
         {"hide_nested_folders", x.hide_nested_folders},
         {"feed_default_folder", x.feed_default_folder},
         {"hide_nested_mail", x.hide_nested_mail},
         {"sparse_folders", x.sparse_folders},
         {"null_parents", x.null_parents}}
    );
}

response bulk(world& w, const json& b) {
    mailbox& box = named_mailbox(w, b);
    folder_index f = named_folder(box, b.value("folder", "inbox"));
    auto count = b.value("messages", std::int64_t{1000});
    rng r(b.value("seed", std::uint64_t{1}));
    std::int64_t when = w.now() - count * 60;
    box.reserve(box.messages().size() + static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) {
        box.add_message(
            seeded_message(box, r, f, when + i * 60, b.value("message_size", w.options.message_size))
        );
    }
    return admin_answer(
        {{"mailbox", box.owner_id}, {"folder", box.folder_id(f)}, {"messages", box.live_count()}}
    );
}

response expected(
    world& w, const request& r, void (*write)(world&, const std::string&, bool, const std::string&)
) {
    std::string path = w.content_path();
    write(w, r.parameter("mailbox", "all"), r.parameter("hashes", "1") != "0", path);
    return admin_lines(path);
}

}  // namespace

response serve_exchange_admin(world& w, const request& r, const std::vector<std::string>& s) {
    std::string what = s.size() > 2 ? s[2] : "";
    if (what.empty() || what == "tenant") {
        return admin_answer(exchange_json(w));
    }
    if (what == "settings") {
        return settings(w, admin_body(r));
    }
    if (what == "limits") {
        if (r.method == "POST") {
            std::string error = w.exchange.limits.configure(admin_body(r));
            if (!error.empty()) {
                throw std::runtime_error(error);
            }
        }
        return admin_answer(w.exchange.limits.report());
    }
    if (what == "records") {
        return serve_record_admin(w, r, s);
    }
    if (what == "bulk") {
        return bulk(w, admin_body(r));
    }
    if (what == "op") {
        return admin_answer(precise_mail_change(w, admin_body(r)));
    }
    if (what == "change") {
        return admin_answer({{"changes", random_mail_changes(w, admin_body(r))}});
    }
    if (what == "expected") {
        return expected(w, r, &write_expected_mail);
    }
    if (what == "calendar") {
        std::string which = s.size() > 3 ? s[3] : "";
        if (which == "op") {
            return admin_answer(precise_calendar_change(w, admin_body(r)));
        }
        if (which == "change") {
            return admin_answer({{"changes", random_calendar_changes(w, admin_body(r))}});
        }
        if (which == "expected") {
            return expected(w, r, &write_expected_calendars);
        }
    }
    throw std::runtime_error("there is no /_sim/exchange/" + what);
}

}  // namespace m365stage::sim
