// The MIME form of messages: headers, alternative bodies, related pictures, attachments, nested messages.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "mail_content.hpp"
#include "mime.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

std::string mailboxes(const std::vector<mail_address>& list) {
    std::string out;
    for (const auto& a : list) {
        std::string name = a.name;
        bool plain = is_ascii(name) && name.find_first_of("()<>[]:;@\\,.\"'") == name.npos;
        if (plain || !is_ascii(name)) {
            name = encoded_words(name);
        } else {
            std::replace(name.begin(), name.end(), '"', '\'');
            name = '"' + name + '"';
        }
        out += (out.empty() ? "" : ",\r\n\t") + name + " <" + a.address + ">";
    }
    return out;
}

std::string header(std::string_view name, const std::string& value) {
    return value.empty() ? "" : std::string(name) + ": " + value + "\r\n";
}

std::string head_of(const mail_view& v, std::int64_t received, std::uint64_t seed, bool draft) {
    std::string out;
    if (!draft) {
        out += "Received: from mx.fabrikam.example (192.0.2.25) by\r\n AM0PR01MB" + hex64(seed).substr(0, 4) +
               ".eurprd01.prod.exchangelabs.com with SMTP;\r\n " + mail_date(received) + "\r\n";
    }
    if (v.has_from) {
        out += header("From", mailboxes({v.from}));
        out += v.sender == v.from ? "" : header("Sender", mailboxes({v.sender}));
    }
    out += header("To", mailboxes(v.to)) + header("CC", mailboxes(v.cc)) +
           header("Reply-To", mailboxes(v.reply_to));
    if (draft) {
        out += header("BCC", mailboxes(v.bcc));  // what was received has none
    }
    out += "Subject: " + encoded_words(v.subject) + "\r\n";
    out += header("Thread-Topic", encoded_words(v.subject));
    out += header("Thread-Index", "AQH" + base64url(hex64(v.conversation)));
    out += v.importance == "high" ? "Importance: high\r\nX-Priority: 1\r\n" : "";
    out += v.importance == "low" ? "Importance: low\r\nX-Priority: 5\r\n" : "";
    out += "Date: " + mail_date(v.sent) + "\r\nMessage-ID: " + v.internet_id + "\r\n";
    out += "Content-Language: en-US\r\nX-MS-Has-Attach: " + std::string(v.has_attachments() ? "yes" : "") +
           "\r\n";
    out += "X-MS-Exchange-Organization-SCL: 1\r\nMIME-Version: 1.0\r\n";
    return out;
}

std::string text_part(const std::string& text) {
    return "Content-Type: text/plain; charset=\"utf-8\"\r\nContent-Transfer-Encoding: "
           "quoted-printable\r\n\r\n" +
           quoted_printable(text) + "\r\n";
}

std::string html_part(const std::string& html) {
    return "Content-Type: text/html; charset=\"utf-8\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
           base64_lines(html);
}

std::string calendar_part(const mail_view& v) {
    std::string start = iso_time(v.sent + day_seconds);
    std::erase_if(start, [](char c) { return c == '-' || c == ':'; });
    return "Content-Type: text/calendar; charset=\"utf-8\"; method=REQUEST\r\nContent-Transfer-Encoding: "
           "8bit\r\n\r\n"
           "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nPRODID:Microsoft Exchange Server 2010\r\nVERSION:2.0\r\n"
           "BEGIN:VEVENT\r\nUID:040000008200E00074C5B7101A82E008" +
           hex64(v.conversation) + "\r\nDTSTAMP:" + start + "\r\nDTSTART:" + start +
           "\r\nDURATION:PT1H\r\nORGANIZER:mailto:" + v.from.address + "\r\nSUMMARY:" + v.subject +
           "\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
}

/// Writes parts into a source, opening and closing multiparts.
class builder {
public:
    builder(mime_source& out, std::uint64_t seed) : out_(out), seed_(seed) {}

    void add(const std::string& text) { text_ += text; }
    /// Begins a multipart; returns its boundary.
    std::string open(const std::string& type) {
        ++count_;
        std::string boundary = "_" + std::to_string(count_) + "_" + hex64(mix(seed_ + count_)) + "_";
        text_ += "Content-Type: multipart/" + type + ";\r\n\tboundary=\"" + boundary + "\"\r\n\r\n";
        return boundary;
    }
    void next(const std::string& boundary) { text_ += "\r\n--" + boundary + "\r\n"; }
    void close(const std::string& boundary) { text_ += "\r\n--" + boundary + "--\r\n"; }
    void file(const attachment& a) {
        text_ += "Content-Type: " + a.content_type + header_parameter("name", a.name) + "\r\n";
        text_ += "Content-Description: " + encoded_words(a.name) +
                 "\r\nContent-Disposition: " + (a.is_inline ? "inline" : "attachment") +
                 header_parameter("filename", a.name) + ";\r\n\tsize=" + std::to_string(a.data.size) + "\r\n";
        text_ += a.content_id.empty() ? "" : "Content-ID: <" + a.content_id + ">\r\n";
        text_ += "Content-Transfer-Encoding: base64\r\n\r\n";
        flush();
        out_.add_base64(a.data);
    }
    void flush() {
        out_.add(std::move(text_));
        text_.clear();
    }

private:
    mime_source& out_;
    std::uint64_t seed_;
    std::string text_;
    std::uint64_t count_ = 0;
};

