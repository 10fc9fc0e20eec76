// Mailboxes with realistic contents, from a seed; and the oddities of the first one.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "../world.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

struct known_folder {
    const char* well_known;
    const char* english;
    const char* german;
    bool hidden;
};

constexpr known_folder visible_folders[] = {
    {"inbox", "Inbox", "Posteingang", false},
    {"drafts", "Drafts", "Entwürfe", false},
    {"sentitems", "Sent Items", "Gesendete Elemente", false},
    {"deleteditems", "Deleted Items", "Gelöschte Elemente", false},
    {"junkemail", "Junk Email", "Junk-E-Mail", false},
    {"archive", "Archive", "Archiv", false},
    {"outbox", "Outbox", "Postausgang", false},
    {"conversationhistory", "Conversation History", "Aufgezeichnete Unterhaltungen", false},
    {"syncissues", "Sync Issues", "Synchronisierungsprobleme", true},
    {"", "Conversation Action Settings", "Einstellungen für QuickSteps", true},
};

constexpr known_folder sync_folders[] = {
    {"conflicts", "Conflicts", "Konflikte", true},
    {"localfailures", "Local Failures", "Lokale Fehler", true},
    {"serverfailures", "Server Failures", "Serverfehler", true},
};

constexpr const char* folder_names[] = {"Projects",   "Rechnungen 2026",     "Familie",
                                        "客戶",       "Archive 2024",        "Travel",
                                        "Newsletter", "Verträge & Angebote", "Team",
                                        "Urlaub"};

void add_known_folders(mailbox& b) {
    bool german = b.locale == "de-DE";
    auto add = [&](folder_index parent, const known_folder& k) {
        return b.add_folder(parent, german ? k.german : k.english, k.well_known, k.hidden);
    };
    for (const auto& k : visible_folders) {
        folder_index f = add(folder_root, k);
        if (std::string_view(k.well_known) == "syncissues") {
            for (const auto& below : sync_folders) {
                add(f, below);
            }
        }
    }
    b.add_folder(store_root, "Finder", "searchfolders", true);
    folder_index recoverable = b.add_folder(store_root, "Recoverable Items", "", true);
    b.add_folder(recoverable, "Deletions", "recoverableitemsdeletions", true);
    b.add_folder(recoverable, "Purges", "", true);
    b.add_folder(recoverable, "Versions", "", true);
}

std::uint32_t message_size_for(rng& r, std::int64_t average) {
    auto a = static_cast<std::uint64_t>(std::max<std::int64_t>(average, 400));
    std::uint64_t dice = r.below(100);
    std::uint64_t size = dice < 70   ? a / 4 + r.below(a / 4)
                         : dice < 95 ? a + r.below(a)
                                     : 4 * a + r.below(4 * a);
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(size, 0x7fffffff));
}

/// The user's own folders, some of them below others.
std::vector<folder_index> add_own_folders(mailbox& b, rng& r, std::size_t count) {
    std::vector<folder_index> out;
    folder_index inbox = b.find_well_known("inbox");
    for (std::size_t i = 0; i < count; ++i) {
        std::uint64_t dice = r.below(3);
        folder_index parent = dice == 0 || out.empty() ? inbox
                              : dice == 1              ? folder_root
                                                       : out[r.below(out.size())];
        std::string name = folder_names[r.below(std::size(folder_names))];
        if (b.find_child(parent, name) != nowhere) {
            name += " " + std::to_string(i);
        }
        out.push_back(b.add_folder(parent, name));
    }
    return out;
}

}  // namespace

message seeded_message(
    const mailbox& b, rng& r, folder_index folder, std::int64_t when, std::int64_t average
) {
    message m;
    m.seed = r.next();
    m.received = m.modified = m.created = static_cast<std::uint32_t>(when);
    m.size = message_size_for(r, average);
    m.folder = folder;
    const std::string& known = b.folder(folder).well_known;
    m.flags = r.chance(0.7) || known == "sentitems" ? message_read : 0;
    if (known == "drafts" || known == "sentitems") {
        m.flags |= message_outgoing;
    }
    if (known == "drafts") {
        m.flags |= message_draft;
    }
    m.flag = r.chance(0.05) ? follow_up::flagged : r.chance(0.02) ? follow_up::complete : follow_up::none;
    return m;
}

