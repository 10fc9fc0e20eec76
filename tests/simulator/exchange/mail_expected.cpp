// What a faithful copy of the mailboxes holds, one JSON line per live folder and message.
#include <fstream>
#include <nlohmann/json.hpp>

#include "changes.hpp"

namespace m365stage::sim {

using nlohmann::json;

json owner_of(const mailbox& b) {
    return {{"kind", b.owner_kind}, {"id", b.owner_id}, {"address", b.address}, {"purpose", b.purpose}};
}

namespace {

json folder_line(const mailbox& b, folder_index f) {
    const mail_folder& it = b.folder(f);
    return {
        {"type", "mail_folder"},
        {"mailbox", owner_of(b)},
        {"id", b.folder_id(f)},
        {"parent_id", b.folder_id(it.parent)},
        {"name", it.name},
        {"path", b.path_of(f)},
        {"well_known", it.well_known},
        {"hidden", it.hidden},
        {"search", it.search},
        {"recoverable", !b.is_below(f, folder_root)},
        {"messages", it.total},
        {"unread", it.unread}
    };
}

json address_line(const mail_address& a) {
    return {{"name", a.name}, {"address", a.address}};
}

json addresses(const std::vector<mail_address>& list) {
    json out = json::array();
    for (const auto& a : list) {
        out.push_back(address_line(a));
    }
    return out;
}

json message_line(const mailbox& b, message_index m, bool hashes) {
    static const char* flags[] = {"notFlagged", "flagged", "complete"};
    static const char* troubles[] = {"", "corrupt", "invalid_recipients", "no_mime", "unserialisable"};
    const message& it = b.at(m);
    const message_extra* e = b.extra(m);
    mail_view v = compose(b, m);
    json attached = json::array();
    for (const auto& a : v.attachments) {
        attached.push_back(attachment_line(a, hashes));
        if (a.kind == attachment_kind::item) {
            attached.back()["item"] = *a.item;
        }
    }
    json j = {
        {"type", "message"},
        {"mailbox", owner_of(b)},
        {"id", b.message_id(m, true)},
        {"mutable_id", b.message_id(m, false)},
        {"folder_id", b.folder_id(it.folder)},
        {"path", b.path_of(it.folder)},
        {"recoverable", !b.is_below(it.folder, folder_root)},
        {"change_key", change_key(b, m)},
        {"subject", v.subject},
        {"from", v.has_from ? address_line(v.from) : json()},
        {"to", addresses(v.to)},
        {"cc", addresses(v.cc)},
        {"bcc", addresses(v.bcc)},
        {"received", iso_time(it.received)},
        {"sent", iso_time(v.sent)},
        {"read", it.has(message_read)},
        {"draft", it.has(message_draft)},
        {"flag", flags[static_cast<int>(it.flag)]},
        {"categories", v.categories},
        {"importance", v.importance},
        {"internet_id", v.internet_id},
        {"body", v.body},
        {"body_type", v.body_is_text ? "text" : "html"},
        {"has_attachments", v.has_attachments()},
        {"attachments", attached},
        {"wrong", e == nullptr ? "" : troubles[static_cast<int>(e->wrong)]}
    };
    if (hashes) {
        content mime = mime_of(b, m);
        j["mime_size"] = mime.size;
        j["mime_sha256"] = sha256_of(mime);
    }
    return j;
}

}  // namespace

void write_expected_mail(world& w, const std::string& which, bool hashes, const std::string& path) {
    std::ofstream out(path, std::ios::binary);
    for (const mailbox* b : named_mailboxes(w, which)) {
        for (folder_index f = folder_root + 1; f < b->folders().size(); ++f) {
            if (!b->folder(f).deleted) {
                out << dump(folder_line(*b, f)) << '\n';
            }
        }
        for (message_index m = 0; m < b->messages().size(); ++m) {
            if (!b->at(m).has(message_deleted)) {
                out << dump(message_line(*b, m, hashes)) << '\n';
            }
        }
    }
}

}  // namespace m365stage::sim