void body_of(builder& b, const mail_view& v) {
    if (v.body_is_text && !v.meeting) {
        b.add(text_part(v.body));
        return;
    }
    std::string boundary = b.open("alternative");
    b.next(boundary);
    b.add(text_part(v.text()));
    if (!v.body_is_text) {
        b.next(boundary);
        b.add(html_part(v.body));
    }
    if (v.meeting) {
        b.next(boundary);
        b.add(calendar_part(v));
    }
    b.close(boundary);
}

/// The body with the pictures that it shows.
void related_of(builder& b, const mail_view& v) {
    bool pictures = std::any_of(v.attachments.begin(), v.attachments.end(), [](const attachment& a) {
        return a.is_inline;
    });
    if (!pictures) {
        return body_of(b, v);
    }
    std::string boundary = b.open("related");
    b.next(boundary);
    body_of(b, v);
    for (const auto& a : v.attachments) {
        if (a.is_inline && a.kind == attachment_kind::file) {
            b.next(boundary);
            b.file(a);
        }
    }
    b.close(boundary);
}

void message_of(builder& b, const mail_view& v) {
    // A link to a file elsewhere has no MIME form: it stands in the body only.
    auto carried = [](const attachment& a) { return !a.is_inline && a.kind != attachment_kind::reference; };
    if (std::none_of(v.attachments.begin(), v.attachments.end(), carried)) {
        return related_of(b, v);
    }
    std::string boundary = b.open("mixed");
    b.next(boundary);
    related_of(b, v);
    for (const auto& a : v.attachments) {
        if (!carried(a)) {
            continue;
        }
        b.next(boundary);
        if (a.kind == attachment_kind::item) {
            b.add(
                "Content-Type: message/rfc822\r\nContent-Disposition: attachment;\r\n\tcreation-date=\"" +
                mail_date(a.modified) + "\"\r\n\r\n" + mime_of_item(*a.item)
            );
        } else {
            b.file(a);
        }
    }
    b.close(boundary);
}

}  // namespace

std::string mime_of_item(const json& item) {
    mail_view v;
    auto text = [&](const char* key) {
        return item.contains(key) && item[key].is_string() ? item[key].get<std::string>() : std::string();
    };
    auto people = [&](const json& list) {
        std::vector<mail_address> out;
        for (const auto& one : list) {
            const json& e = one.value("emailAddress", json::object());
            out.push_back({e.value("name", ""), e.value("address", "")});
        }
        return out;
    };
    v.subject = text("subject");
    v.internet_id = text("internetMessageId");
    v.sent = parse_iso_time(text("sentDateTime")).value_or(0);
    if (item.contains("from") && item["from"].is_object()) {
        v.from = people(json::array({item["from"]})).front();
    }
    v.sender = v.from;
    v.to = people(item.value("toRecipients", json::array()));
    json body = item.value("body", json::object());
    v.body = body.value("content", "");
    v.body_is_text = !iequals(body.value("contentType", "text"), "html");
    mime_source out;
    builder b(out, hash_of(v.internet_id));
    b.add(head_of(v, v.sent, hash_of(v.internet_id), false));
    message_of(b, v);
    b.flush();
    std::string all(static_cast<std::size_t>(out.size()), '\0');
    all.resize(out.read(0, all.data(), all.size()));
    return all;
}

content mime_of(const mailbox& box, message_index m) {
    const message& it = box.at(m);
    const message_extra* e = box.extra(m);
    if (e != nullptr && e->mime.size > 0) {
        return e->mime;
    }
    mail_view v = compose(box, m);
    auto source = std::make_shared<mime_source>();
    std::uint64_t seed = mix(it.seed + m);
    builder b(*source, seed);
    b.add(head_of(v, it.received, seed, it.has(message_draft)));
    message_of(b, v);
    b.flush();
    content c;
    c.size = source->size();
    c.source = std::move(source);
    return c;
}

}  // namespace m365stage::sim