namespace {

void fill_mailbox(const world& w, mailbox& b, std::int64_t messages, std::int64_t average) {
    rng r(b.seed);
    folder_index inbox = b.find_well_known("inbox");
    folder_index sent = b.find_well_known("sentitems");
    std::vector<folder_index> others =
        add_own_folders(b, r, static_cast<std::size_t>(std::clamp<std::int64_t>(messages / 20, 2, 30)));
    for (const char* name : {"drafts", "deleteditems", "junkemail", "archive", "recoverableitemsdeletions"}) {
        others.push_back(b.find_well_known(name));
    }
    b.reserve(static_cast<std::size_t>(messages));
    std::int64_t span = 700 * day_seconds;
    std::int64_t start = w.now() - span - day_seconds;
    for (std::int64_t i = 0; i < messages; ++i) {
        std::uint64_t dice = r.below(100);
        folder_index f = dice < 55 ? inbox : dice < 70 ? sent : others[r.below(others.size())];
        b.add_message(seeded_message(b, r, f, start + span / std::max<std::int64_t>(messages, 1) * i, average)
        );
    }
}

/// A message that is what `set` says (in Graph's form) and nothing else.
message_index add_written(mailbox& b, folder_index f, std::int64_t when, json set) {
    message m;
    m.seed = hash_of(set.dump(), b.seed);
    m.received = m.modified = m.created = static_cast<std::uint32_t>(when);
    m.folder = f;
    m.flags = message_own | message_read;
    message_index i = b.add_message(m);
    b.make_extra(i).set = std::make_shared<json>(std::move(set));
    return i;
}

attachment file_of(const char* name, const char* type, std::int64_t size, std::uint64_t seed) {
    attachment a;
    a.name = name;
    a.content_type = type;
    a.data.size = size;
    a.data.seed = seed;
    a.number = 1;
    return a;
}

json said(const char* type, const std::string& text) {
    return {{"contentType", type}, {"content", text}};
}

/// Odd messages that a real mailbox may hold.
void add_odd_messages(const world& w, mailbox& b, folder_index f) {
    std::int64_t when = w.now() - 40 * day_seconds;
    json from = {{"emailAddress", {{"name", "Olga Ito"}, {"address", "olga.ito@fabrikam.example"}}}};
    add_written(b, f, when, {{"subject", ""}, {"from", from}, {"body", said("text", "No subject.")}});
    add_written(
        b, f, when + 60, {{"subject", "no sender"}, {"from", nullptr}, {"body", said("html", "<p>x</p>")}}
    );
    add_written(b, f, when + 120, {{"subject", "empty"}, {"from", from}});
    add_written(
        b, f, when + 180,
        {{"subject", "control \x01 characters"},
         {"from", from},
         {"body", said("text", "bell \x07 and \x1b escape")}}
    );
    std::string wide;
    for (int i = 0; i < 240; ++i) {
        wide += "長い";
    }
    add_written(
        b, f, when + 240, {{"subject", wide + "/../\"<>|?*"}, {"from", from}, {"body", said("text", "long")}}
    );
    add_written(b, f, 0, {{"subject", "older than time"}, {"from", from}, {"body", said("text", "1970")}});
    json many = json::array();
    for (int i = 0; i < 300; ++i) {
        mail_address p = person(mix(static_cast<std::uint64_t>(i)));
        many.push_back({{"emailAddress", {{"name", p.name}, {"address", std::to_string(i) + p.address}}}});
    }
    add_written(
        b, f, when + 300,
        {{"subject", "to all"}, {"from", from}, {"toRecipients", many}, {"body", said("text", "all")}}
    );
    message_index picture = add_written(
        b, f, when + 360,
        {{"subject", "only a picture"},
         {"from", from},
         {"body", said("html", "<html><body><img src=\"cid:logo@1\"></body></html>")}}
    );
    attachment logo = file_of("logo.png", "image/png", 700, 5);
    logo.is_inline = true;
    logo.content_id = "logo@1";
    b.make_extra(picture).attachments.push_back(logo);
    message_index broken =
        add_written(b, f, when + 420, {{"subject", "unreadable attachment"}, {"from", from}});
    b.make_extra(broken).attachments.push_back(file_of("ole.bin", "application/octet-stream", 100, 6));
    b.make_extra(broken).attachments.back().broken = true;
    message_index large = add_written(
        b, f, when + 480, {{"subject", "large"}, {"from", from}, {"body", said("text", "see attached")}}
    );
    b.make_extra(large).attachments.push_back(file_of("video.mp4", "video/mp4", 5000000, 7));
    message_index empty = add_written(b, f, when + 540, {{"subject", "empty attachment"}, {"from", from}});
    b.make_extra(empty).attachments.push_back(file_of("empty.txt", "text/plain", 0, 8));
}

/// Folders with names that a file system does not like, deep ones, twins, and a search folder.
void add_mail_zoo(const world& w, mailbox& b) {
    folder_index zoo = b.add_folder(folder_root, "zoo");
    rng r(b.seed ^ 0x200);
    std::int64_t when = w.now() - 50 * day_seconds;
    auto put = [&](folder_index f) { b.add_message(seeded_message(b, r, f, when += 600, 2000)); };
    for (const char* name :
         {"with/slash", "..", ".m365", "CON", "trailing dot.", "NFC é", "NFD e\xcc\x81", "line\tand tab"}) {
        put(b.add_folder(zoo, name));
    }
    std::string wide;
    for (int i = 0; i < 300; ++i) {
        wide += i % 10 == 0 ? "é" : "x";
    }
    put(b.add_folder(zoo, wide));
    put(b.add_folder(zoo, "Twins"));
    put(b.add_folder(zoo, "Twins"));
    b.add_folder(zoo, "Empty");
    folder_index deep = zoo;
    for (int i = 0; i < 50; ++i) {
        deep = b.add_folder(deep, "level " + std::to_string(i));
    }
    put(deep);
    folder_index search = b.add_folder(folder_root, "Unread mail");
    b.folder(search).search = true;
    b.folder(search).source = b.find_well_known("inbox");
    add_odd_messages(w, b, b.add_folder(zoo, "odd messages"));
}

}  // namespace

