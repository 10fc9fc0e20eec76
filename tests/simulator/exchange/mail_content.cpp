#include "mail_content.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace m365stage::sim {

using nlohmann::json;

namespace {

constexpr const char* given_names[] = {"Ada",   "Béla",  "Chloé", "Dario", "Edda", "Femi",   "Greta", "Hugo",
                                       "Inès",  "Jonas", "Kaito", "Lena",  "Mira", "Nils",   "Olga",  "Pavel",
                                       "Quinn", "Rosa",  "Søren", "Tarek", "Uwe",  "Václav", "Wen",   "Zoë"};
constexpr const char* family_names[] = {"Adeyemi", "Brandt",  "Costa",   "Dvořák", "Eriksen", "Fischer",
                                        "García",  "Horváth", "Ito",     "Jansen", "Keller",  "Łukasik",
                                        "Müller",  "Nguyen",  "O'Brien", "Petrov"};
constexpr const char* hosts[] = {
    "fabrikam.example", "northwind.example", "tailspin.example", "contoso.example"
};
constexpr const char* topics[] = {"Budget 2027",        "Re: Offer 4711",   "Fwd: Rechnung",
                                  "Minutes of Tuesday", "WG: Übersicht",    "AW: Vertrag",
                                  "データ送付の件",     "Tài liệu dự án",   "Lunch?",
                                  "Release plan",       "Urlaub im August", "Réunion reportée",
                                  "Your order",         "Weekly report",    "Re: Re: Re: test",
                                  "Invitation",         "Status: green 🟢", "Password policy",
                                  "[EXT] Contract",     "Photos / fotos"};
constexpr const char* prose_words[] = {
    "please", "find", "attached", "the",    "report",  "für",   "nächste",  "Woche",  "we",     "agreed",
    "to",     "send", "contract", "before", "Friday",  "merci", "beaucoup", "budget", "of",     "around",
    "12,000", "€",    "and",      "kind",   "regards", "with",  "our",      "team",   "会議",   "は",
    "明日",   "です", "naïve",    "café",   "a",       "draft", "version",  "was",    "shared", "again"
};
constexpr const char* file_names[] = {"Offer.pdf",          "Übersicht.xlsx", "Minutes.docx", "photo.jpg",
                                      "data \"final\".csv", "契約書.pdf",     "archive.zip",  "notes.txt"};
constexpr const char* mime_types[] = {
    "application/pdf",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "image/jpeg",
    "text/csv",
    "application/pdf",
    "application/zip",
    "text/plain"
};

std::string ascii_of(std::string_view name) {
    std::string out;
    for (char c : name) {
        out += (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ? static_cast<char>(c | 32) : 'x';
    }
    return out;
}

/// Bytes of a message that are for attachments.
std::int64_t attached_bytes(const message& it) {
    return it.size > 12000 ? (static_cast<std::int64_t>(it.size) - 6000) * 57 / 78 : 0;
}

attachment file_attachment(rng& r, std::uint32_t number, std::int64_t size) {
    attachment a;
    std::size_t which = r.below(std::size(file_names));
    a.number = number;
    a.name = file_names[which];
    a.content_type = mime_types[which];
    a.data.seed = r.next();
    a.data.size = size;
    return a;
}

attachment picture(rng& r, std::uint32_t number) {
    attachment a;
    a.number = number;
    a.name = "image001.png";
    a.content_type = "image/png";
    a.content_id = "image001.png@01D" + hex64(r.next()).substr(0, 5) + "." + hex64(r.next()).substr(0, 8);
    a.is_inline = true;
    a.data.seed = r.next();
    a.data.size = static_cast<std::int64_t>(300 + r.below(2000));
    return a;
}

json recipient(const mail_address& a) {
    return {{"emailAddress", {{"name", a.name}, {"address", a.address}}}};
}

/// A message inside a message.
attachment nested_message(rng& r, std::uint32_t number, const message& it) {
    attachment a;
    a.kind = attachment_kind::item;
    a.number = number;
    std::string subject = topics[r.below(std::size(topics))];
    a.name = subject;
    a.content_type = "message/rfc822";
    mail_address from = person(r.next());
    mail_address to = person(r.next());
    a.item = std::make_shared<json>(json{
        {"@odata.type", "#microsoft.graph.message"},
        {"subject", subject},
        {"sentDateTime", iso_time(it.received - 4000)},
        {"receivedDateTime", iso_time(it.received - 3990)},
        {"internetMessageId", "<" + hex64(r.next()) + "@nested.example>"},
        {"body", {{"contentType", "text"}, {"content", prose(r, 200)}}},
        {"from", recipient(from)},
        {"toRecipients", json::array({recipient(to)})}
    });
    return a;
}

std::vector<attachment> seeded_attachments(const message& it) {
    rng r(it.seed ^ 0xa77ac4ULL);
    std::vector<attachment> out;
    std::uint32_t number = 0;
    std::int64_t left = attached_bytes(it);
    while (left > 0) {
        bool last = out.size() == 2 || r.chance(0.6);
        std::int64_t size = last ? left : std::max<std::int64_t>(1, left / 3);
        out.push_back(file_attachment(r, ++number, size));
        left -= size;
    }
    if (r.chance(0.1)) {
        out.push_back(picture(r, ++number));
    }
    if (r.chance(0.03)) {
        out.push_back(nested_message(r, ++number, it));
    }
    if (r.chance(0.02)) {
        attachment link;
        link.kind = attachment_kind::reference;
        link.number = ++number;
        link.name = "Shared plan.docx";
        out.push_back(std::move(link));
    }
    for (auto& a : out) {
        a.modified = it.received;
    }
    return out;
}

std::string html_of(const std::string& text, const std::vector<attachment>& attached) {
    std::string out =
        "<html><head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\">"
        "</head><body>\r\n<p>";
    for (char c : text) {
        out += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '\n' ? "</p>\r\n<p>" : std::string(1, c);
    }
    out += "</p>\r\n";
    for (const auto& a : attached) {
        if (a.is_inline) {
            out += "<img src=\"cid:" + a.content_id + "\">\r\n";
        }
    }
    return out + "</body></html>\r\n";
}

void generate_people(const message& it, const mailbox& b, mail_view& v) {
    rng r(it.seed ^ 0x9e091eULL);
    mail_address owner{b.display_name, b.address};
    bool outgoing = it.has(message_outgoing);
    mail_address other = person(r.next());
    v.from = outgoing ? owner : other;
    v.sender = v.from;
    v.to.push_back(outgoing ? other : owner);
    while (r.chance(0.3)) {
        v.to.push_back(person(r.next()));
    }
    while (r.chance(0.2)) {
        v.cc.push_back(person(r.next()));
    }
    if (outgoing && r.chance(0.1)) {
        v.bcc.push_back(person(r.next()));
    }
    if (!outgoing && r.chance(0.05)) {
        v.reply_to.push_back({"Help desk", "help@fabrikam.example"});
    }
}

void generate_rest(const message& it, unsigned parts, mail_view& v) {
    rng r(it.seed);
    v.subject = topics[r.below(std::size(topics))];
    if (r.chance(0.5)) {
        v.subject += " " + std::to_string(r.below(1000));
    }
    v.importance = r.chance(0.05) ? "high" : r.chance(0.02) ? "low" : "normal";
    v.internet_id = "<" + hex64(r.next()) + hex64(it.seed) + "@" + hosts[r.below(std::size(hosts))] + ">";
    v.sent = it.received - static_cast<std::int64_t>(r.below(120));
    v.conversation = mix(it.seed / 3);
    v.meeting = r.chance(0.03);
    if (r.chance(0.08)) {
        v.categories.emplace_back(r.chance(0.5) ? "Red category" : "Projekt Ö");
    }
    bool as_text = r.chance(0.2);
    if ((parts & (compose_attachments | compose_body)) != 0) {
        v.attachments = seeded_attachments(it);
    }
    if ((parts & compose_body) != 0) {
        rng text(it.seed ^ 0xb0d7ULL);
        std::size_t most = std::clamp<std::size_t>(it.size / 3, 40, 3000);
        std::string said = prose(text, most / 2 + text.below(most / 2));
        bool pictures = std::any_of(v.attachments.begin(), v.attachments.end(), [](const attachment& a) {
            return a.is_inline;
        });
        v.body_is_text = as_text && !pictures;
        v.body = v.body_is_text ? said : html_of(said, v.attachments);
    }
}

mail_address address_in(const json& j) {
    const json& e = j.contains("emailAddress") && j["emailAddress"].is_object() ? j["emailAddress"] : j;
    auto text = [&](const char* key) {
        return e.contains(key) && e[key].is_string() ? e[key].get<std::string>() : std::string();
    };
    mail_address a{text("name"), text("address")};
    a.name = a.name.empty() ? a.address : a.name;
    return a;
}

std::vector<mail_address> addresses_in(const json& j) {
    std::vector<mail_address> out;
    for (const auto& one : j.is_array() ? j : json::array()) {
        out.push_back(address_in(one));
    }
    return out;
}

/// Puts what was written (in Graph's form) over what the view has.
void apply_written(const json& set, mail_view& v) {
    auto text = [&](const char* key, std::string& into) {
        if (set.contains(key)) {
            into = set[key].is_string() ? set[key].get<std::string>() : "";
        }
    };
    auto people = [&](const char* key, std::vector<mail_address>& into) {
        if (set.contains(key)) {
            into = addresses_in(set[key]);
        }
    };
    text("subject", v.subject);
    text("importance", v.importance);
    text("internetMessageId", v.internet_id);
    people("toRecipients", v.to);
    people("ccRecipients", v.cc);
    people("bccRecipients", v.bcc);
    people("replyTo", v.reply_to);
    if (set.contains("from")) {
        v.has_from = set["from"].is_object();
        v.from = v.has_from ? address_in(set["from"]) : mail_address{};
        v.sender = v.from;
    }
    if (set.contains("sender") && set["sender"].is_object()) {
        v.sender = address_in(set["sender"]);
    }
    if (set.contains("categories") && set["categories"].is_array()) {
        v.categories = set["categories"].get<std::vector<std::string>>();
    }
    if (set.contains("body") && set["body"].is_object()) {
        v.body = set["body"].value("content", "");
        v.body_is_text = !iequals(set["body"].value("contentType", "text"), "html");
    }
    if (set.contains("sentDateTime") && set["sentDateTime"].is_string()) {
        v.sent = parse_iso_time(set["sentDateTime"].get<std::string>()).value_or(v.sent);
    }
}

}  // namespace

bool is_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

mail_address person(std::uint64_t seed) {
    std::string given = given_names[seed % std::size(given_names)];
    std::string family = family_names[seed / 64 % std::size(family_names)];
    return {
        given + " " + family,
        ascii_of(given) + "." + ascii_of(family) + "@" + hosts[seed / 4096 % std::size(hosts)]
    };
}

std::string sentence(rng& r) {
    std::string out;
    for (std::uint64_t n = 4 + r.below(9); n > 0; --n) {
        out += (out.empty() ? "" : " ") + std::string(prose_words[r.below(std::size(prose_words))]);
    }
    return out + ".";
}

std::string prose(rng& r, std::size_t bytes) {
    std::string out;
    while (out.size() < bytes) {
        out += sentence(r);
        out += r.chance(0.2) ? '\n' : ' ';
    }
    return out;
}

bool mail_view::has_attachments() const {
    return std::any_of(attachments.begin(), attachments.end(), [](const attachment& a) {
        return !a.is_inline;
    });
}

std::string mail_view::text() const {
    if (body_is_text) {
        return body;
    }
    std::string out;
    auto start = body.find("<body");
    bool tag = false;
    for (std::size_t i = start == body.npos ? 0 : start; i < body.size(); ++i) {
        char c = body[i];
        tag = c == '<' || (tag && c != '>');
        if (!tag && c != '>' && c != '\r') {
            out += c;
        }
    }
    auto first = out.find_first_not_of("\n ");
    return first == out.npos ? "" : out.substr(first);
}

mail_view compose(const mailbox& b, message_index m, unsigned parts) {
    const message& it = b.at(m);
    const message_extra* e = b.extra(m);
    mail_view v;
    if (it.has(message_own)) {
        v.sent = it.received;
        v.conversation = mix(it.seed);
        v.body_is_text = true;
        v.has_from = false;
        v.internet_id = "<" + hex64(mix(it.seed)) + hex64(b.seed) + "@contoso.example>";
    } else {
        generate_rest(it, parts, v);
        if ((parts & compose_people) != 0) {
            generate_people(it, b, v);
        }
    }
    if (e != nullptr && e->set) {
        apply_written(*e->set, v);
    }
    if (e != nullptr && (e->own_attachments || it.has(message_own))) {
        v.attachments = e->attachments;
    }
    return v;
}

}  // namespace m365stage::sim