mailbox& add_mailbox(
    world& w, const std::string& owner_id, const std::string& kind, const std::string& address,
    const std::string& name
) {
    auto& all = w.exchange.mailboxes;
    auto number = static_cast<std::uint32_t>(all.size());
    std::uint64_t seed = hash_of(owner_id, w.options.seed);
    all.push_back(std::make_unique<mailbox>(number, guid_of(mix(seed), mix(seed + 1)), seed));
    mailbox& b = *all.back();
    b.owner_id = owner_id;
    b.owner_kind = kind;
    b.address = address;
    b.display_name = name;
    w.exchange.by_name[lower(owner_id)] = number;
    w.exchange.by_name[lower(address)] = number;
    b.locale = number % 3 == 1 ? "de-DE" : "en-US";
    add_known_folders(b);
    return b;
}

mailbox& mailbox_of(world& w, const user& u) {
    mailbox* b = w.exchange.find(u.id);
    return b != nullptr ? *b : add_mailbox(w, u.id, "user", u.upn, u.display_name);
}

mailbox& mailbox_of(world& w, const group& g) {
    mailbox* b = w.exchange.find(g.id);
    return b != nullptr
               ? *b
               : add_mailbox(w, g.id, "group", g.nickname + "@" + w.directory.domain, g.display_name);
}

mailbox& add_seeded_mailbox(world& w, const user& u, const std::string& purpose) {
    mailbox& b = mailbox_of(w, u);
    b.purpose = purpose;
    fill_mailbox(w, b, w.options.messages_per_mailbox, w.options.message_size);
    seed_records(w, b, w.options.specials && b.number == 0);
    return b;
}

void seed_exchange(world& w) {
    tenant& t = w.directory;
    constexpr no_mailbox missing[] = {
        no_mailbox::not_enabled, no_mailbox::invalid_user, no_mailbox::not_discovered,
        no_mailbox::item_not_found
    };
    for (auto& u : t.users) {
        if (u.user_type == "Guest") {
            u.without_mailbox = no_mailbox::unlicensed;
        } else if (u.without != no_drive::has_one) {
            u.without_mailbox = missing[(static_cast<std::size_t>(u.without) - 1) % std::size(missing)];
        } else {
            add_seeded_mailbox(w, u, "user");
        }
    }
    for (int i = 0; i < w.options.shared_mailboxes; ++i) {
        bool room = i % 2 == 1;
        std::string name = (room ? "room" : "info") + std::to_string(i / 2 + 1);
        user& u = t.add_user(
            name, room ? "Room " + name : "Information " + name, no_drive::mysite_not_found, "Member"
        );
        u.enabled = false;
        add_seeded_mailbox(w, u, room ? "room" : "shared");
    }
    for (const auto& g : t.groups) {
        mailbox_of(w, g);
    }
    if (w.options.specials && w.options.users > 0 && !w.exchange.mailboxes.empty()) {
        add_mail_zoo(w, *w.exchange.mailboxes.front());
    }
}

}  // namespace m365stage::sim
